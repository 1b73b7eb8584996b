import { byteStringFrom, FormatError, hex, type StructOf, toSafeNumber } from "../../bytes/index.ts";
import {
  ELF_MAGIC,
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  Elf64Header,
  Elf64SectionHeader,
  ElfIdent,
  ET_REL,
  SHN_UNDEF,
  SHN_XINDEX,
  SHT_NOBITS,
} from "./layout.ts";

export const FORMAT = "kernel module";

export type ElfHeader = StructOf<typeof Elf64Header>;
export type SectionHeader = StructOf<typeof Elf64SectionHeader>;

/**
 * Reads the header of a kernel module, not compressed.
 * @throws FormatError when the bytes are not a 64-bit little-endian relocatable ELF file with a section name table.
 */
export function parseElfHeader(bytes: Uint8Array): ElfHeader {
  const ident = ElfIdent.parse(bytes);
  if (ident.magic !== ELF_MAGIC) {
    throw new FormatError("Cannot read the module: it is no ELF file; decompress .ko.xz, .ko.zst and .ko.gz first", {
      format: FORMAT,
      offset: 0,
    });
  }
  if (ident.class === ELFCLASS32) {
    throw new FormatError("Cannot read the module: it is for a 32-bit kernel, and lazyrd handles 64-bit ones only", {
      format: FORMAT,
      field: "EI_CLASS",
    });
  }
  if (ident.class !== ELFCLASS64 || ident.data !== ELFDATA2LSB) {
    throw new FormatError(
      `Cannot read the module: expected class ${ELFCLASS64} and data ${ELFDATA2LSB} (little-endian), got ${ident.class} and ${ident.data}`,
      { format: FORMAT, field: "EI_DATA" },
    );
  }
  const header = Elf64Header.parse(bytes);
  if (header.e_type !== ET_REL) {
    throw new FormatError(`Cannot read the module: expected a relocatable file (${ET_REL}), got ${header.e_type}`, {
      format: FORMAT,
      field: "e_type",
    });
  }
  if (header.e_shentsize !== Elf64SectionHeader.size) {
    throw new FormatError(
      `Cannot read the module: expected section headers of ${Elf64SectionHeader.size} bytes, got ${header.e_shentsize}`,
      { format: FORMAT, field: "e_shentsize" },
    );
  }
  if (header.e_shnum === SHN_UNDEF || header.e_shstrndx === SHN_XINDEX || header.e_shstrndx >= header.e_shnum) {
    throw new FormatError(
      `Cannot read the module: expected a section name table among ${header.e_shnum} sections, got number ${header.e_shstrndx}`,
      { format: FORMAT, field: "e_shstrndx" },
    );
  }
  return header;
}

/** @throws FormatError when it lies outside of the file. */
export function sectionHeader(bytes: Uint8Array, header: ElfHeader, index: number): SectionHeader {
  const tableOffset = toSafeNumber(header.e_shoff, { format: FORMAT, field: "e_shoff" });
  return Elf64SectionHeader.parse(bytes, tableOffset + index * Elf64SectionHeader.size);
}

/** The bytes of a section, a view. @throws FormatError when it has none in the file or reaches beyond its end. */
export function sectionContent(bytes: Uint8Array, section: SectionHeader, index: number): Uint8Array {
  const offset = toSafeNumber(section.sh_offset, { format: FORMAT, field: "sh_offset" });
  const size = toSafeNumber(section.sh_size, { format: FORMAT, field: "sh_size" });
  if (section.sh_type === SHT_NOBITS || offset + size > bytes.length) {
    throw new FormatError(
      `Cannot read section ${index}: it ends at ${hex(offset + size)}, the file at ${hex(bytes.length)}`,
      { format: FORMAT, offset, field: "sh_size" },
    );
  }
  return bytes.subarray(offset, offset + size);
}

/** The text from `start` to the next NUL in a string table, or as much of it as `mostBytes` hold. */
export function stringAt(table: Uint8Array, start: number, mostBytes: number): string {
  const bytes = table.subarray(start, start + mostBytes);
  const end = bytes.indexOf(0);
  return byteStringFrom(end === -1 ? bytes : bytes.subarray(0, end));
}
