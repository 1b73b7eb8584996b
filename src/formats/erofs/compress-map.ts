import { divideUp } from "../../bytes/index.ts";
import {
  COMPACT_BASE_BYTES,
  COMPACT_LOW_BITS,
  DELTA_BLOCK_COUNT,
  DELTA_MASK,
  DELTA_NEXT_UNIT,
  FullIndex,
  LCLUSTER,
  PACK_2B_BYTES,
  PACK_2B_ENTRIES,
  PACK_4B_BYTES,
  PACK_4B_ENTRIES,
} from "./layout.ts";

/** A part of a file that is stored in consecutive blocks of its own. */
export interface MappedExtent {
  /** In the file; each extent begins where the one before ends. */
  readonly start: number;
  /** The first of its blocks. */
  readonly block: number;
  /** Blocks; 0 of an extent that stands behind the inode. */
  readonly blocks: number;
  readonly compressed: boolean;
}

/** Packs of the compact index, in disk order. */
export interface PackLayout {
  readonly packs: readonly { readonly entries: number; readonly bytes: number }[];
  readonly bytes: number;
}

/**
 * How a compact index of `count` entries that begins at `offset` of the image is cut into packs: such of 32 bytes where
 * they are aligned and complete, smaller ones before and behind them (z_erofs_load_compact_lcluster in fs/erofs/zmap.c).
 */
export function layOutPacks(count: number, offset: number): PackLayout {
  const before = ((PACK_2B_BYTES - (offset % PACK_2B_BYTES)) % PACK_2B_BYTES) / PACK_4B_ENTRY_BYTES;
  const small = { entries: PACK_4B_ENTRIES, bytes: PACK_4B_BYTES };
  const large = { entries: PACK_2B_ENTRIES, bytes: PACK_2B_BYTES };
  const packs: { entries: number; bytes: number }[] = [];
  let left = count;
  const add = (pack: typeof small, entries: number): void => {
    for (let done = 0; done < entries; done += pack.entries) packs.push(pack);
    left -= entries;
  };
  if (before < count) {
    add(small, before);
    add(large, left - (left % PACK_2B_ENTRIES));
  }
  add(small, left);
  return { packs, bytes: packs.reduce((sum, { bytes }) => sum + bytes, 0) };
}

const PACK_4B_ENTRY_BYTES = PACK_4B_BYTES / PACK_4B_ENTRIES;

export interface MappedFile {
  readonly size: number;
  /** Of a logical cluster. */
  readonly clusterBytes: number;
}

/** What the index says of each logical cluster; addresses of heads only. */
interface Entries {
  readonly types: Uint8Array;
  readonly lows: Uint16Array;
  /** How many clusters further on the next head is. */
  readonly ahead: Uint16Array;
  readonly blocks: Uint32Array;
}

/**
 * One entry for each logical cluster of `clusterBytes`. At most one extent begins in each. Where the last one began in
 * an earlier cluster than the one that the file ends in, that one is marked as a stored extent of nothing that begins at
 * the file's end: kernels take the end of an extent from the next one's beginning.
 */
function listEntries(extents: readonly MappedExtent[], { size, clusterBytes }: MappedFile): Entries {
  const count = divideUp(size, clusterBytes);
  const types = new Uint8Array(count);
  const lows = new Uint16Array(count);
  const ahead = new Uint16Array(count);
  const blocks = new Uint32Array(count);
  extents.forEach((extent, index) => {
    const cluster = Math.floor(extent.start / clusterBytes);
    const end = extents[index + 1]?.start ?? size;
    const next = Math.floor(end / clusterBytes);
    types[cluster] = extent.compressed ? LCLUSTER.HEAD1 : LCLUSTER.PLAIN;
    lows[cluster] = extent.start % clusterBytes;
    blocks[cluster] = extent.block;
    for (let at = cluster + 1; at < next; at++) {
      types[at] = LCLUSTER.NONHEAD;
      lows[at] = at === cluster + 1 ? DELTA_BLOCK_COUNT | Math.max(extent.blocks, 1) : at - cluster;
      ahead[at] = next - at;
    }
    if (end === size && next > cluster && next < count) lows[next] = size % clusterBytes;
  });
  return { types, lows, ahead, blocks };
}

