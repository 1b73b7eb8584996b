import { alignUp, divideUp } from "../../src/bytes/index.ts";
import type { ContentPlanner } from "../../src/formats/erofs/index.ts";
import {
  CHUNK_FORMAT_INDEXES,
  CHUNK_MAP_ENTRY_BYTES,
  ChunkIndex,
  DATA_LAYOUT,
  FEATURE_INCOMPAT,
  NULL_ADDR,
  SUPER_OFFSET,
  Superblock,
  XATTR_LONG_PREFIX,
  XATTR_PREFIX_START_UNIT,
  XattrEntry,
  XattrLongPrefix,
} from "../../src/formats/erofs/layout.ts";

const BLOCK_BYTES = 4096;

/** A planner of chunk-based files with holes for chunks of zeros: what the writer itself does not make, but mkfs.erofs does. */
export function chunkPlanner(chunkBits: number, withIndexes: boolean): ContentPlanner {
  const chunkBytes = BLOCK_BYTES * 2 ** chunkBits;
  const entryBytes = withIndexes ? ChunkIndex.size : CHUNK_MAP_ENTRY_BYTES;
  return ({ content }, { headBytes, parts }) => {
    const chunks = Array.from({ length: divideUp(content.size, chunkBytes) }, (_, index) => {
      const start = index * chunkBytes;
      return content.read(start, Math.min(chunkBytes, content.size - start));
    });
    const blocks = chunks.map((chunk) => (chunk.some((byte) => byte !== 0) ? divideUp(chunk.length, BLOCK_BYTES) : 0));
    const padding = alignUp(headBytes, entryBytes) - headBytes;
    return {
      layout: DATA_LAYOUT.CHUNK_BASED,
      size: content.size,
      mapBytes: padding + chunks.length * entryBytes,
      tailBytes: 0,
      runs: [
        {
          blockCount: blocks.reduce((sum, count) => sum + count, 0),
          rank: parts[0]?.rank,
          *blocks() {
            for (const [index, count] of blocks.entries()) {
              const block = new Uint8Array(count * BLOCK_BYTES);
              if (count > 0) block.set(chunks[index] ?? block);
              yield block;
            }
          },
        },
      ],
      incompat: FEATURE_INCOMPAT.CHUNKED_FILE,
      union: () => chunkBits | (withIndexes ? CHUNK_FORMAT_INDEXES : 0),
      map([startBlock = NULL_ADDR]) {
        const map = new Uint8Array(this.mapBytes);
        const view = new DataView(map.buffer);
        let next = startBlock;
        for (const [index, count] of blocks.entries()) {
          const at = padding + index * entryBytes;
          const address = count === 0 ? NULL_ADDR : next;
          if (withIndexes) ChunkIndex.write(map, at, { startblk_lo: address });
          else view.setUint32(at, address, true);
          next += count;
        }
        return map;
      },
      tail: () => new Uint8Array(0),
    };
  };
}

/** A file with zeros in the middle, at the start or at the end. */
export function sparse(...parts: readonly (Uint8Array | number)[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === "number" ? new Uint8Array(part) : part))));
}

/** Makes `user.<name>` of an image without shared attributes `user.long.<name>`, by a table of long prefixes. */
export function useLongPrefix(image: Uint8Array, name: string): void {
  const tableOffset = SUPER_OFFSET + Superblock.size;
  const infix = Buffer.from("long.");
  XattrLongPrefix.write(image, tableOffset, {
    size: XattrLongPrefix.fields.base_index.size + infix.length,
    base_index: 1,
  });
  image.set(infix, tableOffset + XattrLongPrefix.size);
  const entry = Buffer.from(image.buffer).indexOf(name) - XattrEntry.size;
  XattrEntry.write(image, entry, { e_name_index: XATTR_LONG_PREFIX });
  Superblock.write(image, SUPER_OFFSET, {
    feature_compat: 0,
    feature_incompat: FEATURE_INCOMPAT.XATTR_PREFIXES,
    xattr_prefix_count: 1,
    xattr_prefix_start: tableOffset / XATTR_PREFIX_START_UNIT,
  });
}
