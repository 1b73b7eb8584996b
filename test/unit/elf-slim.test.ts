import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { byteStringBytes, byteStringFrom, type StructOf } from "../../src/bytes/index.ts";
import {
  Elf64Header,
  Elf64Relocation,
  Elf64SectionHeader,
  Elf64Symbol,
  slimModule,
} from "../../src/formats/elf-module/index.ts";
import { relocatable, type SampleSection, type SampleSymbol } from "../support/elf-samples.ts";

const SECTIONS: readonly SampleSection[] = [
  { name: ".note.GNU-stack", content: new Uint8Array() },
  { name: ".text", relocations: [".text", "printk", "used_here"], header: { sh_flags: 6n } },
  { name: ".comment", header: { sh_addralign: 1n } },
  { name: ".note.gnu.property", header: { sh_type: 7 } },
  { name: ".note.gnu.build-id", header: { sh_type: 7 } },
  { name: ".debug_info", relocations: ["only_debugged"] },
  { name: ".BTF", header: { sh_addralign: 1n } },
  { name: "__mcount_loc", describes: ".text", relocations: [".text"] },
  { name: ".bss", content: new Uint8Array(), header: { sh_type: 8, sh_size: 4096n } },
];
const SYMBOLS: readonly SampleSymbol[] = [
  { name: ".text", section: ".text" },
  { name: ".debug_info", section: ".debug_info" },
  { name: "helper", section: ".text" },
  { name: "used_here", section: ".text" },
  { name: "only_debugged", section: ".text" },
  { name: "file.c", section: 0xfff1 },
  { name: "exported", section: ".text", isGlobal: true },
  { name: "in_bss", section: ".bss", isGlobal: true },
  { name: "printk", isGlobal: true },
  { name: "never_used", isGlobal: true },
];

test("structs have the sizes of the C structs", () => {
  expect([Elf64Symbol.size, Elf64Relocation.size]).toEqual([24, 24]);
});

describe("a module made smaller", () => {
  const module = relocatable(SECTIONS, SYMBOLS);
  const { content, untouched } = slimModule(module);
  const read = readRelocatable(content);

  test("has the sections that the kernel needs", () => {
    expect(untouched).toBeUndefined();
    expect(content.length).toBeLessThan(module.length);
    expect(read.sections.map(({ name }) => name)).toEqual([
      ...["", ".text", ".rela.text", ".note.gnu.build-id", "__mcount_loc", ".rela__mcount_loc", ".bss"],
      ...[".symtab", ".strtab", ".shstrtab"],
    ]);
  });

  test("keeps the tables for following the stack, or loses them together with what only they name", () => {
    const tables: SampleSection[] = [
      { name: ".orc_unwind_ip", relocations: [".text", "only_followed"] },
      { name: ".orc_unwind" },
      { name: ".orc_header" },
    ];
    const symbols = [{ name: "only_followed", section: ".text" }, ...SYMBOLS];
    const whole = relocatable([...SECTIONS, ...tables], symbols);
    const names = (unwindTables: boolean) => {
      const slim = readRelocatable(slimModule(whole, { unwindTables }).content);
      return [slim.sections.map(({ name }) => name), slim.symbols.map(({ name }) => name)].flat();
    };
    const lost = names(true).filter((name) => !names(false).includes(name));
    expect(lost.sort()).toEqual([
      ".orc_header",
      ".orc_unwind",
      ".orc_unwind_ip",
      ".rela.orc_unwind_ip",
      "only_followed",
    ]);
    expect(slimModule(whole, { unwindTables: false }).content.length).toBeLessThan(slimModule(whole).content.length);
  });

  test("has the symbols that relocations name, and all that are global or undefined", () => {
    expect(read.symbols.map(({ name }) => name)).toEqual([
      ...["", ".text", "used_here", "exported", "in_bss", "printk", "never_used"],
    ]);
    expect(read.section(".symtab").header.sh_info).toBe(3);
    expect(read.symbols.map(({ section }) => section)).toEqual(["", ".text", ".text", ".text", ".bss", "", ""]);
    expect(read.symbols.map(({ value }) => value)).toEqual([0n, 0n, 3n, 6n, 7n, 8n, 9n]);
  });

  test("refers to the same symbols and sections as before", () => {
    expect(read.relocations(".rela.text")).toEqual([".text", "printk", "used_here"]);
    expect(read.relocations(".rela__mcount_loc")).toEqual([".text"]);
    expect(read.linked("__mcount_loc")).toBe(".text");
    expect(read.linked(".rela.text")).toBe(".symtab");
    expect(read.linked(".symtab")).toBe(".strtab");
    expect(read.section(".bss").header.sh_size).toBe(4096n);
  });

  test("has its contents where their alignment wants them", () => {
    for (const { header } of read.sections.slice(1)) {
      expect(header.sh_offset % (header.sh_addralign || 1n)).toBe(0n);
    }
  });

  test("is the same bytes every time, and cannot get smaller again", () => {
    expect(createHash("sha256").update(content).digest("hex")).toMatchInlineSnapshot(
      `"be71a509705c3e7010dc6036a12a88581a52de15fca3944bff43e3a3631a997c"`,
    );
    const again = slimModule(content);
    expect(again.untouched).toBeUndefined();
    expect(Buffer.compare(again.content, content)).toBe(0);
  });
});

