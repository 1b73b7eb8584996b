import {
  alignUp,
  type ByteString,
  byteStringFrom,
  FormatError,
  isPowerOfTwo,
  toSafeNumber,
} from "../../bytes/index.ts";
import {
  Elf64Header,
  Elf64Relocation,
  Elf64SectionHeader,
  Elf64Symbol,
  EM_X86_64,
  SHF_LINK_ORDER,
  SHT_NOBITS,
  SHT_NOTE,
  SHT_NULL,
  SHT_PROGBITS,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
} from "./layout.ts";
import {
  type ElfHeader,
  FORMAT,
  parseElfHeader,
  type SectionHeader,
  sectionContent,
  sectionHeader,
  stringAt,
} from "./sections.ts";
import { renumberRelocations, slimSymbols } from "./slim-symbols.ts";
import { StringTable } from "./string-table.ts";
import { unusual } from "./unusual.ts";

/** Longer than any name of a section of a module. */
const MAX_SECTION_NAME_BYTES = 256;
const SECTION_TABLE_ALIGNMENT = 8;

const USUAL_TYPES: ReadonlySet<number> = new Set([
  SHT_PROGBITS,
  SHT_SYMTAB,
  SHT_STRTAB,
  SHT_RELA,
  SHT_NOTE,
  SHT_NOBITS,
]);
/** Relocations that the kernel applies when another module is loaded: they depend on numbers of symbols and sections. */
const LIVEPATCH_SECTION = /^\.klp\./;

/** For debuggers and for people. The build ID stays: by it the debug symbols of this very module are found. */
const UNUSED_SECTION = /^\.(?:comment|note\.GNU-stack|note\.gnu\.property|debug_\w+)$/;
/** By these the kernel follows the stack through the module's functions; without them it guesses, and says so. */
const UNWIND_TABLE = /^\.orc_(?:unwind|unwind_ip|header)$/;
const TYPE_INFORMATION = /^\.BTF(?:\.ext|\.base)?$/;
/** What a module that offers functions or structs to BPF programs has or calls: it cannot do so without its types. */
const TYPE_INFORMATION_USER = ".BTF_ids";
const TYPE_INFORMATION_CALL = /btf|bpf_struct_ops/;

/** A section to be written: where it was, and what it holds now. */
interface Section {
  readonly number: number;
  readonly name: ByteString;
  readonly header: SectionHeader;
  readonly content: Uint8Array;
}

export interface SlimModule {
  readonly content: Uint8Array;
  /** Why nothing was taken out; undefined where something was. */
  readonly untouched: string | undefined;
}

export interface SlimOptions {
  /** Whether the tables stay by which the kernel follows the stack (ORC): a fifth of a module (default: true). */
  readonly unwindTables?: boolean;
}

/**
 * The module without what the kernel does not need to run it: local symbols that no relocation names, type
 * information (BTF) that the module itself does not use, debugging sections, and notes of the compiler. Everything else
 * has the same bytes. A module that has something unusual comes back as it is.
 * @param bytes not compressed, and without a signature, which would not fit any more and is not kept
 */
export function slimModule(bytes: Uint8Array, { unwindTables = true }: SlimOptions = {}): SlimModule {
  try {
    return { content: withoutUnneeded(bytes, unwindTables), untouched: undefined };
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    return { content: bytes, untouched: cause.message };
  }
}

function withoutUnneeded(bytes: Uint8Array, unwindTables: boolean): Uint8Array {
  const header = parseElfHeader(bytes);
  const all = usualSections(bytes, header);
  const symbolTable = symbolTableOf(all);
  const nameTable = all[symbolTable.header.sh_link - 1];
  if (nameTable?.header.sh_type !== SHT_STRTAB || nameTable.number === header.e_shstrndx) {
    throw unusual("its symbols have no table of names for themselves");
  }
  requireEntries(symbolTable, Elf64Symbol.size);
  const kept = neededSections(all, nameTable.content, unwindTables);
  const numbers = new Map(kept.map(({ number }, index) => [number, index + 1]));
  const relocations = kept.filter((section) => section.header.sh_type === SHT_RELA);
  for (const section of relocations) {
    requireEntries(section, Elf64Relocation.size);
    if (section.header.sh_link !== symbolTable.number) throw unusual(`${section.name} belongs to no symbols`);
  }
  const slim = slimSymbols(
    symbolTable.content,
    nameTable.content,
    relocations.map(({ content }) => content),
    numbers,
  );
  const newContent = (section: Section): Uint8Array => {
    if (section === symbolTable) return slim.symbols;
    if (section === nameTable) return slim.names;
    if (section.header.sh_type === SHT_RELA) return renumberRelocations(section.content, slim.numbers);
    return section.content;
  };
  const sections = kept.map((section) => ({
    ...section,
    content: newContent(section),
    header: { ...section.header, ...newReferences(section, numbers, slim.localCount) },
  }));
  const namesNumber = numbers.get(header.e_shstrndx);
  if (namesNumber === undefined) throw unusual("its table of section names bears the name of a section to be left out");
  return encodeModule(header, sections, namesNumber, bytes.length);
}

