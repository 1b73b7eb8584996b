import { alignUp, divideUp, toSafeNumber } from "../../bytes/index.ts";
import { type ErofsImage, type ErofsInode, fail } from "./image.ts";
import {
  CLUSTER_BITS_MASK,
  CLUSTER_WHOLE_FRAGMENT,
  COMPRESSION,
  COMPRESSION_ADVISE,
  COMPRESSION_ALGORITHM_MASK,
  COMPRESSION_ALGORITHMS,
  COMPRESSION_HEAD2_SHIFT,
  CompressionHeader,
  DATA_LAYOUT,
  FEATURE_INCOMPAT,
  FORMAT,
  FRAGMENT_BIT,
  FULL_INDEX_GAP_BYTES,
  FullIndex,
  INLINE_SIZE_SHIFT,
  PACK_2B_BYTES,
  PACK_2B_ENTRIES,
  PACK_4B_BYTES,
  PACK_4B_ENTRIES,
} from "./layout.ts";
import { namesOfBits } from "./names.ts";

export type AlgorithmName = (typeof COMPRESSION_ALGORITHMS)[number];

/** How a compressed inode's index is laid out; offsets in the image. */
export interface CompressedLayout {
  readonly compact: boolean;
  readonly headerOffset: number;
  /** log2 of a logical cluster's bytes. */
  readonly clusterBits: number;
  /** Logical clusters, each with an entry of the index. */
  readonly count: number;
  readonly advise: number;
  /** Of HEAD1 and HEAD2; one that no cluster uses need not be announced by the superblock. */
  readonly algorithms: readonly [AlgorithmName, AlgorithmName];
  readonly indexOffset: number;
  /** Behind the last entry (or the pack that holds it): an inline tail starts here. */
  readonly indexEnd: number;
  /** Entries of the compact index in packs of four bytes at its start, then in packs of two. */
  readonly initialEntries: number;
  readonly twoByteEntries: number;
  /** Bytes of the last physical cluster where it stands behind the index. */
  readonly inlineBytes: number;
  /** Where the tail's fragment starts in the packed inode: all of it, or its low 32 bits with a full index. */
  readonly fragmentStart: number;
}

/** A whole file in the packed inode. */
export interface WholeFragment {
  readonly headerOffset: number;
  readonly start: number;
}

/** The largest cluster that an entry's offsets can describe: 16 bits, and 14 in a compact index (fs/erofs/zmap.c). */
const MAX_CLUSTER_BITS = 16;
const MAX_COMPACT_CLUSTER_BITS = 14;
/** Packs of two bytes an entry hold offsets of 12 bits. */
const MAX_2B_CLUSTER_BITS = 12;

const KNOWN_ADVISE = Object.values(COMPRESSION_ADVISE).reduce((sum, bit) => sum | bit, 0);

/**
 * Reads the header of a compressed inode's map.
 * @throws FormatError when it is not sound or asks for what this reader does not have.
 */
export function readCompressedLayout(image: ErofsImage, inode: ErofsInode): CompressedLayout | WholeFragment {
  const headerOffset = alignUp(inode.headEnd, CompressionHeader.size);
  const bytes = image.read(headerOffset, CompressionHeader.size, `the compression header of inode ${inode.nid}`);
  const header = CompressionHeader.parse(bytes);
  const refuse = (what: string, field: keyof typeof CompressionHeader.fields): never =>
    fail(`Cannot read inode ${inode.nid}: ${what}`, headerOffset, field);
  if ((header.h_clusterbits & CLUSTER_WHOLE_FRAGMENT) !== 0) {
    const start = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true) ^ (1n << FRAGMENT_BIT);
    return {
      headerOffset,
      start: toSafeNumber(start, { format: FORMAT, field: "h_fragmentoff", offset: headerOffset }),
    };
  }
  const { h_advise: advise } = header;
  const compact = inode.layout === DATA_LAYOUT.COMPRESSED_COMPACT;
  if ((advise & ~KNOWN_ADVISE) !== 0) {
    refuse(`unknown compression flags ${namesOfBits(advise & ~KNOWN_ADVISE, {}).join(", ")}`, "h_advise");
  }
  const has = (bit: number): boolean => (advise & bit) !== 0;
  if (!compact && has(COMPRESSION_ADVISE.COMPACTED_2B))
    refuse("it has extent records (Linux 6.15), not supported", "h_advise");
  if (compact && has(COMPRESSION_ADVISE.BIG_PCLUSTER_1) !== has(COMPRESSION_ADVISE.BIG_PCLUSTER_2)) {
    refuse("a compact index has big physical clusters for both heads, or for none", "h_advise");
  }
  if (has(COMPRESSION_ADVISE.INLINE_PCLUSTER) && has(COMPRESSION_ADVISE.FRAGMENT_PCLUSTER)) {
    refuse("its tail cannot be inline and a fragment", "h_advise");
  }
  const { blockBytes } = image.superblock;
  const clusterBits = Math.log2(blockBytes) + (header.h_clusterbits & CLUSTER_BITS_MASK);
  const mostBits = compact ? MAX_COMPACT_CLUSTER_BITS : MAX_CLUSTER_BITS;
  if (clusterBits > mostBits) {
    refuse(`expected logical clusters of at most 2^${mostBits} bytes, got 2^${clusterBits}`, "h_clusterbits");
  }
  const algorithms = [
    header.h_algorithmtype & COMPRESSION_ALGORITHM_MASK,
    header.h_algorithmtype >> COMPRESSION_HEAD2_SHIFT,
  ].map((number) => algorithmOf(inode, number, headerOffset)) as [AlgorithmName, AlgorithmName];

  const count = divideUp(inode.size, 2 ** clusterBits);
  const start = headerOffset + CompressionHeader.size;
  const layout = {
    compact,
    headerOffset,
    clusterBits,
    count,
    advise,
    algorithms,
    indexOffset: compact ? start : start + FULL_INDEX_GAP_BYTES,
    inlineBytes: has(COMPRESSION_ADVISE.INLINE_PCLUSTER) ? header.h_fragmentoff >>> INLINE_SIZE_SHIFT : 0,
    fragmentStart: header.h_fragmentoff,
    ...(compact ? packsOf(start, divideUp(inode.size, blockBytes), advise) : { initialEntries: 0, twoByteEntries: 0 }),
  };
  if (layout.twoByteEntries > 0 && clusterBits > MAX_2B_CLUSTER_BITS) {
    refuse(`packs of two bytes an entry cannot have clusters of 2^${clusterBits} bytes`, "h_advise");
  }
  const { indexOffset } = layout;
  const last = compact ? packAt(layout, count - 1) : undefined;
  const indexEnd = last === undefined ? indexOffset + count * FullIndex.size : last.offset + last.bytes;
  if (count > 0) {
    const length = indexEnd + layout.inlineBytes - indexOffset;
    image.checkRange(indexOffset, length, `the index of inode ${inode.nid}: ${count} clusters`);
  }
  const inlineEnd = (indexEnd % blockBytes) + layout.inlineBytes;
  if (inlineEnd > blockBytes)
    refuse(`its inline tail of ${layout.inlineBytes} bytes crosses a block boundary`, "h_fragmentoff");
  return { ...layout, indexEnd: count === 0 ? indexOffset : indexEnd };
}

