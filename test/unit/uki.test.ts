import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { MemorySource, UsageError } from "../../src/bytes/index.ts";
import { NX_COMPATIBLE, readPe, sectionNamed, sectionSource } from "../../src/formats/pe/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import {
  assembleAddon,
  assembleUki,
  COMMAND_LINE_SIZE,
  findOsRelease,
  readProfiles,
  type UkiOptions,
} from "../../src/uki/index.ts";
import { sampleBzImage } from "../support/kernel-samples.ts";
import { STUB_SBAT, sampleEfiKernel, sampleStub, text } from "../support/pe-samples.ts";

const kernel = sampleEfiKernel();
const sections = {
  kernel,
  commandLine: "quiet splash=ünicode",
  initrd: text("initrd"),
  osRelease: text("ID=test\n"),
  kernelRelease: "6.12.1-test",
};
const uki = (given: Partial<UkiOptions> = {}): Uint8Array => assembleUki({ stub: sampleStub(), sections, ...given });

const namesOf = (program: Uint8Array): string[] => readPe(new MemorySource(program)).sections.map(({ name }) => name);

/** Of every section of a name, in their order. */
function contentsOf(program: Uint8Array, name: string): string[] {
  const source = new MemorySource(program);
  return readPe(source)
    .sections.filter((section) => section.name === name)
    .map((section) => {
      const content = sectionSource(source, section);
      return Buffer.from(content.read(0, content.size)).toString("utf8");
    });
}

describe("a unified kernel image", () => {
  test("has the stub's sections, then its own", () => {
    const program = uki();
    expect(namesOf(program)).toEqual([
      ...[".text", ".sdmagic", ".sbat"],
      ...[".osrel", ".cmdline", ".uname", ".linux", ".initrd"],
    ]);
    expect(contentsOf(program, ".cmdline")).toEqual(["quiet splash=ünicode"]);
    expect(contentsOf(program, ".uname")).toEqual(["6.12.1-test"]);
    expect(contentsOf(program, ".initrd")).toEqual(["initrd"]);
    expect(contentsOf(program, ".osrel")).toEqual(["ID=test\n"]);
    const source = new MemorySource(program);
    const linux = sectionNamed(readPe(source), ".linux");
    expect(linux?.virtualSize).toBe(kernel.length);
  });

  test("takes everything that there is, the policy's signature last", () => {
    const all = {
      splash: text("BM"),
      deviceTree: text("dtb"),
      pcrPublicKey: text("PEM"),
      microcode: text("cpio"),
      pcrSignature: text("{}"),
    };
    const names = namesOf(uki({ sections: { ...sections, ...all } }));
    expect(names.slice(3)).toEqual([
      ...[".osrel", ".cmdline", ".uname", ".splash", ".dtb", ".pcrpkey", ".ucode", ".linux", ".initrd", ".pcrsig"],
    ]);
  });

  test("leaves out what is empty, which the stub would take for missing", () => {
    expect(namesOf(uki({ sections: { kernel, commandLine: "", initrd: new Uint8Array() } })).slice(3)).toEqual([
      ".linux",
    ]);
  });

  test("is a function of its parts", () => {
    const digest = createHash("sha256").update(uki()).digest("hex");
    expect(digest).toBe(createHash("sha256").update(uki()).digest("hex"));
    expect(digest).toBe("50268003fbccc8a0bcaee87e29c681cdc1bfd43db2fd6f5cd9c4814abbdb8abd");
  });

  test("promises to need no executable data only if the kernel does, too", () => {
    const flags = (given: Uint8Array): number =>
      readPe(new MemorySource(uki({ sections: { ...sections, kernel: given } }))).dllCharacteristics & NX_COMPATIBLE;
    expect(flags(kernel)).toBe(NX_COMPATIBLE);
    expect(flags(sampleEfiKernel({ dllCharacteristics: 0 }))).toBe(0);
  });
});

describe("SBAT", () => {
  const UKI = "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/\n";

  test("of stub, kernel and user are one text, each line once", () => {
    const withSbat = sampleEfiKernel({ sbat: `${STUB_SBAT}linux,1,Linux,linux,6.12,x\0` });
    const program = uki({ sections: { kernel: withSbat }, sbat: "mine,3,Me,lazyrd,1,x\r\n" });
    expect(contentsOf(program, ".sbat")).toEqual([
      `${STUB_SBAT}linux,1,Linux,linux,6.12,x\nmine,3,Me,lazyrd,1,x\n${UKI}`,
    ]);
  });

  test("without entries of the kernel", () => {
    expect(contentsOf(uki(), ".sbat")).toEqual([STUB_SBAT + UKI]);
  });

  test("refuses what shim would not understand", () => {
    expect(() => uki({ sbat: "no generation" })).toThrow('sbat: Cannot read the SBAT entry "no generation"');
  });
});

