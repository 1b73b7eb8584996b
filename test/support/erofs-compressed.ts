import {
  COMPRESSION,
  COMPRESSION_ADVISE,
  CompactInode,
  CompressionHeader,
  DATA_LAYOUT,
  DELTA_BLOCK_COUNT,
  Dirent,
  ExtendedInode,
  FEATURE_INCOMPAT,
  FILE_TYPE,
  FULL_INDEX_GAP_BYTES,
  FULL_INDEX_PARTIAL_REF,
  FullIndex,
  LCLUSTER,
  SUPER_MAGIC,
  SUPER_OFFSET,
  Superblock,
} from "../../src/formats/erofs/layout.ts";

/** One extent of the file in an image made by hand; lengths that are no multiple of a block begin the next one within it. */
export interface HandMadeExtent {
  readonly length: number;
  /** What is stored: at the end of its cluster, or at the start of it where it is plain. */
  readonly stored: Uint8Array;
  readonly plain?: boolean;
  readonly partial?: boolean;
}

export const BLOCK = 4096;
const META_BLOCK = 1;
const FILE_NID = 4;
const FILE_OFFSET = META_BLOCK * BLOCK + FILE_NID * 32;
const INDEX_OFFSET = FILE_OFFSET + ExtendedInode.size + CompressionHeader.size + FULL_INDEX_GAP_BYTES;
const DATA_BLOCK = 4;

/** Where the file's compression header and its index stand. */
export const HEADER_OFFSET = FILE_OFFSET + ExtendedInode.size;
export const entryOffset = (cluster: number): number => INDEX_OFFSET + cluster * FullIndex.size;

const LAYOUT_SHIFT = 1;

/** An image with one file, "file", whose index is a full one; written by nothing of lazyrd's but struct declarations. */
export function handMadeImage(algorithm: keyof typeof COMPRESSION, extents: readonly HandMadeExtent[]): Uint8Array {
  const size = extents.reduce((sum, { length }) => sum + length, 0);
  const blocksOf = ({ stored }: HandMadeExtent): number => Math.ceil(stored.length / BLOCK);
  const dataBlocks = extents.reduce((sum, extent) => sum + blocksOf(extent), 0);
  const image = new Uint8Array((DATA_BLOCK + dataBlocks) * BLOCK);
  Superblock.write(image, SUPER_OFFSET, {
    magic: SUPER_MAGIC,
    blkszbits: 12,
    rootnid_2b: 0,
    inos: 2n,
    blocks_lo: DATA_BLOCK + dataBlocks,
    meta_blkaddr: META_BLOCK,
    feature_incompat: FEATURE_INCOMPAT.LZ4_0PADDING | FEATURE_INCOMPAT.COMPR_CFGS,
    available_compr_algs: 1 << COMPRESSION[algorithm],
  });
  writeRoot(image);
  ExtendedInode.write(image, FILE_OFFSET, {
    i_format: 1 | (DATA_LAYOUT.COMPRESSED_FULL << LAYOUT_SHIFT),
    i_mode: 0o100644,
    i_size: BigInt(size),
    i_u: dataBlocks,
    i_nlink: 1,
  });
  CompressionHeader.write(image, HEADER_OFFSET, {
    h_advise: COMPRESSION_ADVISE.BIG_PCLUSTER_1 | COMPRESSION_ADVISE.BIG_PCLUSTER_2,
    h_algorithmtype: COMPRESSION[algorithm] | (COMPRESSION[algorithm] << 4),
  });
  let block = DATA_BLOCK;
  let start = 0;
  for (const extent of extents) {
    const blocks = blocksOf(extent);
    writeIndex(image, { extent, start, block, blocks, size });
    const room = blocks * BLOCK;
    image.set(extent.stored, block * BLOCK + (extent.plain === true ? 0 : room - extent.stored.length));
    block += blocks;
    start += extent.length;
  }
  return image;
}

function writeRoot(image: Uint8Array): void {
  const names = [".", "..", "file"];
  const entries = names.map((name) => ({ name, nid: name === "file" ? FILE_NID : 0 }));
  const directory = new Uint8Array(names.length * Dirent.size + names.join("").length);
  let nameoff = names.length * Dirent.size;
  for (const [index, { name, nid }] of entries.entries()) {
    const file_type = name === "file" ? FILE_TYPE.file : FILE_TYPE.directory;
    Dirent.write(directory, index * Dirent.size, { nid: BigInt(nid), nameoff, file_type });
    directory.set(Buffer.from(name), nameoff);
    nameoff += name.length;
  }
  CompactInode.write(image, META_BLOCK * BLOCK, {
    i_format: DATA_LAYOUT.FLAT_INLINE << LAYOUT_SHIFT,
    i_mode: 0o040755,
    i_nlink: 2,
    i_size: directory.length,
    i_u: 0xffffffff,
  });
  image.set(directory, META_BLOCK * BLOCK + CompactInode.size);
}

interface Placed {
  readonly extent: HandMadeExtent;
  readonly start: number;
  readonly block: number;
  readonly blocks: number;
  readonly size: number;
}

function writeIndex(image: Uint8Array, { extent, start, block, blocks, size }: Placed): void {
  const head = Math.floor(start / BLOCK);
  const end = start + extent.length;
  // The cluster in which the next extent begins has that one's entry.
  const last = end === size ? Math.ceil(end / BLOCK) : Math.floor(end / BLOCK);
  const type = extent.plain === true ? LCLUSTER.PLAIN : LCLUSTER.HEAD1;
  const partial = extent.partial === true ? FULL_INDEX_PARTIAL_REF : 0;
  FullIndex.write(image, entryOffset(head), { di_advise: type | partial, di_clusterofs: start % BLOCK, di_u: block });
  for (let cluster = head + 1; cluster < last; cluster++) {
    const back = cluster === head + 1 ? DELTA_BLOCK_COUNT | blocks : cluster - head;
    FullIndex.write(image, entryOffset(cluster), {
      di_advise: LCLUSTER.NONHEAD,
      di_u: back | ((last - cluster) << 16),
    });
  }
}
