import { type AlgorithmName, type CompressedLayout, isAnnounced } from "./compressed-header.ts";
import { CompressedIndex, type HeadEntry } from "./compressed-index.ts";
import { type ErofsImage, type ErofsInode, fail } from "./image.ts";
import { COMPRESSION_ADVISE, DATA_LAYOUT, LCLUSTER, MAX_PCLUSTER_BYTES, MAX_PCLUSTER_DECODED_BYTES } from "./layout.ts";

/** A part of a compressed file, and what it is unpacked from. */
export type CompressedExtent = StoredExtent | FragmentExtent;

interface Part {
  /** In the file. */
  readonly start: number;
  readonly length: number;
}

/** A part that a physical cluster holds. */
export interface StoredExtent extends Part {
  /** `shifted`: as it is. `interlaced`: as it is, turned so that each byte keeps its place within a block. */
  readonly encoding: AlgorithmName | "shifted" | "interlaced";
  /** The physical cluster, in the image. */
  readonly offset: number;
  readonly storedBytes: number;
  /** The physical cluster holds more than this part. */
  readonly partial: boolean;
}

/** A part that stands in the packed inode. */
export interface FragmentExtent extends Part {
  readonly encoding: "fragment";
  readonly packedStart: number;
}

/** Full indexes have the high 32 bits of a fragment's place in its head. */
const FRAGMENT_HIGH_UNIT = 2 ** 32;

/** Finds the extents of a compressed inode, as fs/erofs/zmap.c does: from one cluster, back to its head and on to the next. */
export class CompressedMap {
  readonly #image: ErofsImage;
  readonly #inode: ErofsInode;
  readonly #layout: CompressedLayout;
  readonly #index: CompressedIndex;
  /** Files are read from front to back mostly. */
  #last: CompressedExtent | undefined;

  constructor(image: ErofsImage, inode: ErofsInode, layout: CompressedLayout) {
    this.#image = image;
    this.#inode = inode;
    this.#layout = layout;
    this.#index = new CompressedIndex(image, layout, inode.nid);
  }

  /**
   * The extent that holds the byte at `position`, which lies inside the file.
   * @throws FormatError when the index is not sound.
   */
  extentAt(position: number): CompressedExtent {
    const last = this.#last;
    if (last !== undefined && position >= last.start && position < last.start + last.length) return last;
    const extent = this.#find(position);
    this.#last = extent;
    return extent;
  }

