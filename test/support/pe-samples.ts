import {
  DataDirectory,
  DosHeader,
  FileHeader,
  MAX_DATA_DIRECTORIES,
  OptionalHeader64,
  SectionHeader,
} from "../../src/formats/pe/layout.ts";
import { sampleBzImage } from "./kernel-samples.ts";

export const FILE_ALIGNMENT = 512;
export const SECTION_ALIGNMENT = 4096;

export interface SampleSection {
  readonly name: string;
  readonly content: Uint8Array;
  /** By default the next free page. */
  readonly address?: number;
}

export interface SampleProgram {
  readonly machine?: number;
  readonly dllCharacteristics?: number;
  readonly sizeOfHeaders?: number;
  readonly peOffset?: number;
}

const OPTIONAL_BYTES = OptionalHeader64.size + MAX_DATA_DIRECTORIES * DataDirectory.size;

/** A PE file as linkers make them; nothing that could run. */
export function sampleProgram(sections: readonly SampleSection[], given: SampleProgram = {}): Uint8Array {
  const { machine = 0x8664, dllCharacteristics = 0x0100, sizeOfHeaders = 1024, peOffset = 64 } = given;
  const headers = new Uint8Array(sizeOfHeaders);
  const parts: Uint8Array[] = [headers];
  DosHeader.write(headers, 0, { e_magic: "MZ", e_lfanew: peOffset });
  let address = SECTION_ALIGNMENT;
  let offset = sizeOfHeaders;
  for (const [index, section] of sections.entries()) {
    address = section.address ?? address;
    const { length } = section.content;
    const rawSize = Math.ceil(length / FILE_ALIGNMENT) * FILE_ALIGNMENT;
    SectionHeader.write(headers, peOffset + FileHeader.size + OPTIONAL_BYTES + index * SectionHeader.size, {
      Name: section.name,
      VirtualSize: length,
      VirtualAddress: address,
      SizeOfRawData: rawSize,
      PointerToRawData: offset,
      Characteristics: 0x4000_0040,
    });
    parts.push(section.content, new Uint8Array(rawSize - length));
    offset += rawSize;
    address = Math.ceil((address + length) / SECTION_ALIGNMENT) * SECTION_ALIGNMENT;
  }
  FileHeader.write(headers, peOffset, {
    Signature: "PE",
    Machine: machine,
    NumberOfSections: sections.length,
    SizeOfOptionalHeader: OPTIONAL_BYTES,
  });
  OptionalHeader64.write(headers, peOffset + FileHeader.size, {
    Magic: 0x20b,
    FileAlignment: FILE_ALIGNMENT,
    SectionAlignment: SECTION_ALIGNMENT,
    SizeOfHeaders: sizeOfHeaders,
    SizeOfImage: address,
    Subsystem: 10,
    DllCharacteristics: dllCharacteristics,
    NumberOfRvaAndSizes: MAX_DATA_DIRECTORIES,
  });
  return new Uint8Array(Buffer.concat(parts));
}

export const text = (value: string): Uint8Array => Buffer.from(value, "utf8");

export const STUB_SBAT =
  "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\nsystemd,1,The systemd Developers,systemd,257,x\n";

/** Something with all marks of a stub of systemd's. */
export function sampleStub(
  given: SampleProgram & {
    readonly version?: number;
    readonly kind?: "stub" | "addon";
    readonly more?: readonly SampleSection[];
  } = {},
): Uint8Array {
  const { version = 257, kind = "stub", more = [], ...program } = given;
  return sampleProgram(
    [
      { name: ".text", content: new Uint8Array(700).fill(0xc3) },
      { name: ".sbat", content: text(`${STUB_SBAT}\0`) },
      { name: ".sdmagic", content: text(`#### LoaderInfo: systemd-${kind} ${version}.3-1 ####\0`) },
      ...more,
    ],
    program,
  );
}

/** The smallest kernel that is an EFI program too. */
export function sampleEfiKernel(
  given: SampleProgram & { readonly sbat?: string; readonly bzImage?: Uint8Array } = {},
): Uint8Array {
  const { sbat, bzImage = sampleBzImage(), ...program } = given;
  const sections = [
    { name: ".text", content: bzImage.subarray(1024) },
    ...(sbat === undefined ? [] : [{ name: ".sbat", content: text(sbat) }]),
  ];
  const kernel = sampleProgram(sections, program);
  // The set-up header stands behind the section table, its version text in the second sector.
  kernel.set(bzImage.subarray(SETUP_HEADER_OFFSET, 1024), SETUP_HEADER_OFFSET);
  return kernel;
}

const SETUP_HEADER_OFFSET = 0x1f1;
