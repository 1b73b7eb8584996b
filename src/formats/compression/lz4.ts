import { hex } from "../../bytes/index.ts";
import { decodeLz4Block } from "./lz4-block.ts";
import { corrupt, Output, truncated } from "./output.ts";
import type { Decoded, OutputLimits } from "./types.ts";

/** The legacy frame, the only one that the kernel reads (lib/decompress_unlz4.c; lz4_Frame_format.md, "Legacy frame"). */
const LEGACY_MAGIC = 0x184c2102;
const WORD = 4;
/** Every chunk but the last unpacks to this size. */
const CHUNK_BYTES = 8 << 20;
/** LZ4_compressBound: the most that a chunk can have packed. */
const MAX_PACKED_CHUNK = CHUNK_BYTES + Math.floor(CHUNK_BYTES / 255) + 16;

/**
 * An LZ4 legacy frame. It has no end mark of its own: a chunk size of 0, the end of the input, or a size that no
 * chunk can have ends it.
 */
export function decompressLz4(input: Uint8Array, limits: OutputLimits): Decoded {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (input.length < WORD) throw truncated("lz4", input.length, "magic");
  const magic = view.getUint32(0, true);
  if (magic !== LEGACY_MAGIC)
    throw corrupt("lz4", `expected the legacy frame ${hex(LEGACY_MAGIC)}, got ${hex(magic)}`, 0);
  const output = new Output("lz4", limits, countChunks(view) * CHUNK_BYTES);
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
    decodeChunk(input, offset + WORD, offset + WORD + packed, output);
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
function decodeChunk(input: Uint8Array, start: number, end: number, output: Output): void {
  const base = output.length;
  // Room for a whole chunk first: the decoder then needs no check but this one bound.
  const room = output.room(CHUNK_BYTES);
  const target = { bytes: output.bytes, base, limit: base + room };
  output.length = decodeLz4Block(input, start, end, target, (offset) =>
    room < CHUNK_BYTES ? output.overflow() : corrupt("lz4", `a chunk holds more than ${CHUNK_BYTES} bytes`, offset),
  );
}
