import { hex } from "../../bytes/index.ts";
import { DATA_LAYOUT } from "./layout.ts";

/** The names of the bits set in `bits`, unknown ones in hexadecimal. */
export function namesOfBits(bits: number, names: Readonly<Record<string, number>>): string[] {
  const known = Object.entries(names).filter(([, bit]) => (bits & bit) !== 0);
  const unknown = bits & ~known.reduce((sum, [, bit]) => sum | bit, 0);
  return [...known.map(([name]) => name), ...(unknown === 0 ? [] : [hex(unknown >>> 0)])];
}

/** The name of a data layout: `FLAT_INLINE`. */
export function nameOfLayout(layout: number): string {
  return Object.entries(DATA_LAYOUT).find(([, value]) => value === layout)?.[0] ?? `layout ${layout}`;
}
