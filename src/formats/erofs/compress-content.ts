import { alignUp, divideUp } from "../../bytes/index.ts";
import type { RegularFile } from "../../tree/index.ts";
import { encodeCompactIndex, encodeFullIndex, layOutPacks } from "./compress-map.ts";
import type { PieceTail } from "./compress-piece.ts";
import { blocksOfRun, type CompressedFile, layOutRuns, placedExtents, tailBytesOf } from "./compress-runs.ts";
import { type ContentPlanner, type FilePlace, mayStandBehindInode, type StoredContent } from "./content.ts";
import {
  COMPRESSION,
  COMPRESSION_ADVISE,
  CompressionHeader,
  DATA_LAYOUT,
  FEATURE_INCOMPAT,
  FULL_INDEX_GAP_BYTES,
  FullIndex,
  INLINE_SIZE_SHIFT,
  INODE_SLOT_BYTES,
} from "./layout.ts";
import { storedContent } from "./stored-content.ts";

export type CompressionAlgorithm = "lz4" | "zstd";

/** By number, as in h_algorithmtype. */
export const ALGORITHM_NUMBERS: Readonly<Record<CompressionAlgorithm, number>> = {
  lz4: COMPRESSION.LZ4,
  zstd: COMPRESSION.ZSTD,
};

/**
 * Stores the files that have a compressed form in it where that is smaller, all others as they are. A file that is cut
 * must have been compressed in the pieces that `piecesOfParts` names.
 */
export function compressedFiles(
  files: ReadonlyMap<RegularFile, CompressedFile>,
  options: { readonly algorithm: CompressionAlgorithm; readonly blockBytes: number },
): ContentPlanner {
  const { blockBytes } = options;
  return (file, place) => {
    const stored = storedContent(file.content, place, { blockBytes, inlineTail: true });
    const compressed = files.get(file);
    if (compressed === undefined) return stored;
    const content = compressedContent(file, compressed, place, {
      ...options,
      number: ALGORITHM_NUMBERS[options.algorithm],
    });
    return sizeOf(content, place, blockBytes) < sizeOf(stored, place, blockBytes) ? content : stored;
  };
}

/** What the content adds to the image; next to the inode whole slots count. */
function sizeOf(content: StoredContent, { headBytes }: FilePlace, blockBytes: number): number {
  const beside = alignUp(headBytes + content.mapBytes + content.tailBytes, INODE_SLOT_BYTES);
  return beside + blocksIn(content) * blockBytes;
}

function blocksIn({ runs }: Pick<StoredContent, "runs">): number {
  return runs.reduce((sum, { blockCount }) => sum + blockCount, 0);
}

/**
 * COMPRESSED_COMPACT, or COMPRESSED_FULL for a file in several places; with the end of the file behind the index where
 * the inode's block has room for it.
 */
function compressedContent(
  file: RegularFile,
  { pieces }: CompressedFile,
  place: FilePlace,
  { blockBytes, number }: { readonly blockBytes: number; readonly number: number },
): StoredContent {
  const { size } = file.content;
  const { headBytes, parts } = place;
  const headerStart = alignUp(headBytes, CompressionHeader.size);
  const form = indexForm(parts.length > 1, { size, clusterBytes: blockBytes }, headerStart + CompressionHeader.size);
  const { mapEnd } = form;
  const tail = pieces.at(-1)?.tail;
  const inline = tail !== undefined && mayBeInline(tail, mapEnd, place, blockBytes) ? tail : undefined;
  const tailBytes = inline === undefined ? 0 : tailBytesOf(inline);
  const laidOut = layOutRuns(pieces, parts, { inlineTail: inline !== undefined, blockBytes });
  const runs = laidOut.map((run) => ({
    blockCount: run.blockCount,
    rank: run.rank,
    blocks: () => blocksOfRun(file, run, { inlineTail: inline !== undefined, blockBytes }),
  }));
  return {
    layout: form.layout,
    size,
    mapBytes: mapEnd - headBytes,
    tailBytes,
    runs,
    incompat:
      FEATURE_INCOMPAT.LZ4_0PADDING |
      FEATURE_INCOMPAT.COMPR_CFGS |
      (inline === undefined ? 0 : FEATURE_INCOMPAT.ZTAILPACKING),
    union: () => blocksIn({ runs }),
    map: (starts) => {
      const map = new Uint8Array(mapEnd - headBytes);
      CompressionHeader.write(map, headerStart - headBytes, {
        h_fragmentoff: tailBytes * 2 ** INLINE_SIZE_SHIFT,
        h_advise: form.advise | (inline === undefined ? 0 : COMPRESSION_ADVISE.INLINE_PCLUSTER),
        h_algorithmtype: number,
      });
      map.set(form.encode(placedExtents(laidOut, starts)), form.indexStart - headBytes);
      return map;
    },
    tail: () => {
      if (inline === undefined) return new Uint8Array(0);
      return inline.encoded ?? file.content.read(size - inline.decodedBytes, inline.decodedBytes);
    },
  };
}

function mayBeInline(tail: PieceTail, mapEnd: number, place: FilePlace, blockBytes: number): boolean {
  const bytes = tailBytesOf(tail);
  return isInOneBlock(mapEnd, bytes, blockBytes) && mayStandBehindInode(place, bytes);
}

/** An inode that is longer than a block starts one (InodeArea), a shorter one does not leave it. */
function isInOneBlock(start: number, bytes: number, blockBytes: number): boolean {
  return bytes > 0 && (start % blockBytes) + bytes <= blockBytes;
}

/** How a file's index is written; offsets count from the inode. */
interface IndexForm {
  readonly layout: StoredContent["layout"];
  readonly advise: number;
  readonly indexStart: number;
  readonly mapEnd: number;
  encode(extents: Parameters<typeof encodeFullIndex>[0]): Uint8Array;
}

/** `headerEnd` is where the map's header ends. */
function indexForm(scattered: boolean, file: { size: number; clusterBytes: number }, headerEnd: number): IndexForm {
  const { COMPACTED_2B, BIG_PCLUSTER_1, BIG_PCLUSTER_2 } = COMPRESSION_ADVISE;
  const count = divideUp(file.size, file.clusterBytes);
  if (scattered) {
    const indexStart = headerEnd + FULL_INDEX_GAP_BYTES;
    return {
      layout: DATA_LAYOUT.COMPRESSED_FULL,
      advise: BIG_PCLUSTER_1,
      indexStart,
      mapEnd: indexStart + count * FullIndex.size,
      encode: (extents) => encodeFullIndex(extents, file),
    };
  }
  // Inodes begin at slots, whose size the packs' alignment divides: the place in the image does not matter.
  const packs = layOutPacks(count, headerEnd);
  return {
    layout: DATA_LAYOUT.COMPRESSED_COMPACT,
    // Both BIG_PCLUSTER bits, or Linux refuses a compact index.
    advise: COMPACTED_2B | BIG_PCLUSTER_1 | BIG_PCLUSTER_2,
    indexStart: headerEnd,
    mapEnd: headerEnd + packs.bytes,
    encode: (extents) => encodeCompactIndex(extents, file, packs),
  };
}
