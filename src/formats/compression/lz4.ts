import { hex } from "../../bytes/index.ts";
import { corrupt, Output, truncated } from "./output.ts";
import type { Decoded } from "./types.ts";

/** The legacy frame, the only one that the kernel reads (lib/decompress_unlz4.c; lz4_Frame_format.md, "Legacy frame"). */
const LEGACY_MAGIC = 0x184c2102;
const WORD = 4;
/** Every chunk but the last unpacks to this size. */
const CHUNK_BYTES = 8 << 20;
/** LZ4_compressBound: the most that a chunk can have packed. */
const MAX_PACKED_CHUNK = CHUNK_BYTES + Math.floor(CHUNK_BYTES / 255) + 16;

/** lz4_Block_format.md */
const MIN_MATCH = 4;
const NIBBLE_MAX = 15;
const BYTE_MAX = 255;

/**
 * An LZ4 legacy frame. It has no end mark of its own: a chunk size of 0, the end of the input, or a size that no
 * chunk can have ends it.
 */
export function decompressLz4(input: Uint8Array, limitBytes: number): Decoded {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (input.length < WORD) throw truncated("lz4", input.length, "magic");
  const magic = view.getUint32(0, true);
  if (magic !== LEGACY_MAGIC)
    throw corrupt("lz4", `expected the legacy frame ${hex(LEGACY_MAGIC)}, got ${hex(magic)}`, 0);
  const output = new Output("lz4", limitBytes, countChunks(view) * CHUNK_BYTES);
  let offset = WORD;
  while (offset + WORD <= input.length) {
    const packed = view.getUint32(offset, true);
    if (packed === LEGACY_MAGIC) {
      // Frames one after another are one stream: `cat a.lz4 b.lz4`, which the kernel reads so too.
      offset += WORD;
      continue;
    }
    if (packed === 0 || packed > MAX_PACKED_CHUNK) break;
    if (offset + WORD + packed > input.length) {
      const why = `a chunk of ${packed} bytes leaves the input; what follows an LZ4 stream needs four NUL bytes before it`;
      throw corrupt("lz4", why, offset);
    }
    decodeBlock(input, offset + WORD, offset + WORD + packed, output);
    offset += WORD + packed;
  }
  return { output: output.written(), consumed: offset };
}

/** How many chunks there can be at most, for the room that the output needs. */
function countChunks(view: DataView): number {
  let count = 0;
  for (let offset = WORD; offset + WORD <= view.byteLength; ) {
    const packed = view.getUint32(offset, true);
    offset += WORD;
    if (packed === LEGACY_MAGIC) continue;
    if (packed === 0 || packed > MAX_PACKED_CHUNK) break;
    offset += packed;
    count++;
  }
  return count;
}

/** One block, whose matches do not reach beyond it. */
function decodeBlock(input: Uint8Array, start: number, end: number, output: Output): void {
  const base = output.length;
  // Room for a whole chunk first: the loops below then need no check but this one bound.
  const room = output.room(CHUNK_BYTES);
  const bytes = output.bytes;
  const limit = base + room;
  const overflow = (offset: number): Error =>
    room < CHUNK_BYTES ? output.overflow() : corrupt("lz4", `a chunk holds more than ${CHUNK_BYTES} bytes`, offset);
  let to = base;
  let from = start;
  while (from < end) {
    const token = input[from++] as number;
    let literals = token >>> 4;
    if (literals === NIBBLE_MAX) {
      let more: number;
      do {
        if (from >= end) throw corrupt("lz4", "a literal length runs over the end of its chunk", from);
        more = input[from++] as number;
        literals += more;
      } while (more === BYTE_MAX);
    }
    if (from + literals > end) throw corrupt("lz4", "literals run over the end of their chunk", from);
    if (to + literals > limit) throw overflow(from);
    if (literals > 32) bytes.set(input.subarray(from, from + literals), to);
    else for (let i = 0; i < literals; i++) bytes[to + i] = input[from + i] as number;
    to += literals;
    from += literals;
    // The last sequence of a block has no match.
    if (from === end) break;
    if (from + 2 > end) throw corrupt("lz4", "a match runs over the end of its chunk", from);
    const distance = (input[from] as number) | ((input[from + 1] as number) << 8);
    from += 2;
    if (distance === 0 || distance > to - base) {
      throw corrupt("lz4", `a match ${distance} bytes back, ${to - base} bytes into its chunk`, from - 2);
    }
    let length = (token & NIBBLE_MAX) + MIN_MATCH;
    if (length === NIBBLE_MAX + MIN_MATCH) {
      let more: number;
      do {
        if (from >= end) throw corrupt("lz4", "a match length runs over the end of its chunk", from);
        more = input[from++] as number;
        length += more;
      } while (more === BYTE_MAX);
    }
    if (to + length > limit) throw overflow(from);
    copyMatch(bytes, to, distance, length);
    to += length;
  }
  output.length = to;
}

/** Copies `length` bytes from `distance` bytes back; the two ranges overlap where the match repeats itself. */
export function copyMatch(bytes: Uint8Array, to: number, distance: number, length: number): void {
  if (distance >= length && length > 32) {
    bytes.copyWithin(to, to - distance, to - distance + length);
    return;
  }
  for (let i = 0; i < length; i++) bytes[to + i] = bytes[to + i - distance] as number;
}
