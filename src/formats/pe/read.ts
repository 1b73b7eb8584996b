import { type ByteSource, byteStringFrom, FormatError, hex, SubSource, toSafeNumber } from "../../bytes/index.ts";
import {
  CERTIFICATE_DIRECTORY,
  DataDirectory,
  DOS_MAGIC,
  DosHeader,
  FileHeader,
  FORMAT,
  MAX_DATA_DIRECTORIES,
  MAX_SECTIONS,
  OPTIONAL_MAGIC_32,
  OPTIONAL_MAGIC_64,
  OptionalHeader32,
  OptionalHeader64,
  PE_SIGNATURE,
  SECTION_UNINITIALIZED,
  SectionHeader,
} from "./layout.ts";

/** A section of a PE file; sizes and offsets in bytes. */
export interface PeSection {
  readonly name: string;
  /** Where it lies in memory, from the image's base. */
  readonly virtualAddress: number;
  /** The length of its content. */
  readonly virtualSize: number;
  readonly rawOffset: number;
  /** In the file: the content padded to the file's alignment, or less than it where it ends with zeros. */
  readonly rawSize: number;
  readonly characteristics: number;
}

/** The headers of a PE file. */
export interface PeImage {
  /** IMAGE_FILE_MACHINE_* */
  readonly machine: number;
  readonly characteristics: number;
  /** Whether it is PE32+. */
  readonly is64Bit: boolean;
  readonly entryPoint: number;
  readonly imageBase: number;
  readonly sectionAlignment: number;
  readonly fileAlignment: number;
  readonly sizeOfImage: number;
  readonly sizeOfHeaders: number;
  readonly subsystem: number;
  readonly dllCharacteristics: number;
  /** Where the headers' parts stand, for whoever adds a section or hashes the file. */
  readonly offsets: {
    readonly fileHeader: number;
    readonly optionalHeader: number;
    readonly checksum: number;
    /** Undefined where there is no room for the entry. */
    readonly certificateDirectory: number | undefined;
    readonly sectionTable: number;
  };
  /** The signatures, in the file; undefined when there are none. */
  readonly certificates: { readonly offset: number; readonly size: number } | undefined;
  readonly sections: readonly PeSection[];
}

/** Whether a file starts as PE files do; `head` are its first bytes. */
export function isPe(head: Uint8Array): boolean {
  if (head.length < DosHeader.size) return false;
  const { e_magic, e_lfanew } = DosHeader.parse(head);
  const signature = head.subarray(e_lfanew, e_lfanew + FileHeader.fields.Signature.size);
  return e_magic === DOS_MAGIC && byteStringFrom(signature) === `${PE_SIGNATURE}\0\0`;
}

/**
 * Reads the headers and the section table of a PE file.
 * @throws FormatError when they are cut off, not sound, or name what lies outside of the file.
 */
export function readPe(source: ByteSource): PeImage {
  const dos = DosHeader.parse(part(source, 0, DosHeader.size));
  if (dos.e_magic !== DOS_MAGIC) fail(`Cannot read an EFI program: expected "${DOS_MAGIC}" at its start`, 0, "e_magic");
  const fileHeader = dos.e_lfanew;
  const file = FileHeader.parse(part(source, fileHeader, FileHeader.size));
  if (file.Signature !== PE_SIGNATURE)
    fail(`Cannot read an EFI program: expected "${PE_SIGNATURE}"`, fileHeader, "Signature");
  if (file.NumberOfSections > MAX_SECTIONS) {
    fail(
      `Cannot read ${file.NumberOfSections} sections: expected at most ${MAX_SECTIONS}`,
      fileHeader,
      "NumberOfSections",
    );
  }
  const optionalHeader = fileHeader + FileHeader.size;
  const optional = parseOptional(part(source, optionalHeader, file.SizeOfOptionalHeader), optionalHeader);
  const sectionTable = optionalHeader + file.SizeOfOptionalHeader;
  const table = part(source, sectionTable, file.NumberOfSections * SectionHeader.size);
  const sections = Array.from({ length: file.NumberOfSections }, (_, index) =>
    parseSection(table, index * SectionHeader.size, sectionTable, source.size),
  );
  const { certificates } = optional;
  if (certificates !== undefined && certificates.offset + certificates.size > source.size) {
    fail(`Cannot read the signatures: ${certificates.size} bytes reach beyond the file`, certificates.offset, "Size");
  }
  const { checksum, certificateDirectory, ...facts } = optional;
  return {
    machine: file.Machine,
    characteristics: file.Characteristics,
    ...facts,
    offsets: { fileHeader, optionalHeader, checksum, certificateDirectory, sectionTable },
    sections,
  };
}

