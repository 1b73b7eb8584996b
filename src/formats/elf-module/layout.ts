import { ascii, bytes, type Field, struct, u8, u16, u32, u64 } from "../../bytes/index.ts";

// ELF: System V gABI 4.1, chapter 4; C names from <elf.h>.
export const EI_NIDENT = 16;
export const ELF_MAGIC = "\x7fELF";
export const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
/** Relocatable file: what a kernel module is before the kernel links it. */
export const ET_REL = 1;
export const EM_X86_64 = 62;

/** Kinds of sections. What is not listed is not in an ordinary module. */
export const SHT_NULL = 0;
export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_RELA = 4;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;

/** sh_link names the section that this one describes. */
export const SHF_LINK_ORDER = 0x80n;

/** No section; as `e_shnum` or `e_shstrndx`, like SHN_XINDEX: the real number stands elsewhere (65,280 sections or more). */
export const SHN_UNDEF = 0;
/** From here on a section number says something else. */
export const SHN_LORESERVE = 0xff00;
export const SHN_ABS = 0xfff1;
export const SHN_COMMON = 0xfff2;
export const SHN_XINDEX = 0xffff;

export const STB_LOCAL = 0;

/** `e_ident` alone: what tells 32 from 64 bits before the rest can be read. */
export const ElfIdent = struct("Elf64_Ehdr.e_ident", EI_NIDENT, {
  magic: ascii(0, 4),
  class: u8(4),
  data: u8(5),
  version: u8(6),
});

export const Elf64Header = struct("Elf64_Ehdr", 64, {
  e_ident: bytes(0, EI_NIDENT),
  e_type: u16(16),
  e_machine: u16(18),
  e_version: u32(20),
  e_entry: u64(24),
  e_phoff: u64(32),
  e_shoff: u64(40),
  e_flags: u32(48),
  e_ehsize: u16(52),
  e_phentsize: u16(54),
  e_phnum: u16(56),
  e_shentsize: u16(58),
  e_shnum: u16(60),
  e_shstrndx: u16(62),
});

export const Elf64SectionHeader = struct("Elf64_Shdr", 64, {
  sh_name: u32(0),
  sh_type: u32(4),
  sh_flags: u64(8),
  sh_addr: u64(16),
  sh_offset: u64(24),
  sh_size: u64(32),
  sh_link: u32(40),
  sh_info: u32(44),
  sh_addralign: u64(48),
  sh_entsize: u64(56),
});

export const Elf64Symbol = struct("Elf64_Sym", 24, {
  st_name: u32(0),
  st_info: u8(4),
  st_other: u8(5),
  st_shndx: u16(6),
  st_value: u64(8),
  st_size: u64(16),
});

/** The upper half of st_info (ELF64_ST_BIND). */
export const SYMBOL_BINDING_SHIFT = 4;

/** r_info is one number in C; in a little-endian file its halves lie like this (ELF64_R_TYPE, ELF64_R_SYM). */
export const Elf64Relocation = struct("Elf64_Rela", 24, {
  r_offset: u64(0),
  r_type: u32(8),
  r_sym: u32(12),
  r_addend: u64(16),
});

/** `e_machine` to the name that `uname -m` shows; others are shown as numbers. */
export const MACHINE_NAMES: ReadonlyMap<number, string> = new Map([
  [3, "i386"],
  [21, "ppc64"],
  [22, "s390x"],
  [40, "arm"],
  [62, "x86_64"],
  [183, "aarch64"],
  [243, "riscv64"],
  [258, "loongarch64"],
]);

/** What modpost collects from MODULE_LICENSE(), MODULE_ALIAS() and so on: `key=value`, NUL after each. */
export const MODINFO_SECTION = ".modinfo";

// Module signatures: include/linux/module_signature.h.
export const MODULE_SIG_STRING = "~Module signature appended~\n";
/** `enum pkey_id_type`: the only kind that the kernel still accepts (kernel/module_signature.c). */
export const PKEY_ID_PKCS7 = 2;

/** The one big-endian number of these formats. */
const u32be = (offset: number): Field<number> => ({
  offset,
  size: 4,
  get: (view) => view.getUint32(offset, false),
  set: (view, value) => view.setUint32(offset, value, false),
});

/** Stands between the PKCS#7 message and MODULE_SIG_STRING. */
export const ModuleSignatureTrailer = struct("module_signature", 12, {
  algo: u8(0),
  hash: u8(1),
  id_type: u8(2),
  signer_len: u8(3),
  key_id_len: u8(4),
  __pad: bytes(5, 3),
  sig_len: u32be(8),
});
