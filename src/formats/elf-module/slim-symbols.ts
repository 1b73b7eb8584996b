import type { ByteString } from "../../bytes/index.ts";
import {
  Elf64Relocation,
  Elf64Symbol,
  SHN_ABS,
  SHN_COMMON,
  SHN_LORESERVE,
  SHN_UNDEF,
  STB_LOCAL,
  SYMBOL_BINDING_SHIFT,
} from "./layout.ts";
import { stringAt } from "./sections.ts";
import { StringTable } from "./string-table.ts";
import { unusual } from "./unusual.ts";

/** The kernel's own limit for names in its list of symbols, KSYM_NAME_LEN; names of Rust functions come close. */
const MAX_NAME_BYTES = 512;

// Tables are long: their fields are read and written in place, where a struct would make an object of each entry.
const LITTLE = true;
const { st_name, st_info, st_shndx } = Elf64Symbol.fields;
const { r_sym } = Elf64Relocation.fields;

/** A module's symbols with only those that its relocations or other modules can need. */
export interface SlimSymbols {
  readonly symbols: Uint8Array;
  readonly names: Uint8Array;
  /** How many local ones there are, the empty first one included: `sh_info` of the table. */
  readonly localCount: number;
  /** The new number of a symbol by its old one; undefined for one that is gone. */
  readonly numbers: ReadonlyMap<number, number>;
}

/**
 * Leaves out the local symbols that no relocation names: what `strip --strip-unneeded` leaves out. The kernel needs a
 * symbol to resolve it, to relocate by it or to export it; the others it only keeps for showing them.
 * @param relocations the contents of all relocation tables that stay
 * @param sectionNumbers the new number of a section by its old one; undefined for one that goes
 * @throws FormatError for what a module usually does not have.
 */
export function slimSymbols(
  symbols: Uint8Array,
  names: Uint8Array,
  relocations: readonly Uint8Array[],
  sectionNumbers: ReadonlyMap<number, number>,
): SlimSymbols {
  const count = symbols.length / Elf64Symbol.size;
  const isUsed = usedSymbols(count, relocations);
  const view = viewOf(symbols);
  const nameTable = new StringTable();
  const numbers = new Map<number, number>();
  const output = new Uint8Array(symbols.length);
  const outputView = viewOf(output);
  let nameBytes = 0;
  let localCount = 0;
  for (let number = 0; number < count; number++) {
    const at = number * Elf64Symbol.size;
    const isLocal = view.getUint8(at + st_info.offset) >> SYMBOL_BINDING_SHIFT === STB_LOCAL;
    if (number > 0 && isLocal && isUsed[number] === 0) continue;
    const section = newSection(view.getUint16(at + st_shndx.offset, LITTLE), sectionNumbers);
    const name = nameOf(names, view.getUint32(at + st_name.offset, LITTLE));
    // Names may overlap in a table: without this, few bytes could ask for any number of them.
    nameBytes += name.length;
    if (nameBytes > symbols.length + names.length) throw unusual("the names of its symbols overlap");
    const newNumber = numbers.size;
    if (isLocal && localCount !== newNumber) throw unusual("a local symbol stands behind a global one");
    if (isLocal) localCount++;
    numbers.set(number, newNumber);
    const newAt = newNumber * Elf64Symbol.size;
    output.set(symbols.subarray(at, at + Elf64Symbol.size), newAt);
    outputView.setUint32(newAt + st_name.offset, nameTable.add(name), LITTLE);
    outputView.setUint16(newAt + st_shndx.offset, section, LITTLE);
  }
  const used = output.subarray(0, numbers.size * Elf64Symbol.size);
  return { symbols: used, names: nameTable.bytes(), localCount, numbers };
}

/** The relocations with new numbers of symbols. */
export function renumberRelocations(relocations: Uint8Array, numbers: ReadonlyMap<number, number>): Uint8Array {
  const output = Uint8Array.from(relocations);
  const view = viewOf(output);
  for (let at = r_sym.offset; at < output.length; at += Elf64Relocation.size) {
    const number = numbers.get(view.getUint32(at, LITTLE));
    if (number === undefined) throw unusual("a relocation names a symbol that is not there");
    view.setUint32(at, number, LITTLE);
  }
  return output;
}

/** One byte for each symbol: whether a relocation names it. */
function usedSymbols(count: number, relocations: readonly Uint8Array[]): Uint8Array {
  const isUsed = new Uint8Array(count);
  for (const table of relocations) {
    const view = viewOf(table);
    for (let at = r_sym.offset; at < table.length; at += Elf64Relocation.size) {
      isUsed[view.getUint32(at, LITTLE)] = 1;
    }
  }
  return isUsed;
}

function newSection(section: number, sectionNumbers: ReadonlyMap<number, number>): number {
  if (section === SHN_UNDEF || section === SHN_ABS || section === SHN_COMMON) return section;
  const number = section < SHN_LORESERVE ? sectionNumbers.get(section) : undefined;
  if (number !== undefined) return number;
  throw unusual(`a symbol that is needed stands in section ${section}`);
}

function nameOf(names: Uint8Array, offset: number): ByteString {
  const name = stringAt(names, offset, MAX_NAME_BYTES);
  if (name.length === MAX_NAME_BYTES || offset + name.length >= names.length) {
    throw unusual("the name of a symbol has no end");
  }
  return name;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