describe("type information", () => {
  const names = (sections: readonly SampleSection[], symbols: readonly SampleSymbol[]): string[] =>
    readRelocatable(slimModule(relocatable(sections, symbols)).content).sections.map(({ name }) => name);

  test("stays where the module lists types for BPF programs", () => {
    expect(names([...SECTIONS, { name: ".BTF_ids" }], SYMBOLS)).toContain(".BTF");
  });

  test.each(["register_btf_kfunc_id_set", "__register_bpf_struct_ops"])("stays where the module calls %s", (name) => {
    expect(names(SECTIONS, [...SYMBOLS, { name, isGlobal: true }])).toContain(".BTF");
  });
});

describe("a module stays as it is", () => {
  const cases: readonly [what: string, module: Uint8Array, reason: RegExp][] = [
    ["with a local symbol behind a global one", relocatable(SECTIONS, [...SYMBOLS].reverse()), /behind a global one/],
    ["for another machine", relocatable(SECTIONS, SYMBOLS, { e_machine: 183 }), /not for x86-64/],
    ["with program headers", relocatable(SECTIONS, SYMBOLS, { e_phnum: 1 }), /program headers/],
    ["that is no ELF file", byteStringBytes("\xfd7zXZ\0".padEnd(80, "\0")), /no ELF file/],
    ["that is a live patch", relocatable([...SECTIONS, { name: ".klp.rela.vmlinux..text" }], SYMBOLS), /live patch/],
    [
      "with a symbol that a live patch resolves",
      relocatable(SECTIONS, [...SYMBOLS, { name: ".klp.sym.vmlinux.f,1", isGlobal: true, section: 0xff20 }]),
      /stands in section 65312/,
    ],
    [
      "with section numbers that stand elsewhere",
      relocatable(SECTIONS, [...SYMBOLS, { name: "far", isGlobal: true, section: 0xffff }]),
      /stands in section 65535/,
    ],
    ["with groups", relocatable([...SECTIONS, { name: ".group", header: { sh_type: 17 } }], SYMBOLS), /type 17/],
    [
      "with a table of large section numbers",
      relocatable([...SECTIONS, { name: ".symtab_shndx", header: { sh_type: 18 } }], SYMBOLS),
      /type 18/,
    ],
    [
      "with relocations of the other kind",
      relocatable([...SECTIONS, { name: ".rel.text", header: { sh_type: 9 } }], SYMBOLS),
      /type 9/,
    ],
    [
      "with two tables of symbols",
      relocatable([...SECTIONS, { name: ".symtab2", header: { sh_type: 2 } }], SYMBOLS),
      /exactly one table of symbols/,
    ],
    [
      "whose global symbol stands in a section that would go",
      relocatable(SECTIONS, [...SYMBOLS, { name: "note", isGlobal: true, section: ".comment" }]),
      /stands in section 4/,
    ],
    [
      "with an alignment that is none",
      relocatable([...SECTIONS, { name: ".odd", header: { sh_addralign: 3n } }], SYMBOLS),
      /alignment 3/,
    ],
    [
      "whose sections overlap",
      relocatable(
        [".a", ".b", ".c"].map((name) => ({ name, header: { sh_offset: 0n, sh_size: 400n } })),
        [],
      ),
      /sections overlap/,
    ],
    [
      "whose symbols share one long name",
      relocatable(
        [{ name: ".text" }],
        Array.from({ length: 100 }, () => ({ name: "x".repeat(400), section: ".text", isGlobal: true })),
      ),
      /names of its symbols overlap/,
    ],
    [
      "whose table of section names bears the name of a section that would go",
      renamedLike(relocatable(SECTIONS, SYMBOLS), ".shstrtab", ".comment"),
      /table of section names/,
    ],
    [
      "that would get larger",
      relocatable([...SECTIONS, { name: ".far", header: { sh_addralign: 1n << 40n } }], SYMBOLS),
      /not get smaller/,
    ],
  ];

  test.each(cases)("%s", (_, module, reason) => {
    const { content, untouched } = slimModule(module);
    expect(untouched).toMatch(reason);
    expect(content).toBe(module);
  });
});

