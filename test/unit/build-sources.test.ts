import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { encodeFirstStage, firstStageTree, type ModuleTreatment, prepareModule } from "../../src/build/first-stage.ts";
import { detectNextStage } from "../../src/build/index.ts";
import { findModules, keptParts, readModule } from "../../src/build/sources.ts";
import { FormatError, MemorySource, UsageError } from "../../src/bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { slimModule } from "../../src/formats/elf-module/index.ts";
import { directory, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { encodeArchive, SAMPLE_RELEASE, sampleInitrd, sampleModuleFiles } from "../support/build-inputs.ts";
import { moduleWithSymbols } from "../support/elf-samples.ts";
import { sampleModule, sampleModules, signSample } from "../support/kernel-samples.ts";
import { DIRECTORY_MODE, rawArchive } from "../support/newc.ts";

const program = (text = "program") => regularFile(Buffer.from(text), { permissions: 0o755 });

function treeOf(entries: Readonly<Record<string, ReturnType<typeof regularFile> | ReturnType<typeof symlink>>>): Tree {
  const tree = new Tree();
  for (const [path, node] of Object.entries(entries)) tree.setWithParents(path, node);
  return tree;
}

const RELEASE_FILE = { "etc/initrd-release": regularFile(new Uint8Array()) };

const AS_IT_IS: ModuleTreatment = { signatures: "keep", symbols: "auto" };
const WITHOUT_SIGNATURE: ModuleTreatment = { signatures: "strip", symbols: "keep" };

describe("the next stage", () => {
  test.each([
    ["dracut", { "usr/lib/systemd/systemd": program(), init: symlink("usr/lib/systemd/systemd"), ...RELEASE_FILE }],
    ["mkosi", { "usr/lib/systemd/systemd": program(), init: symlink("/usr/lib/systemd/systemd"), ...RELEASE_FILE }],
    [
      "links to links",
      {
        "usr/lib/systemd/systemd": program(),
        lib: symlink("usr/lib"),
        "sbin/init": symlink("../lib/systemd/systemd"),
        init: symlink("sbin/init"),
        ...RELEASE_FILE,
      },
    ],
    [
      "a release file that is a link",
      {
        "usr/lib/systemd/systemd": program(),
        init: symlink("usr/lib/systemd/systemd"),
        "usr/lib/initrd-release": regularFile(new Uint8Array()),
        "etc/initrd-release": symlink("../usr/lib/initrd-release"),
      },
    ],
  ])("is systemd: %s", (_, entries) => {
    expect(detectNextStage(treeOf(entries))).toEqual({ kind: "systemd", init: "/init" });
  });

  test.each([
    ["initramfs-tools", { init: program("#!/bin/sh") }],
    ["busybox as init", { "bin/busybox": program(), init: symlink("bin/busybox") }],
    [
      "systemd, which takes this for the main system",
      { "lib/systemd/systemd": program(), init: symlink("lib/systemd/systemd") },
    ],
    ["another program in an initrd with a release file", { init: program(), ...RELEASE_FILE }],
    [
      "something that is only called nearly so",
      { "bin/my-systemd": program(), init: symlink("bin/my-systemd"), ...RELEASE_FILE },
    ],
  ])("is a script or the like: %s", (_, entries) => {
    expect(detectNextStage(treeOf(entries))).toEqual({ kind: "script", init: "/init" });
  });

  test.each([
    ["missing", {}],
    ["not executable", { init: regularFile(new Uint8Array()) }],
    ["a dangling link", { init: symlink("usr/lib/systemd/systemd") }],
    ["a link to itself", { init: symlink("init") }],
    ["somewhere else", { "sbin/init": program() }],
  ])("is refused when /init is %s", (_, entries) => {
    expect(() => detectNextStage(treeOf(entries))).toThrow(FormatError);
    expect(() => detectNextStage(treeOf(entries))).toThrow(/initrd: Cannot find a program \/init in the initrd/);
  });

  test("is refused when /init is a directory", () => {
    const tree = new Tree();
    tree.set("init", directory());
    expect(() => detectNextStage(tree)).toThrow(FormatError);
  });
});

const MICROCODE = rawArchive(
  { name: "kernel", mode: DIRECTORY_MODE },
  { name: "kernel/x86", mode: DIRECTORY_MODE },
  { name: "kernel/x86/microcode", mode: DIRECTORY_MODE },
  { name: "kernel/x86/microcode/GenuineIntel.bin", data: "microcode" },
  { name: "early_cpio", data: "1" },
);
const TABLES = rawArchive({ name: "./kernel/firmware/acpi/dsdt.aml", data: "table" });

function bootconfig(text: string): Uint8Array {
  const footer = new DataView(new ArrayBuffer(8));
  footer.setUint32(0, text.length, true);
  footer.setUint32(
    4,
    Buffer.from(text).reduce((sum, byte) => sum + byte, 0),
    true,
  );
  return Buffer.concat([Buffer.from(text), new Uint8Array(footer.buffer), Buffer.from("#BOOTCONFIG\n")]);
}

const keptOf = async (initrd: Uint8Array) => keptParts(new MemorySource(initrd), await readInitramfs(initrd));

const emptyFirstStage = () => firstStageTree(Buffer.from("program"), { steps: [], drivers: [], modules: [] }, []);

describe("what stays of the initrd", () => {
  test("is nothing of one that is only an archive", async () => {
    const initrd = await sampleInitrd();
    const kept = await keptOf(initrd);
    expect(kept).toEqual({ early: new Uint8Array(), bootconfig: undefined, topLevelNames: [] });
  });

  test.each(["none", "gzip", "zstd"] as const)(
    "stands where it stood, around an archive packed with %s",
    async (method) => {
      const gap = new Uint8Array(516);
      const tail = bootconfig('kernel.quiet = "1"\n');
      const initrd = Buffer.concat([MICROCODE, gap, TABLES, await sampleInitrd(), tail]);
      const kept = await keptOf(initrd);
      expect(kept.topLevelNames).toEqual(["kernel", "early_cpio"]);

      const output = await encodeFirstStage(emptyFirstStage(), kept, method);
      const early = Buffer.concat([MICROCODE, gap, TABLES]);
      expect(Buffer.from(output).subarray(0, early.length)).toEqual(early);
      expect(Buffer.from(output).subarray(-tail.length)).toEqual(tail);

      const read = await readInitramfs(output);
      expect(read.segments.map((segment) => [segment.method, segment.early])).toEqual([
        ["none", true],
        ["none", true],
        [method, false],
      ]);
      expect(read.warnings).toEqual([]);
      expect(read.bootconfig?.text).toEqual(new Uint8Array(Buffer.from('kernel.quiet = "1"\n')));
      const { tree } = treeOfInitramfs(read, { includeEarly: false });
      expect([...tree.walk()].map(({ path }) => path)).toContain("lazyrd/plan");
    },
  );

  test.each([0, 1, 2, 3])("a bootconfig with %i bytes of padding is the end, byte for byte", async (padding) => {
    const tail = Buffer.concat([bootconfig("a\n"), new Uint8Array(padding)]);
    const initrd = Buffer.concat([await sampleInitrd(), tail]);
    const output = await encodeFirstStage(emptyFirstStage(), await keptOf(initrd), "zstd");
    expect(Buffer.from(output).subarray(-tail.length)).toEqual(tail);
    expect((await readInitramfs(output)).bootconfig).toBeDefined();
  });

  test("the archive begins where the kernel looks for one, whatever stands before it", async () => {
    const output = await encodeFirstStage(
      emptyFirstStage(),
      { early: Buffer.from("12345"), bootconfig: undefined },
      "none",
    );
    expect(Buffer.from(output).subarray(5, 14).toString("latin1")).toBe("\0\0\0" + "070701");
  });

  test("an archive after the first that is not early does not stay", async () => {
    const initrd = Buffer.concat([encodeArchive(treeOf({ init: program() })), MICROCODE]);
    const { early, topLevelNames } = await keptOf(initrd);
    expect([early.length, topLevelNames]).toEqual([0, []]);
  });
});

describe("modules", () => {
  const modules = (files = sampleModuleFiles()) => ({ path: "modules", tree: sampleModules(files, SAMPLE_RELEASE) });
  const folder = (files: Readonly<Record<string, string | Uint8Array>>) => {
    const tree = new Tree();
    for (const [path, content] of Object.entries(files)) tree.setWithParents(path, regularFile(Buffer.from(content)));
    return { path: "folder", tree };
  };

  test("are not taken from a folder that only has the right name", async () => {
    const empty = new Tree();
    empty.setWithParents(`usr/lib/modules/${SAMPLE_RELEASE}/leftover`, regularFile(Buffer.from("x")));
    const source = await findModules([{ path: "empty", tree: empty }, modules()], SAMPLE_RELEASE);
    expect(source.path).toBe("modules");
  });

  test("come from the first place that has them", async () => {
    const empty = { path: "empty", tree: new Tree() };
    const other = { path: "other", tree: sampleModules(sampleModuleFiles("6.1.0"), "6.1.0") };
    expect((await findModules([empty, other, modules()], SAMPLE_RELEASE)).path).toBe("modules");
    expect((await findModules([folder(sampleModuleFiles()), modules()], SAMPLE_RELEASE)).path).toBe("folder");
  });

  test("that are nowhere: all places are named", async () => {
    const places = [
      { path: "here", tree: new Tree() },
      { path: "there", tree: new Tree() },
    ];
    await expect(findModules(places, SAMPLE_RELEASE)).rejects.toThrow(UsageError);
    await expect(findModules(places, SAMPLE_RELEASE)).rejects.toThrow(/of kernel 6.12.1-test in here and there/);
  });

  test.each([
    ["as it is", (bytes: Uint8Array) => bytes],
    ["gzip", (bytes: Uint8Array) => gzipSync(bytes)],
  ])("are unpacked, %s, and lose their signature only when told to", async (_, pack) => {
    const plain = sampleModule(["license=GPL", `vermagic=${SAMPLE_RELEASE} SMP `]);
    const signed = signSample(plain, Buffer.from("signature"));
    const kept = await prepareModule("sample", pack(signed), AS_IT_IS);
    const stripped = await prepareModule("sample", pack(signed), WITHOUT_SIGNATURE);
    expect(Buffer.compare(kept.content, signed)).toBe(0);
    expect(Buffer.compare(stripped.content, plain)).toBe(0);
    expect(kept).toMatchObject({ name: "sample", vermagic: `${SAMPLE_RELEASE} SMP ` });
    expect(Buffer.compare((await prepareModule("sample", pack(plain), WITHOUT_SIGNATURE)).content, plain)).toBe(0);
  });

  test("lose the symbols that nothing needs together with their signature, or keep them where they are to", async () => {
    const plain = moduleWithSymbols();
    const signed = signSample(plain, Buffer.from("signature"));
    const prepare = async (treatment: ModuleTreatment, file = signed) => prepareModule("sample", file, treatment);
    expect(Buffer.compare((await prepare(AS_IT_IS)).content, signed)).toBe(0);
    expect(Buffer.compare((await prepare(WITHOUT_SIGNATURE)).content, plain)).toBe(0);
    for (const symbols of ["auto", "strip"] as const) {
      const { content, untouched } = await prepare({ signatures: "strip", symbols });
      expect(untouched).toBeUndefined();
      expect(Buffer.compare(content, slimModule(plain).content)).toBe(0);
      expect(content.length).toBeLessThan(plain.length);
    }
    const unusual = await prepare({ signatures: "strip", symbols: "auto" }, sampleModule(["license=GPL"]));
    expect(unusual.untouched).toMatch(/exactly one table of symbols/);
  });

  test("that are listed but not there are named", async () => {
    const source = await findModules([modules()], SAMPLE_RELEASE);
    source.tree.remove(source.database.path("erofs") ?? "");
    expect(() => readModule(source, "x/erofs.ko", "erofs", AS_IT_IS)).toThrow(/Cannot read the module x\/erofs.ko/);
  });

  test("stand under the name by which the plan loads them, whatever their file was called", async () => {
    const file = await prepareModule("dm_mod", sampleModule([]), AS_IT_IS);
    const tree = firstStageTree(Buffer.from("program"), { steps: [], drivers: [], modules: [] }, [file]);
    expect([...tree.walk()].map(({ path }) => path)).toEqual([
      "",
      "init",
      "lazyrd",
      "lazyrd/modules",
      "lazyrd/modules/dm_mod.ko",
      "lazyrd/plan",
    ]);
    expect(tree.get("init")).toMatchObject({ permissions: 0o755 });
  });
});