  #find(position: number): CompressedExtent {
    const { cluster, head } = this.#headOf(position);
    const start = this.#positionOf(cluster) + head.clusterOffset;
    const { end, blocks } = this.#endOf(cluster, start);
    if (end <= position) this.#refuse(cluster, "is skipped by a cluster that belongs to it");
    return this.#extent({ cluster, head, start, length: end - start, blocks });
  }

  /** The head of the extent that holds `position`: here, or back by the distances that the clusters tell. */
  #headOf(position: number): { cluster: number; head: HeadEntry } {
    let cluster = Math.floor(position / 2 ** this.#layout.clusterBits);
    let back = 0;
    for (;;) {
      if (back > cluster) this.#refuse(cluster, "has no head");
      // Each step goes back by at least one, so that this ends.
      cluster -= back;
      const entry = this.#index.entry(cluster);
      if (entry.type === LCLUSTER.NONHEAD) back = entry.back;
      else if (this.#positionOf(cluster) + entry.clusterOffset <= position) return { cluster, head: entry };
      else back = 1;
    }
  }

  /** Where the extent ends, and how many blocks its first inner cluster says that it has. */
  #endOf(head: number, start: number): { end: number; blocks: number | undefined } {
    const { size } = this.#inode;
    let blocks: number | undefined;
    for (let cluster = head + 1; cluster < this.#layout.count; cluster++) {
      const entry = this.#index.entry(cluster);
      if (entry.type !== LCLUSTER.NONHEAD) {
        return { end: Math.min(size, this.#positionOf(cluster) + entry.clusterOffset), blocks };
      }
      const distance = cluster - head;
      if (entry.back > distance) this.#refuse(cluster, "points back beyond its head");
      if (entry.blocks !== undefined && distance > 1) this.#refuse(cluster, "has a size, but does not follow a head");
      blocks ??= entry.blocks;
      // The packed inode may hold a longer tail: that is no more than a reference.
      if (!this.#has(COMPRESSION_ADVISE.FRAGMENT_PCLUSTER)) this.#checkLength(head, this.#positionOf(cluster) - start);
    }
    return { end: size, blocks };
  }

  #extent(found: {
    cluster: number;
    head: HeadEntry;
    start: number;
    length: number;
    blocks: number | undefined;
  }): CompressedExtent {
    const { cluster, head, start, length } = found;
    const isTail = start + length === this.#inode.size;
    if (isTail && this.#has(COMPRESSION_ADVISE.FRAGMENT_PCLUSTER)) {
      const high = this.#inode.layout === DATA_LAYOUT.COMPRESSED_FULL ? head.block * FRAGMENT_HIGH_UNIT : 0;
      return { encoding: "fragment", start, length, packedStart: high + this.#layout.fragmentStart };
    }
    this.#checkLength(cluster, length);
    const isInline = isTail && this.#has(COMPRESSION_ADVISE.INLINE_PCLUSTER);
    const { blockBytes } = this.#image.superblock;
    const offset = isInline ? this.#layout.indexEnd : head.block * blockBytes;
    const storedBytes = isInline ? this.#layout.inlineBytes : this.#blocksOf(found) * blockBytes;
    if (storedBytes > MAX_PCLUSTER_BYTES) this.#refuse(cluster, `has more than ${MAX_PCLUSTER_BYTES} bytes`);
    const what = `logical cluster ${cluster} of inode ${this.#inode.nid}`;
    this.#image.checkRange(offset, storedBytes, what);
    if (head.type !== LCLUSTER.PLAIN) {
      const encoding = this.#layout.algorithms[head.type === LCLUSTER.HEAD1 ? 0 : 1];
      if (!isAnnounced(this.#image, encoding)) this.#refuse(cluster, `uses ${encoding}, the superblock does not`);
      return { encoding, start, length, offset, storedBytes, partial: head.partial };
    }
    if (length > storedBytes) this.#refuse(cluster, `has ${length} bytes as they are in only ${storedBytes}`);
    const encoding = this.#has(COMPRESSION_ADVISE.INTERLACED_PCLUSTER) ? "interlaced" : "shifted";
    return { encoding, start, length, offset, storedBytes, partial: head.partial };
  }

  /** The blocks of a physical cluster (z_erofs_get_extent_compressedlen). */
  #blocksOf({ cluster, head, blocks }: { cluster: number; head: HeadEntry; blocks: number | undefined }): number {
    const flag = head.type === LCLUSTER.HEAD1 ? COMPRESSION_ADVISE.BIG_PCLUSTER_1 : COMPRESSION_ADVISE.BIG_PCLUSTER_2;
    const next = cluster + 1;
    if (!this.#has(flag) || next >= this.#layout.count) return 1;
    if (blocks !== undefined) return blocks;
    if (this.#index.entry(next).type === LCLUSTER.NONHEAD)
      this.#refuse(next, "does not say how large its physical cluster is");
    return 1;
  }

  #checkLength(cluster: number, length: number): void {
    if (length > MAX_PCLUSTER_DECODED_BYTES) {
      this.#refuse(cluster, `begins an extent of more than ${MAX_PCLUSTER_DECODED_BYTES} bytes, Linux refuses it`);
    }
  }

  #positionOf(cluster: number): number {
    return cluster * 2 ** this.#layout.clusterBits;
  }

  #has(flag: number): boolean {
    return (this.#layout.advise & flag) !== 0;
  }

  #refuse(cluster: number, what: string): never {
    const where = this.#index.offsetOf(cluster);
    return fail(`Cannot read inode ${this.#inode.nid}: logical cluster ${cluster} ${what}`, where);
  }
}