/** How the compact index spreads over packs (z_erofs_load_compact_lcluster of fs/erofs/zmap.c). */
function packsOf(start: number, entries: number, advise: number): { initialEntries: number; twoByteEntries: number } {
  const perEntry = PACK_4B_BYTES / PACK_4B_ENTRIES;
  const initialEntries = ((PACK_2B_BYTES - (start % PACK_2B_BYTES)) % PACK_2B_BYTES) / perEntry;
  const hasTwoByte = (advise & COMPRESSION_ADVISE.COMPACTED_2B) !== 0 && initialEntries < entries;
  const rest = entries - initialEntries;
  return { initialEntries, twoByteEntries: hasTwoByte ? rest - (rest % PACK_2B_ENTRIES) : 0 };
}

/** A pack of the compact index: where it stands, and which of its entries was asked for. */
export interface Pack {
  readonly offset: number;
  readonly bytes: number;
  readonly entries: number;
  readonly slot: number;
}

/** The pack that holds the entry of a logical cluster. */
export function packAt(
  layout: Pick<CompressedLayout, "indexOffset" | "initialEntries" | "twoByteEntries">,
  cluster: number,
): Pack {
  const { indexOffset, initialEntries, twoByteEntries } = layout;
  const perInitial = PACK_4B_BYTES / PACK_4B_ENTRIES;
  const perTwoByte = PACK_2B_BYTES / PACK_2B_ENTRIES;
  const twoByteIndex = cluster - initialEntries;
  if (twoByteIndex >= 0 && twoByteIndex < twoByteEntries) {
    const slot = twoByteIndex % PACK_2B_ENTRIES;
    const offset = indexOffset + initialEntries * perInitial + (twoByteIndex - slot) * perTwoByte;
    return { offset, bytes: PACK_2B_BYTES, entries: PACK_2B_ENTRIES, slot };
  }
  // Behind the packs of two bytes, the entries before count half.
  const skipped = twoByteIndex < 0 ? 0 : twoByteEntries;
  const slot = (cluster - skipped) % PACK_4B_ENTRIES;
  const offset = indexOffset + (cluster - skipped - slot) * perInitial + skipped * perTwoByte;
  return { offset, bytes: PACK_4B_BYTES, entries: PACK_4B_ENTRIES, slot };
}

function algorithmOf(inode: ErofsInode, number: number, offset: number): AlgorithmName {
  const name = COMPRESSION_ALGORITHMS[number];
  if (name !== undefined) return name;
  return fail(`Cannot read inode ${inode.nid}: unknown compression algorithm ${number}`, offset, "h_algorithmtype");
}

/** Whether the superblock says that the image needs the algorithm. */
export function isAnnounced(image: ErofsImage, algorithm: AlgorithmName): boolean {
  const { incompat, compression } = image.superblock;
  const announced = (incompat & FEATURE_INCOMPAT.COMPR_CFGS) === 0 ? 1 << COMPRESSION.LZ4 : compression;
  return (announced & (1 << COMPRESSION_ALGORITHMS.indexOf(algorithm))) !== 0;
}
