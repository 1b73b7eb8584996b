import { alignUp, chunksOf, divideUp } from "../../bytes/index.ts";
import type { RegularFile } from "../../tree/index.ts";
import { encodeCompactIndex, layOutPacks, type MappedExtent } from "./compress-map.ts";
import { type CompressedPiece, PIECE_BYTES, type PieceTail } from "./compress-piece.ts";
import { type ContentPlanner, type FlatPlace, flatContent, type StoredContent } from "./content.ts";
import {
  COMPRESSION,
  COMPRESSION_ADVISE,
  CompressionHeader,
  DATA_LAYOUT,
  FEATURE_INCOMPAT,
  INLINE_SIZE_SHIFT,
  INODE_SLOT_BYTES,
} from "./layout.ts";

export type CompressionAlgorithm = "lz4" | "zstd";

/** By number, as in h_algorithmtype. */
export const ALGORITHM_NUMBERS: Readonly<Record<CompressionAlgorithm, number>> = {
  lz4: COMPRESSION.LZ4,
  zstd: COMPRESSION.ZSTD,
};

/** A file's content after compression, by pieces in order. */
export interface CompressedFile {
  readonly pieces: readonly CompressedPiece[];
}

/** Stores the files that have a compressed form in it where that is smaller, all others as they are. */
export function compressedFiles(
  files: ReadonlyMap<RegularFile, CompressedFile>,
  options: { readonly algorithm: CompressionAlgorithm; readonly blockBytes: number },
): ContentPlanner {
  return (file, headBytes) => {
    const place = { blockBytes: options.blockBytes, headBytes, inlineTail: true };
    const flat = flatContent(file.content, place);
    const compressed = files.get(file);
    if (compressed === undefined) return flat;
    const content = compressedContent(file, compressed, place, ALGORITHM_NUMBERS[options.algorithm]);
    return sizeOf(content, place) < sizeOf(flat, place) ? content : flat;
  };
}

/** What the content adds to the image; next to the inode whole slots count. */
function sizeOf(content: StoredContent, { headBytes, blockBytes }: FlatPlace): number {
  const beside = alignUp(headBytes + content.mapBytes + content.tailBytes, INODE_SLOT_BYTES);
  return beside + content.blockCount * blockBytes;
}

/** COMPRESSED_COMPACT, with the end of the file behind the index where the inode's block has room for it. */
function compressedContent(
  file: RegularFile,
  { pieces }: CompressedFile,
  place: FlatPlace,
  algorithm: number,
): StoredContent {
  const { size } = file.content;
  const { blockBytes, headBytes } = place;
  const headerStart = alignUp(headBytes, CompressionHeader.size);
  const indexStart = headerStart + CompressionHeader.size;
  // Inodes begin at slots, whose size the packs' alignment divides: the place in the image does not matter.
  const layout = layOutPacks(divideUp(size, blockBytes), indexStart);
  const mapEnd = indexStart + layout.bytes;
  const tail = pieces.at(-1)?.tail;
  const inline = tail !== undefined && isInOneBlock(mapEnd, tailBytesOf(tail), blockBytes) ? tail : undefined;
  const tailBytes = inline === undefined ? 0 : tailBytesOf(inline);
  const extents = extentsOf(pieces, inline !== undefined, blockBytes);
  const blockCount = extents.reduce((sum, extent) => sum + extent.blocks, 0);
  const rawTail = (of: PieceTail): Uint8Array => file.content.read(size - of.decodedBytes, of.decodedBytes);
  return {
    layout: DATA_LAYOUT.COMPRESSED_COMPACT,
    size,
    mapBytes: mapEnd - headBytes,
    tailBytes,
    blockCount,
    incompat:
      FEATURE_INCOMPAT.LZ4_0PADDING |
      FEATURE_INCOMPAT.COMPR_CFGS |
      (inline === undefined ? 0 : FEATURE_INCOMPAT.ZTAILPACKING),
    union: () => blockCount,
    map: (startBlock) => {
      const map = new Uint8Array(mapEnd - headBytes);
      CompressionHeader.write(map, headerStart - headBytes, {
        h_fragmentoff: tailBytes * 2 ** INLINE_SIZE_SHIFT,
        h_advise: adviseOf(inline !== undefined),
        h_algorithmtype: algorithm,
      });
      // Without blocks there is no address either, and none is asked for.
      const first = blockCount === 0 ? 0 : startBlock;
      const index = encodeCompactIndex(extents, { size, clusterBytes: blockBytes, startBlock: first }, layout);
      map.set(index, indexStart - headBytes);
      return map;
    },
    tail: () => (inline === undefined ? new Uint8Array(0) : (inline.encoded ?? rawTail(inline))),
    blocks: function* () {
      let offset = 0;
      for (const { extents, blocks, tail } of pieces) {
        const end = offset + decodedBytesOf(extents);
        if (blocks !== undefined) yield blocks;
        else yield* storedBlocks(file, offset, end, blockBytes);
        if (tail !== undefined && inline === undefined) yield tailBlock(tail, rawTail(tail), blockBytes);
        offset = end;
      }
    },
  };
}

