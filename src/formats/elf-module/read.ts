import { type ByteString, FormatError } from "../../bytes/index.ts";
import { MACHINE_NAMES, MODINFO_SECTION } from "./layout.ts";
import { parseModinfo } from "./modinfo.ts";
import { type ElfHeader, FORMAT, parseElfHeader, sectionContent, sectionHeader, stringAt } from "./sections.ts";

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
  const header = parseElfHeader(bytes);
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

/** The bytes of the section called `wanted`. The count is a u16 and every header must lie in the file: no further limit. */
function sectionBytes(bytes: Uint8Array, header: ElfHeader, wanted: string): Uint8Array {
  const names = sectionContent(bytes, sectionHeader(bytes, header, header.e_shstrndx), header.e_shstrndx);
  for (let index = 1; index < header.e_shnum; index++) {
    const section = sectionHeader(bytes, header, index);
    if (stringAt(names, section.sh_name, wanted.length + 1) === wanted) return sectionContent(bytes, section, index);
  }
  throw new FormatError(`Cannot read the module: it has no ${wanted} section, so it is no kernel module`, {
    format: FORMAT,
  });
}
