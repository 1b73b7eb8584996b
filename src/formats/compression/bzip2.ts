import { hex } from "../../bytes/index.ts";
import { corrupt, Output, type OutputOptions, truncated } from "./output.ts";
import type { Decoded } from "./types.ts";

// bzip2 has no written standard; the names are those of its author's decompress.c. This is our own decoder, since
// the ones on npm loop forever on some damaged input or do not say where a stream ends.
const BLOCK_UNIT = 100_000;
const BLOCK_MAGIC_HIGH = 0x314159;
const BLOCK_MAGIC_LOW = 0x265359;
const END_MAGIC_HIGH = 0x177245;
const END_MAGIC_LOW = 0x385090;
const MAX_CODE_BITS = 20;
const MIN_GROUPS = 2;
const MAX_GROUPS = 6;
/** Symbols that are decoded before the next selector picks a table (BZ_G_SIZE). */
const GROUP_SIZE = 50;
/** Runs of this many equal bytes are followed by a count of further ones. */
const RUN_BEFORE_COUNT = 4;
const CRC_POLYNOMIAL = 0x04c11db7;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = value & 0x80000000 ? (value << 1) ^ CRC_POLYNOMIAL : value << 1;
  return value >>> 0;
});

/** One bzip2 stream: its end is padded to a whole byte, which is where `consumed` points. */
export function decompressBzip2(input: Uint8Array, options: OutputOptions): Decoded {
  const level = (input[3] ?? 0) - 0x30;
  if (input.length < 4) throw truncated("bzip2", input.length, "header");
  if (input[2] !== 0x68 || level < 1 || level > 9) throw corrupt("bzip2", "expected BZh1 to BZh9", 2);
  const bits = new BitReader(input, 4);
  const output = new Output("bzip2", options);
  const block = new Uint32Array(level * BLOCK_UNIT);
  let combined = 0;
  for (;;) {
    const at = bits.byteOffset();
    const high = bits.read(24);
    const low = bits.read(24);
    const stored = ((bits.read(16) << 16) | bits.read(16)) >>> 0;
    if (high === END_MAGIC_HIGH && low === END_MAGIC_LOW) {
      if (stored !== combined) throw corrupt("bzip2", `expected the CRC ${hex(stored)}, got ${hex(combined)}`, at);
      return { output: output.written(), consumed: bits.byteOffset() };
    }
    if (high !== BLOCK_MAGIC_HIGH || low !== BLOCK_MAGIC_LOW) throw corrupt("bzip2", "no block starts here", at);
    const crc = writeBlock(readBlock(bits, block, at), block, output);
    if (crc !== stored) throw corrupt("bzip2", `expected a block with CRC ${hex(stored)}, got ${hex(crc)}`, at);
    combined = (((combined << 1) | (combined >>> 31)) ^ crc) >>> 0;
  }
}

class BitReader {
  readonly #input: Uint8Array;
  #offset: number;
  #bits = 0;
  #count = 0;

  constructor(input: Uint8Array, offset: number) {
    this.#input = input;
    this.#offset = offset;
  }

