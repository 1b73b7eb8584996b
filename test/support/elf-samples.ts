import { alignUp, byteStringBytes, type StructOf } from "../../src/bytes/index.ts";
import {
  Elf64Header,
  Elf64Relocation,
  Elf64SectionHeader,
  Elf64Symbol,
  EM_X86_64,
  ET_REL,
  SHF_LINK_ORDER,
  SHN_UNDEF,
  SHT_NULL,
  SHT_PROGBITS,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
} from "../../src/formats/elf-module/index.ts";
import { Elf64ProgramHeader, ET_EXEC } from "../../src/formats/elf-program/index.ts";

export interface SampleSection {
  readonly name: string;
  readonly content?: Uint8Array;
  /** Fields of its header that matter to the test. */
  readonly header?: Partial<StructOf<typeof Elf64SectionHeader>>;
  /** The section that sh_link names, with SHF_LINK_ORDER. */
  readonly describes?: string;
  /** Symbols that relocations of this section name. */
  readonly relocations?: readonly string[];
}

export interface SampleSymbol {
  readonly name: string;
  readonly isGlobal?: boolean;
  /** The name of its section, a number, or nothing for an undefined symbol. */
  readonly section?: string | number;
}

const ENTRY_ALIGNMENT = 8n;
/** Enough for all parts, whatever alignment their headers claim. */
const PART_ALIGNMENT = 16;

/**
 * A relocatable file as `ld -r` makes it of modules: the sections, each with its relocations behind it, and the tables of
 * symbols and names at the end.
 */
export function relocatable(
  sections: readonly SampleSection[],
  symbols: readonly SampleSymbol[],
  header: Partial<StructOf<typeof Elf64Header>> = {},
): Uint8Array {
  const names = [
    "",
    ...sections.flatMap(({ name, relocations }) => (relocations === undefined ? [name] : [name, `.rela${name}`])),
    ...[".symtab", ".strtab", ".shstrtab"],
  ];
  const number = (name: string): number => names.indexOf(name);
  const symbolNames = stringTable(symbols.map(({ name }) => name));
  const sectionNames = stringTable(names);
  const symbolNumber = (name: string): number => symbols.findIndex((symbol) => symbol.name === name) + 1;
  const parts: { content: Uint8Array; header: Partial<StructOf<typeof Elf64SectionHeader>> }[] = [
    { content: new Uint8Array(), header: { sh_type: SHT_NULL } },
  ];
  for (const { name, content = new Uint8Array(16), header: given, describes, relocations } of sections) {
    const order = describes === undefined ? {} : { sh_flags: SHF_LINK_ORDER, sh_link: number(describes) };
    parts.push({ content, header: { sh_type: SHT_PROGBITS, sh_addralign: 16n, ...order, ...given } });
    if (relocations === undefined) continue;
    const entries = relocations.map((symbol, index) =>
      Elf64Relocation.encode({ r_offset: BigInt(index), r_type: 2, r_sym: symbolNumber(symbol), r_addend: 7n }),
    );
    const sh_info = number(name);
    parts.push({
      content: Buffer.concat(entries),
      header: { ...tableHeader(SHT_RELA, Elf64Relocation.size), sh_link: number(".symtab"), sh_info },
    });
  }
  const entries = symbols.map(({ name, isGlobal = false, section = SHN_UNDEF }, index) =>
    Elf64Symbol.encode({
      st_name: symbolNames.offsets.get(name) ?? 0,
      st_info: isGlobal ? 0x10 : 0,
      st_shndx: typeof section === "number" ? section : number(section),
      st_value: BigInt(index),
      st_size: 1n,
    }),
  );
  const sh_info = 1 + symbols.filter(({ isGlobal }) => isGlobal !== true).length;
  parts.push({
    content: Buffer.concat([Elf64Symbol.encode({}), ...entries]),
    header: { ...tableHeader(SHT_SYMTAB, Elf64Symbol.size), sh_link: number(".strtab"), sh_info },
  });
  for (const content of [symbolNames.bytes, sectionNames.bytes]) {
    parts.push({ content, header: { sh_type: SHT_STRTAB, sh_addralign: 1n } });
  }
  const named = parts.map((part, index) => ({
    ...part,
    header: { sh_name: sectionNames.offsets.get(names[index] ?? "") ?? 0, ...part.header },
  }));
  return assemble(named, { e_shstrndx: parts.length - 1, ...header });
}

function tableHeader(sh_type: number, entryBytes: number) {
  return { sh_type, sh_entsize: BigInt(entryBytes), sh_addralign: ENTRY_ALIGNMENT };
}

function stringTable(texts: readonly string[]) {
  const offsets = new Map<string, number>();
  let text = "\0";
  for (const name of new Set(texts.filter((candidate) => candidate !== ""))) {
    offsets.set(name, text.length);
    text += `${name}\0`;
  }
  return { offsets, bytes: byteStringBytes(text) };
}

function assemble(
  parts: readonly { content: Uint8Array; header: Partial<StructOf<typeof Elf64SectionHeader>> }[],
  header: Partial<StructOf<typeof Elf64Header>>,
): Uint8Array {
  let end: number = Elf64Header.size;
  const offsets = parts.map(({ content }) => {
    const offset = alignUp(end, PART_ALIGNMENT);
    end = offset + content.length;
    return offset;
  });
  const tableOffset = alignUp(end, PART_ALIGNMENT);
  const output = new Uint8Array(tableOffset + parts.length * Elf64SectionHeader.size);
  Elf64Header.write(output, 0, {
    e_ident: byteStringBytes("\x7fELF\x02\x01\x01"),
    e_type: ET_REL,
    e_machine: EM_X86_64,
    e_shoff: BigInt(tableOffset),
    e_ehsize: Elf64Header.size,
    e_shentsize: Elf64SectionHeader.size,
    e_shnum: parts.length,
    ...header,
  });
  for (const [index, part] of parts.entries()) {
    const offset = offsets[index] ?? 0;
    output.set(part.content, offset);
    Elf64SectionHeader.write(output, tableOffset + index * Elf64SectionHeader.size, {
      sh_offset: BigInt(index === 0 ? 0 : offset),
      sh_size: BigInt(part.content.length),
      ...part.header,
    });
  }
  return output;
}

/** A module with symbols that nothing needs. */
export function moduleWithSymbols(): Uint8Array {
  const modinfo = { name: ".modinfo", content: Buffer.from("license=GPL\0"), header: { sh_addralign: 1n } };
  const symbols = Array.from({ length: 20 }, (_, index) => ({ name: `local_${index}`, section: ".text" }));
  return relocatable([modinfo, { name: ".text" }], symbols);
}

/** As much of a program as its headers: one program header of each type. */
export function sampleProgram({
  types = [6, 1],
  header = {},
}: {
  readonly types?: readonly number[];
  readonly header?: Partial<StructOf<typeof Elf64Header>>;
} = {}): Uint8Array {
  const start = Elf64Header.encode({
    e_ident: byteStringBytes("\x7fELF\x02\x01\x01"),
    e_type: ET_EXEC,
    e_machine: EM_X86_64,
    e_phoff: BigInt(Elf64Header.size),
    e_phentsize: Elf64ProgramHeader.size,
    e_phnum: types.length,
    ...header,
  });
  return Buffer.concat([start, ...types.map((p_type) => Elf64ProgramHeader.encode({ p_type }))]);
}
