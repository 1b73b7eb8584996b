import { copyMatch } from "./lz4-block.ts";
import { corrupt, Output, type OutputOptions, truncated } from "./output.ts";
import type { Decoded } from "./types.ts";

// The ".lzma" file (LZMA alone): properties, dictionary size (u32), unpacked size (u64), range-coded data. Names follow
// the LZMA specification (lzma-specification.txt of the LZMA SDK). Own decoder: the libraries at hand take the end of
// the input for a stream of ones, or cannot tell where a stream ends.
const HEADER_SIZE = 13;
const SIZE_OFFSET = 5;
const UNKNOWN_SIZE = 0xffff_ffff_ffff_ffffn;
const MAX_PROPERTIES = 9 * 5 * 5;
const PROBABILITY_BITS = 11;
const HALF = 1 << (PROBABILITY_BITS - 1);
const MOVE_BITS = 5;
const TOP = 1 << 24;
const STATES = 12;
const MAX_POSITION_BITS = 4;
const LITERAL_SIZE = 0x300;
const MIN_MATCH = 2;
const LENGTH_STATES = 4;
const SLOT_BITS = 6;
const ALIGN_BITS = 4;
/** Distance slots from here on have direct bits, and the last four bits in `align`. */
const END_POSITION_MODEL = 14;
const FULL_DISTANCES = 1 << (END_POSITION_MODEL >>> 1);
const END_MARKER = 0xffffffff;
/** States below this one follow a literal. */
const LITERAL_STATES = 7;

/** One LZMA stream: it ends where its header's size or the end marker says. */
export function decompressLzma(input: Uint8Array, options: OutputOptions): Decoded {
  if (input.length < HEADER_SIZE) throw truncated("lzma", input.length, "header");
  const properties = input[0] as number;
  if (properties >= MAX_PROPERTIES) throw corrupt("lzma", `properties ${properties} stand for nothing`, 0);
  const size = new DataView(input.buffer, input.byteOffset).getBigUint64(SIZE_OFFSET, true);
  const output = new Output("lzma", options);
  if (size !== UNKNOWN_SIZE && size > BigInt(options.limitBytes)) throw output.overflow();
  const range = new RangeDecoder(input, HEADER_SIZE);
  decode(range, output, {
    ...propertiesOf(properties),
    size: size === UNKNOWN_SIZE ? undefined : Number(size),
    stopAtSize: false,
  });
  return { output: output.written(), consumed: range.offset };
}

/**
 * MicroLZMA, as liblzma's lzma_microlzma_decoder has it: the data of a `.lzma` file without its header; the first byte,
 * always 0, holds the inverted properties instead. Unpacks the first `size` bytes; what follows is not looked at.
 */
export function decompressMicroLzma(input: Uint8Array, size: number): Uint8Array {
  const properties = ~(input[0] ?? 0) & 0xff;
  if (properties >= MAX_PROPERTIES) throw corrupt("lzma", `properties ${properties} stand for nothing`, 0);
  const data = new Uint8Array(input);
  data[0] = 0;
  const output = new Output("lzma", { limitBytes: size }, size);
  decode(new RangeDecoder(data, 0), output, { ...propertiesOf(properties), size, stopAtSize: true });
  return output.written();
}

function propertiesOf(properties: number): { lc: number; lp: number; pb: number } {
  return { lc: properties % 9, lp: Math.floor(properties / 9) % 5, pb: Math.floor(properties / 45) };
}

class RangeDecoder {
  readonly #input: Uint8Array;
  #range = 0xffffffff;
  #code = 0;
  offset: number;

