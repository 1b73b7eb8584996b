import { type ByteString, byteStringFrom, FormatError, hex, toSafeNumber } from "../../bytes/index.ts";
import {
  ELF_MAGIC,
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  Elf64Header,
  Elf64SectionHeader,
  ElfIdent,
  ET_REL,
  MACHINE_NAMES,
  MODINFO_SECTION,
  SHN_UNDEF,
  SHN_XINDEX,
  SHT_NOBITS,
} from "./layout.ts";
import { parseModinfo } from "./modinfo.ts";

const FORMAT = "kernel module";

/** The longest section name that is compared: only .modinfo matters, so that names need no buffer of their own. */
const MAX_SECTION_NAME_BYTES = 64;

/** What a module says about itself. Names are as written in the file: `-` and `_` are not yet made equal. */
export interface ModuleInfo {
  /** As built, or undefined in modules older than Linux 4.13. */
  readonly name: ByteString | undefined;
  /** As `uname -m` names it, or the ELF machine number. */
  readonly architecture: string;
  /** Modules whose symbols this one uses, as modpost wrote them. */
  readonly depends: readonly ByteString[];
  /** Patterns for fnmatch(3). */
  readonly aliases: readonly ByteString[];
  /** The text after `softdep=`, for instance "pre: crc32c". */
  readonly softdeps: readonly ByteString[];
  /** The text after `weakdep=`: names separated by blanks. */
  readonly weakdeps: readonly ByteString[];
  readonly vermagic: ByteString | undefined;
  readonly license: ByteString | undefined;
  /** Paths below /lib/firmware. */
  readonly firmware: readonly ByteString[];
}

/**
 * Reads the .modinfo section of a kernel module, not compressed; a signature at its end does not matter.
 * @throws FormatError when the bytes are not a 64-bit little-endian relocatable ELF file with that section.
 */
export function parseModule(bytes: Uint8Array): ModuleInfo {
  const header = parseHeader(bytes);
  const modinfo = parseModinfo(sectionBytes(bytes, header, MODINFO_SECTION));
  const all = (key: string): ByteString[] => modinfo.filter((entry) => entry.key === key).map((entry) => entry.value);
  return {
    name: all("name")[0],
    architecture: MACHINE_NAMES.get(header.e_machine) ?? `machine ${header.e_machine}`,
    depends: all("depends").flatMap((value) => value.split(",").filter((name) => name !== "")),
    aliases: all("alias"),
    softdeps: all("softdep"),
    weakdeps: all("weakdep"),
    vermagic: all("vermagic")[0],
    license: all("license")[0],
    firmware: all("firmware"),
  };
}

type Header = ReturnType<typeof Elf64Header.parse>;

function parseHeader(bytes: Uint8Array): Header {
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

/** The bytes of the section called `wanted`. The count is a u16 and every header must lie in the file: no further limit. */
function sectionBytes(bytes: Uint8Array, header: Header, wanted: string): Uint8Array {
  const names = contentOf(bytes, header, header.e_shstrndx);
  for (let index = 1; index < header.e_shnum; index++) {
    const { sh_name: start } = sectionHeader(bytes, header, index);
    const name = byteStringFrom(names.subarray(start, start + MAX_SECTION_NAME_BYTES)).split("\0", 1)[0];
    if (name === wanted) return contentOf(bytes, header, index);
  }
  throw new FormatError(`Cannot read the module: it has no ${wanted} section, so it is no kernel module`, {
    format: FORMAT,
  });
}

function sectionHeader(bytes: Uint8Array, header: Header, index: number): ReturnType<typeof Elf64SectionHeader.parse> {
  const tableOffset = toSafeNumber(header.e_shoff, { format: FORMAT, field: "e_shoff" });
  return Elf64SectionHeader.parse(bytes, tableOffset + index * Elf64SectionHeader.size);
}

function contentOf(bytes: Uint8Array, header: Header, index: number): Uint8Array {
  const section = sectionHeader(bytes, header, index);
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
