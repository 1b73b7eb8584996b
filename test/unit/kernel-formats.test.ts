import { describe, expect, test } from "vitest";
import { byteStringBytes, FormatError } from "../../src/bytes/index.ts";
import { Arm64Header, parseKernelImage, SetupHeader, ZbootHeader } from "../../src/formats/bzimage/index.ts";
import {
  Elf64Header,
  Elf64SectionHeader,
  ModuleSignatureTrailer,
  parseModule,
  readModuleSignature,
  stripModuleSignature,
} from "../../src/formats/elf-module/index.ts";
import {
  DosHeader,
  FileHeader,
  OPTIONAL_MAGIC_64,
  OptionalHeader64,
  SectionHeader,
} from "../../src/formats/pe/layout.ts";
import { sampleBzImage, sampleModule, signSample } from "../support/kernel-samples.ts";

const MODULE = sampleModule([
  "name=dm_verity",
  "depends=dm-bufio,reed_solomon",
  "alias=dm-verity",
  "alias=second",
  "softdep=pre: crc32c",
  "weakdep=a b",
  "firmware=x/y.bin",
  "license=GPL",
  "vermagic=6.12.1-test SMP",
]);

test("structs have the sizes of the C structs", () => {
  expect([Elf64Header.size, Elf64SectionHeader.size, ModuleSignatureTrailer.size]).toEqual([64, 64, 12]);
  expect([SetupHeader.size, Arm64Header.size, ZbootHeader.size]).toEqual([0x268, 64, 64]);
});

describe("module", () => {
  test("gives what .modinfo says", () => {
    expect(parseModule(MODULE)).toEqual({
      name: "dm_verity",
      architecture: "x86_64",
      depends: ["dm-bufio", "reed_solomon"],
      aliases: ["dm-verity", "second"],
      softdeps: ["pre: crc32c"],
      weakdeps: ["a b"],
      vermagic: "6.12.1-test SMP",
      license: "GPL",
      firmware: ["x/y.bin"],
    });
  });

  test("is refused at every truncated length with a FormatError", () => {
    for (let length = 0; length < MODULE.length; length++) {
      expect(() => parseModule(MODULE.subarray(0, length)), `${length} bytes`).toThrow(FormatError);
    }
  });

  test.each([
    ["32-bit", sampleModule([], { e_ident: byteStringBytes("\x7fELF\x01\x01\x01") }), /32-bit kernel/],
    ["big-endian", sampleModule([], { e_ident: byteStringBytes("\x7fELF\x02\x02\x01") }), /little-endian/],
    ["linked", sampleModule([], { e_type: 2 }), /relocatable/],
    ["compressed", byteStringBytes("\xfd7zXZ\0".padEnd(80, "\0")), /decompress/],
    ["without an entry's key", sampleModule(["no equals sign"]), /expected key=value/],
    ["with a section table beyond the end", sampleModule([], { e_shoff: 1n << 60n }), /2\^53/],
  ])("that is %s is refused by name", (_, bytes, message) => {
    expect(() => parseModule(bytes)).toThrow(message);
  });
});

describe("module signature", () => {
  const signature = byteStringBytes("not really PKCS#7");

  test("is split from the module without a byte lost", () => {
    const signed = signSample(MODULE, signature);
    const found = readModuleSignature(signed);
    expect(found?.signedLength).toBe(MODULE.length);
    expect(Buffer.compare(found?.signatureBytes ?? new Uint8Array(), signature)).toBe(0);
    expect(Buffer.compare(stripModuleSignature(signed), MODULE)).toBe(0);
    expect(parseModule(signed).name).toBe("dm_verity");
  });

  test("that is missing leaves the module as it is", () => {
    expect(readModuleSignature(MODULE)).toBeUndefined();
    expect(stripModuleSignature(MODULE)).toBe(MODULE);
  });

  test("has the bytes that sign-file writes", () => {
    const signed = signSample(byteStringBytes("M"), byteStringBytes("S"));
    expect(Buffer.from(signed).toString("latin1")).toBe("MS\0\0\x02\0\0\0\0\0\0\0\0\x01~Module signature appended~\n");
  });

  test.each([
    ["of another kind", { id_type: 1 }, /id_type/],
    ["with parameters that must be zero", { hash: 4 }, /expected zero/],
    ["longer than the file", { sig_len: 0xffffffff }, /sig_len/],
    ["of no bytes", { sig_len: 0 }, /sig_len/],
  ])("%s is refused", (_, trailer, message) => {
    expect(() => readModuleSignature(signSample(MODULE, signature, trailer))).toThrow(message);
  });

  test("whose trailer is cut off in front is refused", () => {
    const signed = signSample(new Uint8Array(), signature);
    for (let length = 28; length < 28 + ModuleSignatureTrailer.size; length++) {
      expect(() => readModuleSignature(signed.subarray(signed.length - length))).toThrow(FormatError);
    }
  });
});

