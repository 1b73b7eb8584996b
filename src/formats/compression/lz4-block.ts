import { corrupt } from "./output.ts";

// lz4_Block_format.md
const MIN_MATCH = 4;
const NIBBLE_MAX = 15;
const BYTE_MAX = 255;
/** "End of block conditions": the last five bytes are literals, and the last match starts twelve bytes before the end. */
const LAST_LITERALS = 5;
const MATCH_END_MARGIN = 12;
/** Loops are faster than calls up to about here. */
const SHORT_COPY_BYTES = 32;

/** Where a block's output goes: to `bytes` from `base` on, and not beyond `limit`. */
export interface Lz4Target {
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly limit: number;
}

/**
 * What happens at the limit: `exact`, the block holds just as much, with the end conditions that Linux's decoder insists
 * on; `stop`, what follows is not wanted; or the error to throw.
 */
export type Lz4Limit = "exact" | "stop" | ((offset: number) => Error);

/**
 * Unpacks one LZ4 block, the bytes of `input` from `start` to `end`, whose matches do not reach beyond it.
 * @param origin where `input` starts, for the offsets of errors.
 * @returns where the output ends in the target.
 * @throws FormatError for damaged data.
 */
export function decodeLz4Block(
  input: Uint8Array,
  start: number,
  end: number,
  { bytes, base, limit }: Lz4Target,
  atLimit: Lz4Limit,
  origin = 0,
): number {
  const exact = atLimit === "exact";
  const damaged = (what: string, at: number): Error => corrupt("lz4", what, origin + at);
  let to = base;
  let from = start;
  /** How much of a run may be written; less than all of it is only for who wants to stop there. */
  const clip = (length: number): number => {
    if (to + length <= limit) return length;
    if (atLimit === "stop") return limit - to;
    throw exact
      ? damaged(`a block holds more than the expected ${limit - base} bytes`, from)
      : (atLimit as (offset: number) => Error)(origin + from);
  };
  while (from < end) {
    const token = input[from++] as number;
    let literals = token >>> 4;
    if (literals === NIBBLE_MAX) {
      let more: number;
      do {
        if (from >= end) throw damaged("a literal length runs over the end of its block", from);
        more = input[from++] as number;
        literals += more;
      } while (more === BYTE_MAX);
    }
    if (from + literals > end) throw damaged("literals run over the end of their block", from);
    const count = clip(literals);
    if (count > SHORT_COPY_BYTES) bytes.set(input.subarray(from, from + count), to);
    else for (let i = 0; i < count; i++) bytes[to + i] = input[from + i] as number;
    to += count;
    from += literals;
    // The last sequence of a block has no match.
    if (from === end || (atLimit === "stop" && to === limit)) break;
    if (exact && to > limit - MATCH_END_MARGIN) {
      throw damaged(`a match starts less than ${MATCH_END_MARGIN} bytes before the end, Linux refuses it`, from);
    }
    if (from + 2 > end) throw damaged("a match runs over the end of its block", from);
    const distance = (input[from] as number) | ((input[from + 1] as number) << 8);
    from += 2;
    if (distance === 0 || distance > to - base) {
      throw damaged(`a match ${distance} bytes back, ${to - base} bytes into its block`, from - 2);
    }
    let length = (token & NIBBLE_MAX) + MIN_MATCH;
    if (length === NIBBLE_MAX + MIN_MATCH) {
      let more: number;
      do {
        if (from >= end) throw damaged("a match length runs over the end of its block", from);
        more = input[from++] as number;
        length += more;
      } while (more === BYTE_MAX);
    }
    length = clip(length);
    if (exact && to + length > limit - LAST_LITERALS) {
      throw damaged(`a match ends less than ${LAST_LITERALS} bytes before the end, Linux refuses it`, from);
    }
    copyMatch(bytes, to, distance, length);
    to += length;
  }
  return to;
}

/** Copies `length` bytes from `distance` bytes back; the two ranges overlap where the match repeats itself. */
export function copyMatch(bytes: Uint8Array, to: number, distance: number, length: number): void {
  if (distance >= length && length > SHORT_COPY_BYTES) {
    bytes.copyWithin(to, to - distance, to - distance + length);
    return;
  }
  for (let i = 0; i < length; i++) bytes[to + i] = bytes[to + i - distance] as number;
}
