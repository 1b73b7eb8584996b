/** What every decoder may rely on (lz4_Block_format.md, "End of block conditions"). */
const LAST_MATCH_START = 12;
const LAST_LITERALS = 5;
const MIN_MATCH = 4;
const LONG = 15;

/**
 * Decodes a block that holds exactly `size` bytes and refuses what Linux's decoder would refuse: a match too close to
 * the end, an offset of 0 or in front of the block, a byte too few or too many.
 */
export function decodeStrictly(block: Uint8Array, size: number): Uint8Array {
  const output = new Uint8Array(size);
  let from = 0;
  let to = 0;
  const byte = (): number => {
    const value = block[from++];
    if (value === undefined) throw new Error("The block ends too early");
    return value;
  };
  const length = (short: number): number => {
    let sum = short;
    if (short < LONG) return sum;
    for (let more = 255; more === 255; sum += more) more = byte();
    return sum;
  };
  for (;;) {
    const token = byte();
    const literals = length(token >> 4);
    if (from + literals > block.length || to + literals > size) throw new Error("Too many literals");
    output.set(block.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from === block.length) break;
    const distance = byte() | (byte() << 8);
    const match = length(token & LONG) + MIN_MATCH;
    if (distance === 0 || distance > to) throw new Error(`A distance of ${distance} at ${to}`);
    if (to > size - LAST_MATCH_START) throw new Error(`A match begins ${size - to} bytes before the end`);
    if (to + match > size - LAST_LITERALS) throw new Error(`A match ends ${size - to - match} bytes before the end`);
    for (let index = 0; index < match; index++) output[to + index] = output[to + index - distance] ?? 0;
    to += match;
  }
  if (to !== size) throw new Error(`Expected ${size} bytes, got ${to}`);
  return output;
}