describe("kernel image", () => {
  test("bzImage: release, protocol and flags", () => {
    expect(parseKernelImage(sampleBzImage())).toEqual({
      kind: "bzimage",
      architecture: "x86_64",
      release: "6.12.1-test",
      versionText: "6.12.1-test (me@here) #1 SMP",
      efi: false,
      x86: {
        protocol: "2.15",
        relocatable: true,
        kernel64: true,
        loadableAbove4G: true,
        efiHandover32: false,
        efiHandover64: true,
      },
      payload: undefined,
    });
    expect(parseKernelImage(sampleBzImage("6.1.0", { xloadflags: 0 })).architecture).toBe("i386");
  });

  test("bzImage: refused at every truncated length with a FormatError", () => {
    const image = sampleBzImage();
    for (let length = 0; length < image.length; length++) {
      expect(() => parseKernelImage(image.subarray(0, length)), `${length} bytes`).toThrow(FormatError);
    }
  });

  test("arm64 Image: release from the banner", () => {
    const text = byteStringBytes("Linux version %s\0Linux version 6.12.1-arm64 (me@here) #1 SMP\n\0");
    const image = parseKernelImage(Buffer.concat([Arm64Header.encode({ magic: "ARM\x64" }), text]));
    expect(image).toMatchObject({ kind: "arm64-image", architecture: "aarch64", release: "6.12.1-arm64", efi: false });
  });

  test("EFI zboot: architecture, and where the compressed Image lies", () => {
    const image = zboot(0xaa64);
    expect(parseKernelImage(image)).toMatchObject({
      kind: "efi-zboot",
      architecture: "aarch64",
      release: undefined,
      payload: { offset: ZbootHeader.size + PE_HEADERS_BYTES, size: 28, compression: "gzip" },
    });
    for (let length = 0; length < image.length; length++) {
      expect(() => parseKernelImage(image.subarray(0, length)), `${length} bytes`).toThrow(FormatError);
    }
  });

  test.each([
    ["nothing", new Uint8Array(), /empty/],
    ["vmlinux", byteStringBytes("\x7fELF".padEnd(600, "\0")), /vmlinux.*bzImage/],
    ["gzip", byteStringBytes("\x1f\x8b\x08".padEnd(600, "\0")), /gzip'ed.*decompress it first/],
    ["an initrd", byteStringBytes("070701".padEnd(600, "0")), /initrd/],
    ["a UKI", pe(".linux"), /unified kernel image \(UKI\).*objcopy/],
    ["another EFI program", pe(".text"), /EFI program without a Linux kernel/],
    ["zeros", new Uint8Array(1024), /no bzImage/],
  ])("%s is refused, and the message says what to do", (_, bytes, message) => {
    expect(() => parseKernelImage(bytes)).toThrow(message);
  });
});

const PE_HEADERS_BYTES = FileHeader.size + OptionalHeader64.size;

function peHeaders(machine: number, sectionCount: number): Uint8Array {
  const sizes = { NumberOfSections: sectionCount, SizeOfOptionalHeader: OptionalHeader64.size };
  return Buffer.concat([
    FileHeader.encode({ Signature: "PE", Machine: machine, ...sizes }),
    OptionalHeader64.encode({ Magic: OPTIONAL_MAGIC_64 }),
  ]);
}

function pe(section: string): Uint8Array {
  return Buffer.concat([
    DosHeader.encode({ e_magic: "MZ", e_lfanew: DosHeader.size }),
    peHeaders(0x8664, 1),
    SectionHeader.encode({ Name: section }),
  ]);
}

function zboot(machine: number): Uint8Array {
  const payload_offset = ZbootHeader.size + PE_HEADERS_BYTES;
  const image = new Uint8Array(payload_offset + 28);
  ZbootHeader.write(image, 0, { mz: "MZ", zimg: "zimg", payload_offset, payload_size: 28, comp_type: "gzip" });
  DosHeader.write(image, 0, { e_lfanew: ZbootHeader.size });
  image.set(peHeaders(machine, 0), ZbootHeader.size);
  return image;
}