/** The content of a section as the file holds it: what memory would have behind it is zeros. */
export function sectionSource(source: ByteSource, section: PeSection): ByteSource {
  return new SubSource(source, section.rawOffset, Math.min(section.rawSize, section.virtualSize));
}

/** The first section of a name: the one that counts (systemd-stub, pe.c). */
export function sectionNamed(image: PeImage, name: string): PeSection | undefined {
  return image.sections.find((section) => section.name === name);
}

type Optional = Pick<
  PeImage,
  | "is64Bit"
  | "entryPoint"
  | "imageBase"
  | "sectionAlignment"
  | "fileAlignment"
  | "sizeOfImage"
  | "sizeOfHeaders"
  | "subsystem"
  | "dllCharacteristics"
  | "certificates"
> & { checksum: number; certificateDirectory: number | undefined };

function parseOptional(bytes: Uint8Array, offset: number): Optional {
  const magic = bytes.length < 2 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, true);
  if (magic !== OPTIONAL_MAGIC_64 && magic !== OPTIONAL_MAGIC_32) {
    fail(
      `Cannot read an EFI program: expected ${hex(OPTIONAL_MAGIC_64)} or ${hex(OPTIONAL_MAGIC_32)}, got ${hex(magic)}`,
      offset,
      "Magic",
    );
  }
  const is64Bit = magic === OPTIONAL_MAGIC_64;
  const struct = is64Bit ? OptionalHeader64 : OptionalHeader32;
  const raw = is64Bit ? OptionalHeader64.parse(bytes) : OptionalHeader32.parse(bytes);
  const directories = Math.min(raw.NumberOfRvaAndSizes, MAX_DATA_DIRECTORIES);
  const at = struct.size + CERTIFICATE_DIRECTORY * DataDirectory.size;
  const hasEntry = directories > CERTIFICATE_DIRECTORY && at + DataDirectory.size <= bytes.length;
  const entry = hasEntry ? DataDirectory.parse(bytes, at) : undefined;
  const imageBase = BigInt(raw.ImageBase);
  return {
    is64Bit,
    entryPoint: raw.AddressOfEntryPoint,
    imageBase: toSafeNumber(imageBase, { format: FORMAT, field: "ImageBase", offset }),
    sectionAlignment: raw.SectionAlignment,
    fileAlignment: raw.FileAlignment,
    sizeOfImage: raw.SizeOfImage,
    sizeOfHeaders: raw.SizeOfHeaders,
    subsystem: raw.Subsystem,
    dllCharacteristics: raw.DllCharacteristics,
    certificates:
      entry === undefined || entry.Size === 0 ? undefined : { offset: entry.VirtualAddress, size: entry.Size },
    checksum: offset + struct.fields.CheckSum.offset,
    certificateDirectory: hasEntry ? offset + at : undefined,
  };
}

function parseSection(table: Uint8Array, at: number, tableOffset: number, fileSize: number): PeSection {
  const raw = SectionHeader.parse(table, at);
  const isInFile = (raw.Characteristics & SECTION_UNINITIALIZED) === 0 && raw.SizeOfRawData > 0;
  if (isInFile && raw.PointerToRawData + raw.SizeOfRawData > fileSize) {
    const what = `${raw.SizeOfRawData} bytes from ${hex(raw.PointerToRawData)} reach beyond the file's ${fileSize}`;
    fail(`Cannot read section ${JSON.stringify(raw.Name)}: ${what}`, tableOffset + at, "SizeOfRawData");
  }
  return {
    name: raw.Name,
    virtualAddress: raw.VirtualAddress,
    virtualSize: raw.VirtualSize,
    rawOffset: isInFile ? raw.PointerToRawData : 0,
    rawSize: isInFile ? raw.SizeOfRawData : 0,
    characteristics: raw.Characteristics,
  };
}

function part(source: ByteSource, offset: number, length: number): Uint8Array {
  if (offset + length <= source.size) return source.read(offset, length);
  return fail(`Cannot read an EFI program: it ends after ${source.size} bytes, within its headers`, offset);
}

function fail(message: string, offset: number, field?: string): never {
  throw new FormatError(message, { format: FORMAT, offset, field });
}