  /** The next `count` bits, 24 at most. */
  read(count: number): number {
    while (this.#count < count) {
      if (this.#offset >= this.#input.length) throw truncated("bzip2", this.#input.length, "block");
      // What is shifted out on the left was read before.
      this.#bits = (this.#bits << 8) | (this.#input[this.#offset++] as number);
      this.#count += 8;
    }
    this.#count -= count;
    return (this.#bits >>> this.#count) & ((1 << count) - 1);
  }

  /** Where the next whole byte starts. */
  byteOffset(): number {
    return this.#offset - (this.#count >>> 3);
  }
}

interface CodeTable {
  /** By code length: the largest code of that length, counted from the left; -1 where there is none. */
  readonly limit: Int32Array;
  /** By code length: what to subtract from a code to get its place in `symbols`. */
  readonly base: Int32Array;
  readonly symbols: Uint16Array;
  readonly minBits: number;
  readonly maxBits: number;
}

/** Decodes a block's symbols into `block` (one byte each, in the order of the sorted rotations). */
function readBlock(bits: BitReader, block: Uint32Array, at: number): { count: number; origin: number } {
  if (bits.read(1)) throw corrupt("bzip2", "randomised blocks (bzip2 before 0.9.5) are not supported", at);
  const origin = bits.read(24);
  const used = readUsedBytes(bits);
  if (used.length === 0) throw corrupt("bzip2", "a block uses no byte values", at);
  const { selectors, tables } = readTables(bits, used.length + 2, at);
  const endOfBlock = used.length + 1;
  let count = 0;
  let run = 0;
  let runBit = 1;
  let group = 0;
  let left = 0;
  let table = tables[0] as CodeTable;
  for (;;) {
    if (left === 0) {
      if (group >= selectors.length) throw corrupt("bzip2", "a block goes on after its last table", bits.byteOffset());
      table = tables[selectors[group++] as number] as CodeTable;
      left = GROUP_SIZE;
    }
    left--;
    const symbol = readSymbol(bits, table);
    if (symbol <= 1) {
      // Two symbols count runs in bijective base 2; no run is longer than a block, so `run` stays small.
      run += runBit << symbol;
      runBit <<= 1;
      if (run > block.length) throw corrupt("bzip2", "a run is longer than its block", bits.byteOffset());
      continue;
    }
    if (run > 0) {
      if (count + run > block.length) throw corrupt("bzip2", "a block is too long", bits.byteOffset());
      block.fill(used[0] as number, count, count + run);
      count += run;
      run = 0;
      runBit = 1;
    }
    if (symbol === endOfBlock) break;
    if (count >= block.length) throw corrupt("bzip2", "a block is too long", bits.byteOffset());
    const value = used[symbol - 1] as number;
    used.copyWithin(1, 0, symbol - 1);
    used[0] = value;
    block[count++] = value;
  }
  if (origin >= count) throw corrupt("bzip2", "the first byte lies outside of its block", at);
  return { count, origin };
}

function readUsedBytes(bits: BitReader): Uint8Array {
  const groups = bits.read(16);
  const used: number[] = [];
  for (let high = 0; high < 16; high++) {
    if ((groups & (0x8000 >> high)) === 0) continue;
    const members = bits.read(16);
    for (let low = 0; low < 16; low++) if (members & (0x8000 >> low)) used.push(high * 16 + low);
  }
  return Uint8Array.from(used);
}

function readTables(bits: BitReader, symbolCount: number, at: number): { selectors: Uint8Array; tables: CodeTable[] } {
  const groups = bits.read(3);
  const selectorCount = bits.read(15);
  if (groups < MIN_GROUPS || groups > MAX_GROUPS || selectorCount === 0) {
    throw corrupt("bzip2", `${groups} tables and ${selectorCount} selectors`, at);
  }
  const order = Uint8Array.from({ length: groups }, (_, index) => index);
  const selectors = new Uint8Array(selectorCount);
  for (let index = 0; index < selectorCount; index++) {
    let place = 0;
    while (bits.read(1)) {
      if (++place >= groups) throw corrupt("bzip2", "a selector names no table", bits.byteOffset());
    }
    const value = order[place] as number;
    order.copyWithin(1, 0, place);
    order[0] = value;
    selectors[index] = value;
  }
  return { selectors, tables: Array.from({ length: groups }, () => readCodeTable(bits, symbolCount)) };
}

function readCodeTable(bits: BitReader, symbolCount: number): CodeTable {
  const lengths = new Uint8Array(symbolCount);
  let length = bits.read(5);
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_CODE_BITS) throw corrupt("bzip2", `a code of ${length} bits`, bits.byteOffset());
      if (!bits.read(1)) break;
      length += bits.read(1) ? -1 : 1;
    }
    lengths[symbol] = length;
  }
  const counts = new Uint16Array(MAX_CODE_BITS + 1);
  for (const bitsOfSymbol of lengths) counts[bitsOfSymbol] = (counts[bitsOfSymbol] as number) + 1;
  const minBits = counts.findIndex((count) => count > 0);
  const maxBits = counts.findLastIndex((count) => count > 0);
  const limit = new Int32Array(MAX_CODE_BITS + 1).fill(-1);
  const base = new Int32Array(MAX_CODE_BITS + 1);
  const symbols = new Uint16Array(symbolCount);
  let place = 0;
  let code = 0;
  for (let bitsOfCode = minBits; bitsOfCode <= maxBits; bitsOfCode++) {
    base[bitsOfCode] = code - place;
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      if (lengths[symbol] === bitsOfCode) symbols[place++] = symbol;
    }
    code += counts[bitsOfCode] as number;
    limit[bitsOfCode] = code - 1;
    code *= 2;
  }
  return { limit, base, symbols, minBits, maxBits };
}

function readSymbol(bits: BitReader, table: CodeTable): number {
  let length = table.minBits;
  let code = bits.read(length);
  while (code > (table.limit[length] as number)) {
    if (++length > table.maxBits) throw corrupt("bzip2", "a code that stands for nothing", bits.byteOffset());
    code = (code << 1) | bits.read(1);
  }
  const symbol = table.symbols[code - (table.base[length] as number)];
  if (symbol === undefined) throw corrupt("bzip2", "a code that stands for nothing", bits.byteOffset());
  return symbol;
}

/** Undoes the Burrows-Wheeler transform and the outer run lengths; returns the block's CRC. */
function writeBlock({ count, origin }: { count: number; origin: number }, block: Uint32Array, output: Output): number {
  const starts = new Uint32Array(256);
  for (let i = 0; i < count; i++) {
    const value = block[i] as number;
    starts[value] = (starts[value] as number) + 1;
  }
  for (let value = 0, sum = 0; value < 256; value++) {
    const occurrences = starts[value] as number;
    starts[value] = sum;
    sum += occurrences;
  }
  // Each word keeps its byte in the low 8 bits and gets the place of its successor above them.
  for (let i = 0; i < count; i++) {
    const value = (block[i] as number) & 0xff;
    const place = starts[value] as number;
    starts[value] = place + 1;
    block[place] = (block[place] as number) | (i << 8);
  }
  let crc = 0xffffffff;
  let run = 0;
  let previous = -1;
  let word = block[(block[origin] as number) >>> 8] as number;
  let bytes = output.bytes;
  let to = output.length;
  for (let i = 0; i < count; i++) {
    const value = word & 0xff;
    word = block[word >>> 8] as number;
    let copies = 1;
    let written = value;
    if (run === RUN_BEFORE_COUNT) {
      copies = value;
      written = previous;
      run = 0;
      previous = -1;
    } else if (value === previous) {
      run++;
    } else {
      run = 1;
      previous = value;
    }
    if (to + copies > bytes.length) {
      output.length = to;
      output.ensure(copies);
      bytes = output.bytes;
    }
    for (; copies > 0; copies--) {
      bytes[to++] = written;
      crc = ((crc << 8) ^ (CRC_TABLE[((crc >>> 24) ^ written) & 0xff] as number)) >>> 0;
    }
  }
  output.length = to;
  return ~crc >>> 0;
}
