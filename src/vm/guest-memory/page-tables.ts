/** Reads eight bytes of physical memory. */
export type ReadWord = (physical: bigint) => bigint;

/** Intel SDM 3A, 4.5: nine bits of the address at each level, entries of eight bytes. */
const LEVEL_BITS = 9n;
const ENTRIES_MASK = (1n << LEVEL_BITS) - 1n;
const ENTRY_BYTES = 8n;
const PAGE_BITS = 12n;
const PRESENT = 1n;
/** In tables of level 2 and 3: this entry is the page itself. */
const IS_PAGE = 1n << 7n;
const FRAME_MASK = 0x000f_ffff_ffff_f000n;

/**
 * Where a virtual address of x86-64 lies in physical memory, as the processor finds it; undefined where nothing is mapped.
 * @param table physical address of the topmost table
 * @param levels of tables: 4, or 5 with LA57
 */
export function physicalAddress(readWord: ReadWord, table: bigint, levels: 4 | 5, virtual: bigint): bigint | undefined {
  let at = table;
  for (let level: number = levels; level > 0; level--) {
    const bits = PAGE_BITS + LEVEL_BITS * BigInt(level - 1);
    const entry = readWord(at + ((virtual >> bits) & ENTRIES_MASK) * ENTRY_BYTES);
    if ((entry & PRESENT) === 0n) return undefined;
    const frame = entry & FRAME_MASK;
    const offsetMask = (1n << bits) - 1n;
    if (level === 1 || (level < 4 && (entry & IS_PAGE) !== 0n)) return (frame & ~offsetMask) | (virtual & offsetMask);
    at = frame;
  }
  return undefined;
}