describe("profiles", () => {
  const profiles = [
    { id: "normal", title: "Normal boot", sections: {} },
    { id: "rescue", title: 'The "rescue" $hell', sections: { commandLine: "rescue" } },
    { id: "previous", sections: { initrd: text("old"), kernel: sampleEfiKernel({ peOffset: 72 }) } },
  ];

  test("each begin with a section of their own, behind those of the image", () => {
    const program = uki({ profiles });
    expect(namesOf(program).slice(2)).toEqual([
      ...[".sbat", ".osrel", ".cmdline", ".uname", ".linux", ".initrd"],
      ".profile",
      ...[".profile", ".cmdline"],
      ...[".profile", ".linux", ".initrd"],
    ]);
    expect(contentsOf(program, ".profile")).toEqual([
      'ID=normal\nTITLE="Normal boot"\n',
      'ID=rescue\nTITLE="The \\"rescue\\" \\$hell"\n',
      "ID=previous\n",
    ]);
  });

  test("are read back", () => {
    const program = uki({ profiles });
    expect(readProfiles(program, readPe(new MemorySource(program)))).toEqual([
      { id: "normal", title: "Normal boot" },
      { id: "rescue", title: 'The "rescue" $hell' },
      { id: "previous", title: undefined },
    ]);
  });

  test("need IDs of their own that can be typed", () => {
    const [normal] = profiles;
    expect(() => uki({ profiles: [...profiles, ...(normal === undefined ? [] : [normal])] })).toThrow(
      'Cannot make two profiles "normal"',
    );
    expect(() => uki({ profiles: [{ id: "a b", sections: {} }] })).toThrow('Cannot use "a b" as the ID of a profile');
    expect(() => uki({ profiles: [{ id: "a", title: "b\nID=c", sections: {} }] })).toThrow(/as a title/);
  });
});

describe("what cannot be an image", () => {
  test("a stub that does not know what is wanted", () => {
    const old = sampleStub({ version: 252 });
    expect(uki({ stub: old }).length).toBeGreaterThan(old.length);
    const faults = [
      () => uki({ stub: old, profiles: [{ id: "a", sections: {} }] }),
      () => uki({ stub: old, sections: { ...sections, microcode: text("cpio") } }),
    ];
    expect(faults.map(messageOf)).toEqual([
      "Cannot add a section .profile: this stub is systemd 252's, which does not read it (take the stub of systemd 257 or newer, with --stub FILE)",
      "Cannot add a section .ucode: this stub is systemd 252's, which does not read it (take the stub of systemd 256 or newer, with --stub FILE)",
    ]);
  });

  test("a stub that is none", () => {
    const wanted = "give systemd's linuxx64.efi.stub";
    expect(() => uki({ stub: kernel })).toThrow(
      `stub: Cannot use this as a stub: it has no mark of systemd-stub; ${wanted}`,
    );
    expect(() => uki({ stub: uki() })).toThrow(`stub: Cannot use this as a stub: it has a kernel already; ${wanted}`);
    expect(() => uki({ stub: sampleStub({ kind: "addon" }) })).toThrow(/no mark of systemd-stub/);
    expect(() => uki({ stub: text("no program") })).toThrow(/Cannot read an EFI program/);
  });

  test("a stub without room in its header", () => {
    const profiles = Array.from({ length: 100 }, (_, index) => ({ id: `p${index}`, sections: {} }));
    expect(() => uki({ profiles })).toThrow(/Cannot write 108 sections: the header has room for 94/);
  });

  test("a kernel that is no EFI program, or for another machine", () => {
    expect(() => uki({ sections: { ...sections, kernel: sampleBzImage() } })).toThrow(
      "kernel image: Cannot put this kernel into a unified kernel image: it is no EFI program; take one built with CONFIG_EFI_STUB",
    );
    expect(messageOf(() => uki({ sections: { ...sections, kernel: sampleEfiKernel({ machine: 0xaa64 }) } }))).toBe(
      "Cannot start a kernel for machine 0xaa64 with a stub for 0x8664 (give the stub of the kernel's architecture, with --stub FILE)",
    );
    expect(() => uki({ sections, profiles: [{ id: "a", sections: { kernel: sampleBzImage() } }] })).toThrow(
      /it is no EFI program/,
    );
  });

  test("a command line that the kernel would not get whole", () => {
    const withLine = (commandLine: string) => () => uki({ sections: { ...sections, commandLine } });
    expect(contentsOf(withLine("x".repeat(COMMAND_LINE_SIZE - 1))(), ".cmdline")[0]).toHaveLength(2047);
    expect(withLine("x".repeat(COMMAND_LINE_SIZE))).toThrow(
      "Cannot use a command line of 2048 bytes: the kernel takes 2047 (COMMAND_LINE_SIZE)",
    );
    // Bytes count, not characters.
    expect(withLine("ü".repeat(1024))).toThrow(UsageError);
    expect(withLine("a\nb")).toThrow("Cannot use the command line: it has the control character 0xa at 1");
    expect(withLine("a\0")).toThrow(UsageError);
  });
});

describe("an addon", () => {
  const stub = sampleStub({ kind: "addon" });

  test("carries sections for the image beside it", () => {
    const addon = assembleAddon(stub, { commandLine: "debug", kernelRelease: "6.12.1-test" });
    expect(namesOf(addon)).toEqual([".text", ".sdmagic", ".sbat", ".cmdline", ".uname"]);
    expect(contentsOf(addon, ".cmdline")).toEqual(["debug"]);
  });

  test("is made of an addon's stub, and holds something", () => {
    expect(() => assembleAddon(sampleStub(), { commandLine: "x" })).toThrow(/no mark of systemd-addon; .*addonx64/);
    expect(() => assembleAddon(stub, { kernelRelease: "6.12" })).toThrow("Cannot make an addon without content");
  });
});

test("the os-release of an initrd is what it was made for", () => {
  const tree = new Tree();
  expect(findOsRelease(tree)).toBeUndefined();
  tree.setWithParents("usr/lib/os-release", regularFile(text("ID=system\n")));
  expect(findOsRelease(tree)).toEqual(text("ID=system\n"));
  tree.setWithParents("etc/initrd-release", regularFile(text("ID=initrd\n")));
  expect(findOsRelease(tree)).toEqual(text("ID=initrd\n"));
});

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof UsageError) return `${error.message} (${error.hint})`;
    throw error;
  }
  throw new Error("It was not refused");
}
