import { struct, u32, u64 } from "../../bytes/index.ts";

// ELF: System V gABI 4.1, chapter 5; C names from <elf.h>.
/** A program that is loaded where it says. */
export const ET_EXEC = 2;
/** A program that is loaded anywhere, or a library. */
export const ET_DYN = 3;

/** The path of the dynamic linker: who starts the program must have that one, too. */
export const PT_INTERP = 3;

export const Elf64ProgramHeader = struct("Elf64_Phdr", 56, {
  p_type: u32(0),
  p_flags: u32(4),
  p_offset: u64(8),
  p_vaddr: u64(16),
  p_paddr: u64(24),
  p_filesz: u64(32),
  p_memsz: u64(40),
  p_align: u64(48),
});
