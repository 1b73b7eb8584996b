import { type CompressedLayout, packAt } from "./compressed-header.ts";
import { type ErofsImage, fail } from "./image.ts";
import {
  COMPACT_BASE_BYTES,
  COMPACT_LOW_BITS,
  COMPACT_TYPE_BITS,
  COMPRESSION_ADVISE,
  DELTA_BLOCK_COUNT,
  FULL_INDEX_PARTIAL_REF,
  FULL_INDEX_TYPE_MASK,
  FullIndex,
  LCLUSTER,
} from "./layout.ts";

/** Where an extent begins. */
export interface HeadEntry {
  readonly type: typeof LCLUSTER.PLAIN | typeof LCLUSTER.HEAD1 | typeof LCLUSTER.HEAD2;
  /** Where in its logical cluster the extent begins; what lies before belongs to the one before. */
  readonly clusterOffset: number;
  /** The first block in the image. */
  readonly block: number;
  /** Only the first part of what is stored belongs to the file. */
  readonly partial: boolean;
}

/** A logical cluster in which no extent begins. */
export interface InnerEntry {
  readonly type: typeof LCLUSTER.NONHEAD;
  /** Clusters back towards the head, at least 1. */
  readonly back: number;
  /** How many blocks the head's physical cluster has, where this entry tells. */
  readonly blocks: number | undefined;
}

export type ClusterEntry = HeadEntry | InnerEntry;

const BITS_PER_BYTE = 8;
const DELTA_BACK_MASK = 0xffff;
/** Entries stand together and are asked for in order: they are read in pieces of this size. */
const WINDOW_BYTES = 4096;

/** The index of a compressed inode, entry by entry. */
export class CompressedIndex {
  readonly #image: ErofsImage;
  readonly #layout: CompressedLayout;
  readonly #nid: number;
  readonly #bigClusters: boolean;
  #window: Uint8Array = new Uint8Array(0);
  #windowOffset = 0;

  constructor(image: ErofsImage, layout: CompressedLayout, nid: number) {
    this.#image = image;
    this.#layout = layout;
    this.#nid = nid;
    this.#bigClusters = (layout.advise & (COMPRESSION_ADVISE.BIG_PCLUSTER_1 | COMPRESSION_ADVISE.BIG_PCLUSTER_2)) !== 0;
  }

  /** @throws FormatError when the entry is not sound. */
  entry(cluster: number): ClusterEntry {
    return this.#layout.compact ? this.#compact(cluster) : this.#full(cluster);
  }