  constructor(input: Uint8Array, offset: number) {
    this.#input = input;
    this.offset = offset;
    if (this.#next() !== 0) throw corrupt("lzma", "the first byte of the data is not 0", offset);
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  #next(): number {
    const byte = this.#input[this.offset];
    if (byte === undefined) throw truncated("lzma", this.#input.length, "data");
    this.offset++;
    return byte;
  }

  normalize(): void {
    if (this.#range >= TOP) return;
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  /** An encoder leaves nothing of the code behind. */
  get finished(): boolean {
    return this.#code === 0;
  }

  bit(model: Uint16Array, index: number): 0 | 1 {
    this.normalize();
    const probability = model[index] as number;
    const bound = (this.#range >>> PROBABILITY_BITS) * probability;
    if (this.#code < bound) {
      this.#range = bound;
      model[index] = probability + (((1 << PROBABILITY_BITS) - probability) >>> MOVE_BITS);
      return 0;
    }
    this.#range -= bound;
    this.#code -= bound;
    model[index] = probability - (probability >>> MOVE_BITS);
    return 1;
  }

  directBits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.normalize();
      this.#range >>>= 1;
      const one = this.#code >= this.#range;
      if (one) this.#code -= this.#range;
      value = value * 2 + (one ? 1 : 0);
    }
    return value;
  }

  /** A number of `count` bits, the highest first, from the models at `base`. */
  tree(model: Uint16Array, base: number, count: number): number {
    let node = 1;
    for (let i = 0; i < count; i++) node = (node << 1) | this.bit(model, base + node);
    return node - (1 << count);
  }

  /** The same with the lowest bit first. */
  reverseTree(model: Uint16Array, base: number, count: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < count; i++) {
      const bit = this.bit(model, base + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }
}

const models = (count: number): Uint16Array => new Uint16Array(count).fill(HALF);

class LengthDecoder {
  readonly #choice = models(2);
  readonly #low = models(8 << MAX_POSITION_BITS);
  readonly #middle = models(8 << MAX_POSITION_BITS);
  readonly #high = models(256);

  decode(range: RangeDecoder, positionState: number): number {
    if (!range.bit(this.#choice, 0)) return range.tree(this.#low, positionState << 3, 3);
    if (!range.bit(this.#choice, 1)) return 8 + range.tree(this.#middle, positionState << 3, 3);
    return 16 + range.tree(this.#high, 0, 8);
  }
}

function decode(
  range: RangeDecoder,
  output: Output,
  {
    lc,
    lp,
    pb,
    size,
    stopAtSize,
  }: { lc: number; lp: number; pb: number; size: number | undefined; stopAtSize: boolean },
): void {
  const literal = models(LITERAL_SIZE << (lc + lp));
  const isMatch = models(STATES << MAX_POSITION_BITS);
  const isRepeat = models(STATES);
  const isRepeat0 = models(STATES);
  const isRepeat0Long = models(STATES << MAX_POSITION_BITS);
  const isRepeat1 = models(STATES);
  const isRepeat2 = models(STATES);
  const slots = models(LENGTH_STATES << SLOT_BITS);
  const special = models(1 + FULL_DISTANCES - END_POSITION_MODEL);
  const align = models(1 << ALIGN_BITS);
  const lengths = new LengthDecoder();
  const repeatLengths = new LengthDecoder();
  const positionMask = (1 << pb) - 1;
  const literalMask = (1 << lp) - 1;
  const previousShift = 8 - lc;
  let state = 0;
  let rep0 = 0;
  let rep1 = 0;
  let rep2 = 0;
  let rep3 = 0;

  const decodeDistance = (length: number): number => {
    const slot = range.tree(slots, Math.min(length, LENGTH_STATES - 1) << SLOT_BITS, SLOT_BITS);
    if (slot < 4) return slot;
    const directBits = (slot >>> 1) - 1;
    const start = (2 | (slot & 1)) * 2 ** directBits;
    if (slot < END_POSITION_MODEL) return start + range.reverseTree(special, start - slot, directBits);
    const high = range.directBits(directBits - ALIGN_BITS) * (1 << ALIGN_BITS);
    return start + high + range.reverseTree(align, 0, ALIGN_BITS);
  };
  const checkLeft = (needed: number): void => {
    if (size !== undefined && output.length + needed > size) {
      throw corrupt("lzma", `the data holds more than the ${size} bytes of its header`, range.offset);
    }
  };

  for (;;) {
    const position = output.length;
    if (size !== undefined && position === size) {
      if (stopAtSize) return;
      range.normalize();
      // Without a remainder this is the end; with one, only the end marker may follow.
      if (range.finished) return;
    }
    const positionState = position & positionMask;
    if (!range.bit(isMatch, (state << MAX_POSITION_BITS) + positionState)) {
      checkLeft(1);
      output.ensure(1);
      const bytes = output.bytes;
      const previous = position > 0 ? (bytes[position - 1] as number) : 0;
      const base = LITERAL_SIZE * (((position & literalMask) << lc) + (previous >>> previousShift));
      let symbol = 1;
      if (state >= LITERAL_STATES) {
        let match = bytes[position - rep0 - 1] as number;
        while (symbol < 0x100) {
          const matchBit = (match >>> 7) & 1;
          match <<= 1;
          const bit = range.bit(literal, base + ((1 + matchBit) << 8) + symbol);
          symbol = (symbol << 1) | bit;
          if (bit !== matchBit) break;
        }
      }
      while (symbol < 0x100) symbol = (symbol << 1) | range.bit(literal, base + symbol);
      bytes[position] = symbol;
      output.length++;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let length: number;
    if (range.bit(isRepeat, state)) {
      if (position === 0) throw corrupt("lzma", "the data starts with a match", range.offset);
      if (!range.bit(isRepeat0, state)) {
        if (!range.bit(isRepeat0Long, (state << MAX_POSITION_BITS) + positionState)) {
          checkLeft(1);
          output.ensure(1);
          output.bytes[position] = output.bytes[position - rep0 - 1] as number;
          output.length++;
          state = state < LITERAL_STATES ? 9 : 11;
          continue;
        }
      } else {
        let distance = rep1;
        if (range.bit(isRepeat1, state)) {
          distance = rep2;
          if (range.bit(isRepeat2, state)) {
            distance = rep3;
            rep3 = rep2;
          }
          rep2 = rep1;
        }
        rep1 = rep0;
        rep0 = distance;
      }
      length = repeatLengths.decode(range, positionState);
      state = state < LITERAL_STATES ? 8 : 11;
    } else {
      rep3 = rep2;
      rep2 = rep1;
      rep1 = rep0;
      length = lengths.decode(range, positionState);
      state = state < LITERAL_STATES ? 7 : 10;
      rep0 = decodeDistance(length);
      if (rep0 === END_MARKER) {
        range.normalize();
        if (size !== undefined && position !== size) {
          throw corrupt("lzma", `expected ${size} bytes, got ${position}`, range.offset);
        }
        if (!range.finished) throw corrupt("lzma", "the data does not end where its end marker stands", range.offset);
        return;
      }
    }
    length += MIN_MATCH;
    if (rep0 >= position) {
      throw corrupt("lzma", `a match ${rep0 + 1} bytes back, ${position} bytes into the data`, range.offset);
    }
    if (stopAtSize && size !== undefined) length = Math.min(length, size - position);
    checkLeft(length);
    output.ensure(length);
    copyMatch(output.bytes, position, rep0 + 1, length);
    output.length += length;
  }
}