/** The full index (COMPRESSED_FULL): each head has an address of its own, so that blocks may stand anywhere. */
export function encodeFullIndex(extents: readonly MappedExtent[], file: MappedFile): Uint8Array {
  const { types, lows, ahead, blocks } = listEntries(extents, file);
  const output = new Uint8Array(types.length * FullIndex.size);
  for (const [cluster, type] of types.entries()) {
    const low = lows[cluster] ?? 0;
    const isHead = type !== LCLUSTER.NONHEAD;
    FullIndex.write(output, cluster * FullIndex.size, {
      di_advise: type,
      di_clusterofs: isHead ? low : 0,
      di_u: isHead ? (blocks[cluster] ?? 0) : low + (ahead[cluster] ?? 0) * DELTA_NEXT_UNIT,
    });
  }
  return output;
}

/** The compact index (COMPRESSED_COMPACT) of a file whose blocks are consecutive. */
export function encodeCompactIndex(extents: readonly MappedExtent[], file: MappedFile, layout: PackLayout): Uint8Array {
  const all = listEntries(extents, file);
  const output = new Uint8Array(layout.bytes);
  const view = new DataView(output.buffer);
  let at = 0;
  let first = 0;
  for (const { entries, bytes } of layout.packs) {
    const row = packRow(all, first, entries);
    const bits = ((bytes - COMPACT_BASE_BYTES) * BITS_OF_BYTE) / entries;
    for (let index = 0; index < entries; index++) {
      const value = (row.lows[index] ?? 0) | ((row.types[index] ?? 0) << COMPACT_LOW_BITS);
      addBits(output, at * BITS_OF_BYTE + index * bits, value);
    }
    view.setUint32(at + bytes - COMPACT_BASE_BYTES, row.base, true);
    at += bytes;
    first += entries;
  }
  return output;
}

const BITS_OF_BYTE = 8;

/** Sets bits that are still zero, the lowest first. */
function addBits(output: Uint8Array, bit: number, value: number): void {
  let at = Math.floor(bit / BITS_OF_BYTE);
  for (let rest = value << (bit % BITS_OF_BYTE); rest !== 0; rest >>>= BITS_OF_BYTE) {
    output[at] = (output[at] ?? 0) | (rest & BYTE_MASK);
    at++;
  }
}

const BYTE_MASK = 2 ** BITS_OF_BYTE - 1;

interface Row {
  readonly types: number[];
  readonly lows: number[];
  readonly base: number;
}

/** Entries behind the file's end are stored extents at 0, which nobody asks for. */
function packRow(all: Entries, first: number, entries: number): Row {
  const types: number[] = [];
  const lows: number[] = [];
  for (let index = 0; index < entries; index++) {
    const type = all.types[first + index] ?? LCLUSTER.PLAIN;
    const low = all.lows[first + index] ?? 0;
    // The last one of a pack tells how far the next head is; how far its own is back follows from the one before it.
    const looksAhead = type === LCLUSTER.NONHEAD && index === entries - 1 && (low & DELTA_BLOCK_COUNT) === 0;
    types.push(type);
    lows.push(looksAhead ? Math.min(all.ahead[first + index] ?? 0, DELTA_MASK) : low);
  }
  const head = types.findIndex((type) => type !== LCLUSTER.NONHEAD);
  const block = all.blocks[first + head] ?? 0;
  return { types, lows, base: head === -1 ? 0 : Math.max(0, block - blocksBefore(types, lows, head)) };
}

/**
 * How many blocks the kernel counts from the pack's base to the head at `index` (z_erofs_load_compact_lcluster): those
 * of an extent that began in an earlier pack only if the entry with their number is in this one.
 */
function blocksBefore(types: readonly number[], lows: readonly number[], index: number): number {
  let blocks = 0;
  for (let at = index - 1; at >= 0; at--) {
    const low = lows[at] ?? 0;
    if (types[at] !== LCLUSTER.NONHEAD) {
      blocks++;
    } else if ((low & DELTA_BLOCK_COUNT) !== 0) {
      blocks += low & DELTA_MASK;
      at--;
    } else {
      // On to the entry behind the head, the one with the number of blocks.
      at -= low - 2;
    }
  }
  return blocks;
}