/** All sections but the empty first one. */
function usualSections(bytes: Uint8Array, header: ElfHeader): Section[] {
  if (header.e_machine !== EM_X86_64) throw unusual("it is not for x86-64");
  if (header.e_phnum !== 0) throw unusual("it has program headers");
  const headers = Array.from({ length: header.e_shnum }, (_, number) => sectionHeader(bytes, header, number));
  const [first, ...others] = headers;
  if (first?.sh_type !== SHT_NULL) throw unusual("its first section is not empty");
  const nameSection = headers[header.e_shstrndx];
  if (nameSection?.sh_type !== SHT_STRTAB) throw unusual("its sections have no table of names");
  const names = sectionContent(bytes, nameSection, header.e_shstrndx);
  let contentBytes = 0;
  return others.map((section, index) => {
    const number = index + 1;
    const name = stringAt(names, section.sh_name, MAX_SECTION_NAME_BYTES);
    if (!USUAL_TYPES.has(section.sh_type)) throw unusual(`${name} is a section of type ${section.sh_type}`);
    if (LIVEPATCH_SECTION.test(name)) throw unusual("it is a live patch");
    const content = section.sh_type === SHT_NOBITS ? new Uint8Array() : sectionContent(bytes, section, number);
    contentBytes += content.length;
    if (contentBytes > bytes.length) throw unusual("its sections overlap");
    return { number, name, header: section, content };
  });
}

function symbolTableOf(sections: readonly Section[]): Section {
  const [table, ...more] = sections.filter(({ header }) => header.sh_type === SHT_SYMTAB);
  if (table === undefined || more.length > 0) throw unusual("it does not have exactly one table of symbols");
  return table;
}

function requireEntries({ name, header, content }: Section, entryBytes: number): void {
  if (header.sh_entsize === BigInt(entryBytes) && content.length % entryBytes === 0) return;
  throw unusual(`${name} does not hold entries of ${entryBytes} bytes`);
}

/** Without those that nobody needs, and the relocations of these. */
function neededSections(sections: readonly Section[], symbolNames: Uint8Array, unwindTables: boolean): Section[] {
  const usesTypes =
    sections.some(({ name }) => name === TYPE_INFORMATION_USER) ||
    TYPE_INFORMATION_CALL.test(byteStringFrom(symbolNames));
  const isNeeded = ({ name }: Section): boolean =>
    !UNUSED_SECTION.test(name) &&
    (usesTypes || !TYPE_INFORMATION.test(name)) &&
    (unwindTables || !UNWIND_TABLE.test(name));
  return sections.filter((section) => {
    const target = section.header.sh_type === SHT_RELA ? sections[section.header.sh_info - 1] : undefined;
    return isNeeded(section) && (target === undefined || isNeeded(target));
  });
}

/** The fields of a section's header that name other sections or count symbols. */
function newReferences(
  { name, header }: Section,
  numbers: ReadonlyMap<number, number>,
  localCount: number,
): Pick<SectionHeader, "sh_link" | "sh_info"> {
  const { sh_type, sh_flags, sh_link, sh_info } = header;
  const numberOf = (old: number): number => {
    const number = numbers.get(old);
    if (number === undefined) throw unusual(`${name} refers to section ${old}`);
    return number;
  };
  if (sh_type === SHT_SYMTAB) return { sh_link: numberOf(sh_link), sh_info: localCount };
  if (sh_type === SHT_RELA) return { sh_link: numberOf(sh_link), sh_info: numberOf(sh_info) };
  if (sh_info !== 0) throw unusual(`${name} has a number of unknown meaning`);
  if ((sh_flags & SHF_LINK_ORDER) !== 0n) return { sh_link: numberOf(sh_link), sh_info };
  if (sh_link !== 0) throw unusual(`${name} refers to section ${sh_link}`);
  return { sh_link, sh_info };
}

/** The file: header, sections in their order, section headers. */
function encodeModule(
  header: ElfHeader,
  sections: readonly Section[],
  namesNumber: number,
  mostBytes: number,
): Uint8Array {
  const nameTable = new StringTable();
  const nameOffsets = sections.map(({ name }) => nameTable.add(name));
  const contents = sections.map(({ content }, index) => (index + 1 === namesNumber ? nameTable.bytes() : content));
  let end: number = Elf64Header.size;
  const offsets = sections.map((section, index) => {
    const offset = alignUp(end, alignmentOf(section));
    end = offset + (contents[index]?.length ?? 0);
    return offset;
  });
  const tableOffset = alignUp(end, SECTION_TABLE_ALIGNMENT);
  const sizeBytes = tableOffset + (sections.length + 1) * Elf64SectionHeader.size;
  if (sizeBytes > mostBytes) throw unusual("it would not get smaller");

  const output = new Uint8Array(sizeBytes);
  Elf64Header.write(output, 0, {
    ...header,
    e_shoff: BigInt(tableOffset),
    e_shnum: sections.length + 1,
    e_shstrndx: namesNumber,
  });
  for (const [index, section] of sections.entries()) {
    const content = contents[index] ?? section.content;
    const offset = offsets[index] ?? 0;
    output.set(content, offset);
    Elf64SectionHeader.write(output, tableOffset + (index + 1) * Elf64SectionHeader.size, {
      ...section.header,
      sh_name: nameOffsets[index] ?? 0,
      sh_offset: BigInt(offset),
      ...(section.header.sh_type === SHT_NOBITS ? {} : { sh_size: BigInt(content.length) }),
    });
  }
  return output;
}

function alignmentOf({ name, header }: Section): number {
  const alignment = toSafeNumber(header.sh_addralign, { format: FORMAT, field: "sh_addralign" });
  if (alignment === 0) return 1;
  if (!isPowerOfTwo(alignment)) throw unusual(`${name} has the alignment ${alignment}`);
  return alignment;
}