/** Both BIG_PCLUSTER bits, or Linux refuses a compact index. */
function adviseOf(inline: boolean): number {
  const { COMPACTED_2B, BIG_PCLUSTER_1, BIG_PCLUSTER_2, INLINE_PCLUSTER } = COMPRESSION_ADVISE;
  return COMPACTED_2B | BIG_PCLUSTER_1 | BIG_PCLUSTER_2 | (inline ? INLINE_PCLUSTER : 0);
}

/** An inode that is longer than a block starts one (InodeArea), a shorter one does not leave it. */
function isInOneBlock(start: number, bytes: number, blockBytes: number): boolean {
  return bytes > 0 && (start % blockBytes) + bytes <= blockBytes;
}

function tailBytesOf(tail: PieceTail): number {
  return tail.encoded?.length ?? tail.decodedBytes;
}

/** Extents of the whole file, the tail's last; a tail that is not inline has a block. */
function extentsOf(pieces: readonly CompressedPiece[], inlineTail: boolean, blockBytes: number): MappedExtent[] {
  const all: MappedExtent[] = [];
  let start = 0;
  for (const { extents, tail } of pieces) {
    for (let index = 0; index < extents.length; index += 2) {
      const blocks = extents[index + 1] ?? 0;
      all.push({ start, blocks: Math.max(blocks, 1), compressed: blocks > 0 });
      start += extents[index] ?? 0;
    }
    if (tail === undefined) continue;
    if (inlineTail) all.push({ start, blocks: 0, compressed: tail.encoded !== undefined });
    else all.push({ start, blocks: 1, compressed: isWorthABlock(tail, blockBytes) });
    start += tail.decodedBytes;
  }
  return all;
}

/** In a block of its own only what is longer than that is stored compressed. */
function isWorthABlock(tail: PieceTail, blockBytes: number): boolean {
  return tail.encoded !== undefined && tail.decodedBytes > blockBytes;
}

function tailBlock(tail: PieceTail, raw: Uint8Array, blockBytes: number): Uint8Array {
  const block = new Uint8Array(blockBytes);
  if (tail.encoded !== undefined && isWorthABlock(tail, blockBytes)) {
    block.set(tail.encoded, blockBytes - tail.encoded.length);
  } else {
    block.set(raw);
  }
  return block;
}

function decodedBytesOf(extents: Uint32Array): number {
  let sum = 0;
  for (let index = 0; index < extents.length; index += 2) sum += extents[index] ?? 0;
  return sum;
}

/** A piece that nothing was gained on: it begins at a block, so that its blocks are the file's own bytes. */
function* storedBlocks(file: RegularFile, start: number, end: number, blockBytes: number): Generator<Uint8Array> {
  const part = { size: end - start, read: (at: number, length: number) => file.content.read(start + at, length) };
  yield* chunksOf(part, PIECE_BYTES);
  const rest = part.size % blockBytes;
  if (rest > 0) yield new Uint8Array(blockBytes - rest);
}
