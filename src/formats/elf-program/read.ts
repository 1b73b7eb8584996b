import { FormatError, toSafeNumber } from "../../bytes/index.ts";
import { ELF_MAGIC, ELFCLASS64, ELFDATA2LSB, Elf64Header, ElfIdent } from "../elf-module/index.ts";
import { Elf64ProgramHeader, ET_DYN, ET_EXEC, PT_INTERP } from "./layout.ts";

const FORMAT = "ELF program";

/** What can be told of a program without running it. */
export interface ProgramFacts {
  /** `e_machine`, such as EM_X86_64. */
  readonly machine: number;
  /** It needs no dynamic linker, and so no libraries. */
  readonly isStatic: boolean;
}

/**
 * Reads the headers of a 64-bit program.
 * @throws FormatError when it is no such program, or its headers lie outside of the file.
 */
export function parseProgram(bytes: Uint8Array): ProgramFacts {
  const ident = ElfIdent.parse(bytes);
  if (ident.magic !== ELF_MAGIC || ident.class !== ELFCLASS64 || ident.data !== ELFDATA2LSB) {
    throw new FormatError("Cannot read the program: expected a 64-bit little-endian ELF file", {
      format: FORMAT,
      offset: 0,
    });
  }
  const header = Elf64Header.parse(bytes);
  if (header.e_type !== ET_EXEC && header.e_type !== ET_DYN) {
    throw new FormatError(`Cannot read the program: expected type ${ET_EXEC} or ${ET_DYN}, got ${header.e_type}`, {
      format: FORMAT,
      field: "e_type",
    });
  }
  if (header.e_phnum === 0 || header.e_phentsize !== Elf64ProgramHeader.size) {
    throw new FormatError(
      `Cannot read the program: expected program headers of ${Elf64ProgramHeader.size} bytes, got ${header.e_phnum} of ${header.e_phentsize}`,
      { format: FORMAT, field: "e_phentsize" },
    );
  }
  const start = toSafeNumber(header.e_phoff, { format: FORMAT, field: "e_phoff" });
  const types = Array.from(
    { length: header.e_phnum },
    (_, index) => Elf64ProgramHeader.parse(bytes, start + index * Elf64ProgramHeader.size).p_type,
  );
  return { machine: header.e_machine, isStatic: !types.includes(PT_INTERP) };
}