  /** Where the entry stands, for messages. */
  offsetOf(cluster: number): number {
    if (!this.#layout.compact) return this.#layout.indexOffset + cluster * FullIndex.size;
    return packAt(this.#layout, cluster).offset;
  }

  #full(cluster: number): ClusterEntry {
    const offset = this.offsetOf(cluster);
    const { di_advise, di_clusterofs, di_u } = FullIndex.parse(this.#bytes(offset, FullIndex.size));
    const type = (di_advise & FULL_INDEX_TYPE_MASK) as ClusterEntry["type"];
    if ((di_advise & ~(FULL_INDEX_TYPE_MASK | FULL_INDEX_PARTIAL_REF)) !== 0) {
      this.#refuse(cluster, "has unknown flags", "di_advise");
    }
    if (type === LCLUSTER.NONHEAD) return this.#inner(cluster, di_u & DELTA_BACK_MASK);
    const partial = (di_advise & FULL_INDEX_PARTIAL_REF) !== 0;
    return { type, clusterOffset: this.#checkOffset(cluster, di_clusterofs), block: di_u, partial };
  }

  #compact(cluster: number): ClusterEntry {
    const pack = packAt(this.#layout, cluster);
    const bytes = this.#bytes(pack.offset, pack.bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const lowBits = Math.max(this.#layout.clusterBits, COMPACT_LOW_BITS);
    const entryBits = ((pack.bytes - COMPACT_BASE_BYTES) * BITS_PER_BYTE) / pack.entries;
    const at = (slot: number): { low: number; type: ClusterEntry["type"] } => {
      const bit = slot * entryBits;
      const value = view.getUint32(Math.floor(bit / BITS_PER_BYTE), true) >>> (bit % BITS_PER_BYTE);
      const low = value & (2 ** lowBits - 1);
      return { low, type: ((value >>> lowBits) & (2 ** COMPACT_TYPE_BITS - 1)) as ClusterEntry["type"] };
    };
    const { low, type } = at(pack.slot);
    if (type !== LCLUSTER.NONHEAD) {
      const base = view.getUint32(pack.bytes - COMPACT_BASE_BYTES, true);
      const block = base + this.#blocksBefore(cluster, pack.slot, at);
      return { type, clusterOffset: this.#checkOffset(cluster, low), block, partial: false };
    }
    const isLast = pack.slot === pack.entries - 1;
    if (!isLast || (low & DELTA_BLOCK_COUNT) !== 0) return this.#inner(cluster, low);
    // The last entry of a pack says how far the next head is instead: the way back follows from the entry before it.
    const before = at(pack.slot - 1);
    if (before.type !== LCLUSTER.NONHEAD) return { type, back: 1, blocks: undefined };
    return { type, back: (before.low & DELTA_BLOCK_COUNT) === 0 ? before.low + 1 : 2, blocks: undefined };
  }

  /** How many blocks the heads before `slot` have, of those that begin in this pack. */
  #blocksBefore(cluster: number, slot: number, at: (slot: number) => { low: number; type: number }): number {
    // Without big clusters the base is the block before the pack's first one.
    let blocks = this.#bigClusters ? 0 : 1;
    for (let index = slot - 1; index >= 0; index--) {
      const { low, type } = at(index);
      if (type !== LCLUSTER.NONHEAD) {
        blocks++;
      } else if (!this.#bigClusters) {
        index -= low;
        if (index >= 0) blocks++;
      } else if ((low & DELTA_BLOCK_COUNT) !== 0) {
        // Its head stands right before it, here or as the last entry of the pack before, whose base counts it.
        blocks += low & ~DELTA_BLOCK_COUNT;
        index--;
      } else {
        if (low <= 1) this.#refuse(cluster, "follows a physical cluster without a size");
        index -= low - 2;
      }
    }
    return blocks;
  }

  #inner(cluster: number, delta: number): InnerEntry {
    if ((delta & DELTA_BLOCK_COUNT) === 0) {
      if (delta === 0) this.#refuse(cluster, "has no way back to its head");
      return { type: LCLUSTER.NONHEAD, back: delta, blocks: undefined };
    }
    const blocks = delta & ~DELTA_BLOCK_COUNT;
    if (!this.#bigClusters || blocks === 0) this.#refuse(cluster, "has a physical cluster's size where none may be");
    return { type: LCLUSTER.NONHEAD, back: 1, blocks };
  }

  #checkOffset(cluster: number, offset: number): number {
    if (offset >= 2 ** this.#layout.clusterBits)
      this.#refuse(cluster, `begins at ${offset}, beyond itself`, "di_clusterofs");
    return offset;
  }

  #refuse(cluster: number, what: string, field?: string): never {
    return fail(`Cannot read inode ${this.#nid}: logical cluster ${cluster} ${what}`, this.offsetOf(cluster), field);
  }

  #bytes(offset: number, length: number): Uint8Array {
    const start = offset - this.#windowOffset;
    if (start >= 0 && start + length <= this.#window.length) return this.#window.subarray(start, start + length);
    const left = this.#layout.indexEnd - offset;
    this.#window = this.#image.read(offset, Math.min(left, WINDOW_BYTES), `the index of inode ${this.#nid}`);
    this.#windowOffset = offset;
    return this.#window.subarray(0, length);
  }
}
