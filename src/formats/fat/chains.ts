import { type ByteSource, checkRange, FormatError, hex } from "../../bytes/index.ts";
import { clusterOffset, type FatGeometry } from "./geometry.ts";
import { ENTRY_VALUES, FIRST_CLUSTER, FORMAT } from "./layout.ts";
import type { FatVolume } from "./volume.ts";

/** Clusters that follow each other on disk and in the file. */
export interface ClusterRun {
  readonly cluster: number;
  readonly count: number;
}

/** A FAT is read in pieces of this size: one of FAT32 can have a gigabyte. One of FAT12 fits as a whole. */
const PIECE_BYTES = 64 * 1024;
const BITS_PER_BYTE = 8;

/** Follows the chains of a volume, each cluster once: one that stands twice is in two files, or in a loop. */
export class ChainReader {
  readonly #source: ByteSource;
  readonly #geometry: FatGeometry;
  readonly #fatOffset: number;
  readonly #fatBytes: number;
  readonly #claimed: Uint8Array;
  #claimedCount = 0;
  #piece: Uint8Array = new Uint8Array();
  #pieceOffset = 0;

  constructor(source: ByteSource, { geometry, activeFat }: FatVolume) {
    this.#source = source;
    this.#geometry = geometry;
    this.#fatBytes = geometry.fatSectors * geometry.sectorBytes;
    this.#fatOffset = geometry.fatOffset + activeFat * this.#fatBytes;
    this.#claimed = new Uint8Array(Math.ceil(geometry.clusterCount / BITS_PER_BYTE));
  }

  /** Clusters in all the chains that were followed. */
  get claimedCount(): number {
    return this.#claimedCount;
  }

  /**
   * The clusters of the chain that begins with `first`.
   * @param referrer where the number of the first cluster stands, for messages
   * @throws FormatError when the chain leaves the volume, has more than `maxClusters`, never ends, or meets another one.
   */
  follow(first: number, maxClusters: number, referrer: number): ClusterRun[] {
    const { mask, bad, endOfChain } = ENTRY_VALUES[this.#geometry.type];
    const runs: { cluster: number; count: number }[] = [];
    let offset = referrer;
    let count = 0;
    for (let cluster = first; cluster < endOfChain; ) {
      if (cluster === bad) fail("Cannot follow a chain of clusters: it leads to a bad one", offset);
      if (cluster < FIRST_CLUSTER || cluster >= FIRST_CLUSTER + this.#geometry.clusterCount) {
        fail(
          `Cannot follow a chain of clusters to ${hex(cluster)}: expected ${FIRST_CLUSTER} to ${FIRST_CLUSTER + this.#geometry.clusterCount - 1}`,
          offset,
        );
      }
      if (++count > maxClusters) fail(`Cannot follow a chain of more than ${maxClusters} clusters`, offset);
      this.#claim(cluster, offset);
      const run = runs.at(-1);
      if (run !== undefined && run.cluster + run.count === cluster) run.count++;
      else runs.push({ cluster, count: 1 });
      offset = this.#entryOffset(cluster);
      cluster = this.#entry(cluster) & mask;
    }
    return runs;
  }

  #claim(cluster: number, offset: number): void {
    const index = cluster - FIRST_CLUSTER;
    const [byte, bit] = [Math.floor(index / BITS_PER_BYTE), 1 << (index % BITS_PER_BYTE)];
    const before = this.#claimed[byte] ?? 0;
    if ((before & bit) !== 0) {
      fail(`Cannot use cluster ${hex(cluster)}: two chains lead to it, or one does twice`, offset);
    }
    this.#claimed[byte] = before | bit;
    this.#claimedCount++;
  }

  #entryOffset(cluster: number): number {
    return this.#fatOffset + Math.floor((cluster * this.#geometry.type) / BITS_PER_BYTE);
  }

  #entry(cluster: number): number {
    const { type } = this.#geometry;
    const offset = this.#entryOffset(cluster) - this.#fatOffset;
    const view = this.#view(offset);
    const at = offset - this.#pieceOffset;
    if (type === 32) return view.getUint32(at, true);
    const value = view.getUint16(at, true);
    // Of FAT12, two entries share three bytes.
    return type === 12 && cluster % 2 === 1 ? value >>> 4 : value;
  }

  #view(offset: number): DataView {
    const start = offset - (offset % PIECE_BYTES);
    if (this.#piece.length === 0 || start !== this.#pieceOffset) {
      this.#piece = this.#source.read(this.#fatOffset + start, Math.min(PIECE_BYTES, this.#fatBytes - start));
      this.#pieceOffset = start;
    }
    return new DataView(this.#piece.buffer, this.#piece.byteOffset, this.#piece.length);
  }
}

/** A run in bytes: `start` counts in the file, `offset` in the volume. */
interface ChainPiece {
  readonly start: number;
  readonly offset: number;
  readonly length: number;
}

/** The content of a chain, wherever its clusters stand. */
export class ChainSource implements ByteSource {
  readonly size: number;
  readonly #volume: ByteSource;
  readonly #pieces: readonly ChainPiece[];

  constructor(volume: ByteSource, geometry: FatGeometry, runs: readonly ClusterRun[], size: number) {
    this.#volume = volume;
    this.size = size;
    let start = 0;
    this.#pieces = runs.map(({ cluster, count }) => {
      const piece = { start, offset: clusterOffset(geometry, cluster), length: count * geometry.clusterBytes };
      start += piece.length;
      return piece;
    });
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, FORMAT);
    const end = offset + length;
    const parts: Uint8Array[] = [];
    for (let index = this.#indexAt(offset), at = offset; at < end; index++) {
      const piece = this.#pieces[index] as ChainPiece;
      const part = this.#volume.read(piece.offset + at - piece.start, Math.min(end, piece.start + piece.length) - at);
      parts.push(part);
      at += part.length;
    }
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  }

  /** Where a byte of the content stands in the volume. */
  offsetOf(position: number): number {
    const piece = this.#pieces[this.#indexAt(position)];
    return piece === undefined ? 0 : piece.offset + position - piece.start;
  }

  /** The last piece that starts at or before a byte. */
  #indexAt(position: number): number {
    let [low, high] = [0, this.#pieces.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#pieces[middle] as ChainPiece).start <= position) low = middle;
      else high = middle;
    }
    return low;
  }
}

function fail(message: string, offset: number): never {
  throw new FormatError(message, { format: FORMAT, offset });
}