interface ReadSection {
  readonly name: string;
  readonly header: StructOf<typeof Elf64SectionHeader>;
  readonly content: Uint8Array;
}

/** The module with the name of one section replaced by that of another one. */
function renamedLike(module: Uint8Array, name: string, other: string): Uint8Array {
  const { sections } = readRelocatable(module);
  const find = (wanted: string): number => sections.findIndex((section) => section.name === wanted);
  const sh_name = sections[find(other)]?.header.sh_name ?? 0;
  const offset = Number(Elf64Header.parse(module).e_shoff) + find(name) * Elf64SectionHeader.size;
  const output = Uint8Array.from(module);
  Elf64SectionHeader.write(output, offset, { ...Elf64SectionHeader.parse(module, offset), sh_name });
  return output;
}

/** A reader for this test alone: tables to names. */
function readRelocatable(bytes: Uint8Array) {
  const header = Elf64Header.parse(bytes);
  const headers = Array.from({ length: header.e_shnum }, (_, index) =>
    Elf64SectionHeader.parse(bytes, Number(header.e_shoff) + index * Elf64SectionHeader.size),
  );
  const content = (index: number): Uint8Array => {
    const section = headers[index];
    if (section === undefined || section.sh_type === 8) return new Uint8Array();
    return bytes.subarray(Number(section.sh_offset), Number(section.sh_offset + section.sh_size));
  };
  const text = (table: number, offset: number): string =>
    byteStringFrom(content(table)).slice(offset).split("\0", 1)[0] ?? "";
  const sections: ReadSection[] = headers.map((section, index) => ({
    name: text(header.e_shstrndx, section.sh_name),
    header: section,
    content: content(index),
  }));
  const section = (name: string): ReadSection => {
    const found = sections.find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`The file has no section ${name}`);
    return found;
  };
  const entries = <T>(table: Uint8Array, struct: { size: number; parse(input: Uint8Array, offset: number): T }): T[] =>
    Array.from({ length: table.length / struct.size }, (_, index) => struct.parse(table, index * struct.size));
  const symbolTable = section(".symtab");
  const symbols = entries(symbolTable.content, Elf64Symbol).map((symbol) => ({
    name: text(symbolTable.header.sh_link, symbol.st_name),
    section: sections[symbol.st_shndx]?.name,
    value: symbol.st_value,
  }));
  return {
    sections,
    section,
    symbols,
    linked: (name: string) => sections[section(name).header.sh_link]?.name,
    relocations: (name: string) =>
      entries(section(name).content, Elf64Relocation).map(({ r_sym }) => symbols[r_sym]?.name),
  };
}
