import { alignUp, type ByteSource, divideUp } from "../../bytes/index.ts";
import { type FilePlace, piecesOf, type StoredContent } from "./content.ts";
import type { FilePart } from "./cut.ts";
import { CHUNK_MAP_ENTRY_BYTES, DATA_LAYOUT, FEATURE_INCOMPAT } from "./layout.ts";

/** What CHUNK_FORMAT_BITS_MASK would allow is far more than any file needs. */
const MAX_CHUNK_BITS = 16;

/**
 * Content as it is in several places: CHUNK_BASED, with the largest chunks that begin wherever a part does. The table
 * holds one block address for each. Linux reads it from 5.15 on.
 */
export function chunkedContent(body: ByteSource, { parts, headBytes }: FilePlace, blockBytes: number): StoredContent {
  const chunkBits = chunkBitsOf(parts, blockBytes);
  const chunkBlocks = 2 ** chunkBits;
  const padding = alignUp(headBytes, CHUNK_MAP_ENTRY_BYTES) - headBytes;
  const chunkCount = divideUp(body.size, chunkBlocks * blockBytes);
  return {
    layout: DATA_LAYOUT.CHUNK_BASED,
    size: body.size,
    mapBytes: padding + chunkCount * CHUNK_MAP_ENTRY_BYTES,
    tailBytes: 0,
    runs: parts.map(({ start, end, rank }) => ({
      blockCount: divideUp(end - start, blockBytes),
      rank,
      blocks: () => piecesOf(body, start, end),
    })),
    incompat: FEATURE_INCOMPAT.CHUNKED_FILE,
    union: () => chunkBits,
    map: (starts) => {
      const map = new Uint8Array(padding + chunkCount * CHUNK_MAP_ENTRY_BYTES);
      const view = new DataView(map.buffer);
      let at = padding;
      for (const [index, { start, end }] of parts.entries()) {
        const blocks = divideUp(end - start, blockBytes);
        for (let block = 0; block < blocks; block += chunkBlocks) {
          view.setUint32(at, (starts[index] as number) + block, true);
          at += CHUNK_MAP_ENTRY_BYTES;
        }
      }
      return map;
    },
    tail: () => new Uint8Array(0),
  };
}

/** log2 of the blocks of a chunk. */
function chunkBitsOf(parts: readonly FilePart[], blockBytes: number): number {
  const begins = (bits: number): boolean => parts.every(({ start }) => start % (blockBytes * 2 ** bits) === 0);
  let bits = 0;
  while (bits < MAX_CHUNK_BITS && begins(bits + 1)) bits++;
  return bits;
}
