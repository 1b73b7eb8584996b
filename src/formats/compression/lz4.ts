import { type BufferedSource, hex } from "../../bytes/index.ts";
import { decodeLz4Block } from "./lz4-block.ts";
import { corrupt, Output, type OutputOptions, truncated } from "./output.ts";
import type { Decoded } from "./types.ts";

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
export function decompressLz4(input: BufferedSource, options: OutputOptions): Decoded {
  if (input.size < WORD) throw truncated("lz4", input.size, "magic");
  const magic = wordAt(input, 0);
  if (magic !== LEGACY_MAGIC)
    throw corrupt("lz4", `expected the legacy frame ${hex(LEGACY_MAGIC)}, got ${hex(magic)}`, 0);
  const output = new Output("lz4", options);
  let offset = WORD;
  while (offset + WORD <= input.size) {
    const packed = wordAt(input, offset);
    if (packed === LEGACY_MAGIC) {
      // Frames one after another are one stream: `cat a.lz4 b.lz4`, which the kernel reads so too.
      offset += WORD;
      continue;
    }
    if (packed === 0 || packed > MAX_PACKED_CHUNK) break;
    if (offset + WORD + packed > input.size) {
      const why = `a chunk of ${packed} bytes leaves the input; what follows an LZ4 stream needs four NUL bytes before it`;
      throw corrupt("lz4", why, offset);
    }
    offset += WORD;
    decodeChunk(input.read(offset, packed), offset, output);
    offset += packed;
  }
  return { output: output.written(), consumed: offset };
}

function wordAt(input: BufferedSource, offset: number): number {
  const bytes = input.read(offset, WORD);
  return new DataView(bytes.buffer, bytes.byteOffset, WORD).getUint32(0, true);
}

/** One block, whose matches do not reach beyond it; it stands at `offset` of the input. */
function decodeChunk(block: Uint8Array, offset: number, output: Output): void {
  const base = output.length;
  // Room for a whole chunk first: the decoder then needs no check but this one bound.
  const room = output.room(CHUNK_BYTES);
  const target = { bytes: output.bytes, base, limit: base + room };
  output.length = decodeLz4Block(
    block,
    0,
    block.length,
    target,
    (at) =>
      room < CHUNK_BYTES ? output.overflow() : corrupt("lz4", `a chunk holds more than ${CHUNK_BYTES} bytes`, at),
    offset,
  );
}
