import { alignUp, type ByteSource, checkRange, divideUp, hex, SubSource } from "../../bytes/index.ts";
import { type Budget, type ErofsImage, type ErofsInode, fail } from "./image.ts";
import {
  CHUNK_FORMAT_BITS_MASK,
  CHUNK_FORMAT_INDEXES,
  CHUNK_FORMAT_KNOWN,
  CHUNK_MAP_ENTRY_BYTES,
  ChunkIndex,
  COMPRESSION_ALGORITHM_MASK,
  COMPRESSION_ALGORITHMS,
  CompressionHeader,
  DATA_LAYOUT,
  FORMAT,
  NULL_ADDR,
} from "./layout.ts";
import { nameOfLayout } from "./names.ts";

/** A part of a file: where its bytes stand in the image, or a hole. */
export interface Extent {
  /** In the file. */
  readonly start: number;
  readonly length: number;
  /** In the image; undefined for a hole, which reads as zeros. */
  readonly offset: number | undefined;
}

/** Blocks of 4 KiB at 32-bit addresses: no file without holes is larger, and none with holes has a reason to be. */
const MAX_FILE_BYTES = 2 ** 44;

/** Where a chunk-based inode's table stands. */
export interface ChunkTable {
  readonly offset: number;
  readonly count: number;
  readonly entryBytes: number;
  readonly chunkBytes: number;
}

/**
 * The parts of an inode's content, in order and without gaps; all of them lie inside the image.
 * @throws FormatError for compressed content and for what is not sound.
 */
export function extentsOf(image: ErofsImage, inode: ErofsInode, budget: Budget): Extent[] {
  if (inode.size > MAX_FILE_BYTES) {
    fail(
      `Cannot read inode ${inode.nid}: expected at most ${MAX_FILE_BYTES} bytes, got ${inode.size}`,
      inode.offset,
      "i_size",
    );
  }
  const extents = mapContent(image, inode, budget).filter((extent) => extent.length > 0);
  for (const extent of extents) {
    if (extent.offset !== undefined)
      image.checkRange(extent.offset, extent.length, `the content of inode ${inode.nid}`);
  }
  return extents;
}

function mapContent(image: ErofsImage, inode: ErofsInode, budget: Budget): Extent[] {
  const { blockBytes } = image.superblock;
  const offset = inode.union === NULL_ADDR ? undefined : inode.union * blockBytes;
  switch (inode.layout) {
    case DATA_LAYOUT.FLAT_PLAIN:
      return [{ start: 0, length: inode.size, offset }];
    case DATA_LAYOUT.FLAT_INLINE: {
      const tail = inode.size % blockBytes;
      const start = inode.size - tail;
      if ((inode.headEnd % blockBytes) + tail > blockBytes) {
        fail(
          `Cannot read inode ${inode.nid}: its tail of ${tail} bytes crosses a block boundary`,
          inode.headEnd,
          "i_size",
        );
      }
      return [
        { start: 0, length: start, offset },
        { start, length: tail, offset: inode.headEnd },
      ];
    }
    case DATA_LAYOUT.CHUNK_BASED:
      return chunks(image, inode, budget);
    case DATA_LAYOUT.COMPRESSED_FULL:
    case DATA_LAYOUT.COMPRESSED_COMPACT:
      return fail(
        `Cannot read inode ${inode.nid}: ${nameOfLayout(inode.layout)} with ${algorithmOf(image, inode)} is not supported`,
        inode.offset,
        "i_format",
      );
    default:
      return fail(`Cannot read inode ${inode.nid}: unknown data layout ${inode.layout}`, inode.offset, "i_format");
  }
}

function algorithmOf(image: ErofsImage, inode: ErofsInode): string {
  const offset = alignUp(inode.headEnd, CompressionHeader.size);
  const header = CompressionHeader.parse(image.read(offset, CompressionHeader.size, `the map of inode ${inode.nid}`));
  const algorithm = header.h_algorithmtype & COMPRESSION_ALGORITHM_MASK;
  return COMPRESSION_ALGORITHMS[algorithm] ?? `algorithm ${algorithm}`;
}

/** @throws FormatError when the format or the table is not sound. */
export function chunkTableOf(image: ErofsImage, inode: ErofsInode): ChunkTable {
  if ((inode.union & ~CHUNK_FORMAT_KNOWN) !== 0) {
    fail(`Cannot read inode ${inode.nid}: unknown bits in chunk format ${hex(inode.union)}`, inode.offset, "i_u");
  }
  const entryBytes = (inode.union & CHUNK_FORMAT_INDEXES) === 0 ? CHUNK_MAP_ENTRY_BYTES : ChunkIndex.size;
  const chunkBytes = image.superblock.blockBytes * 2 ** (inode.union & CHUNK_FORMAT_BITS_MASK);
  const offset = alignUp(inode.headEnd, entryBytes);
  const count = divideUp(inode.size, chunkBytes);
  image.checkRange(offset, count * entryBytes, `the chunk table of inode ${inode.nid}`);
  return { offset, count, entryBytes, chunkBytes };
}

function chunks(image: ErofsImage, inode: ErofsInode, budget: Budget): Extent[] {
  const { offset, count, entryBytes, chunkBytes } = chunkTableOf(image, inode);
  budget.claim(count * entryBytes, `the chunk table of inode ${inode.nid}`, offset);
  const table = image.read(offset, count * entryBytes, `the chunk table of inode ${inode.nid}`);
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  const extents: Extent[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * entryBytes;
    const block = entryBytes === CHUNK_MAP_ENTRY_BYTES ? view.getUint32(at, true) : blockOf(table, at, offset);
    const start = index * chunkBytes;
    const length = Math.min(chunkBytes, inode.size - start);
    append(extents, {
      start,
      length,
      offset: block === NULL_ADDR ? undefined : block * image.superblock.blockBytes,
    });
  }
  return extents;
}

function blockOf(table: Uint8Array, at: number, tableOffset: number): number {
  const entry = ChunkIndex.parse(table, at);
  if (entry.startblk_lo === NULL_ADDR) return NULL_ADDR;
  if (entry.device_id !== 0) {
    fail(
      `Cannot read a chunk on device ${entry.device_id}: only one device is supported`,
      tableOffset + at,
      "device_id",
    );
  }
  if (entry.startblk_hi !== 0) {
    fail("Cannot read a chunk with a 48-bit address: not supported", tableOffset + at, "startblk_hi");
  }
  return entry.startblk_lo;
}

/** Adds an extent, or lengthens the last one when both are one piece. */
function append(extents: Extent[], next: Extent): void {
  const last = extents.at(-1);
  const expected = last?.offset === undefined ? undefined : last.offset + last.length;
  if (last !== undefined && next.offset === expected) {
    extents[extents.length - 1] = { ...last, length: last.length + next.length };
  } else {
    extents.push(next);
  }
}

/** The content that `extents` describe; nothing is copied where one extent holds what is read. */
export function contentSource(source: ByteSource, size: number, extents: readonly Extent[]): ByteSource {
  const only = extents[0];
  if (extents.length === 1 && only?.offset !== undefined) return new SubSource(source, only.offset, size);
  return new ExtentSource(source, size, extents);
}

class ExtentSource implements ByteSource {
  readonly size: number;
  readonly #source: ByteSource;
  readonly #extents: readonly Extent[];

  constructor(source: ByteSource, size: number, extents: readonly Extent[]) {
    this.#source = source;
    this.size = size;
    this.#extents = extents;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, FORMAT);
    let index = this.#find(offset);
    const first = this.#extents[index];
    if (first?.offset !== undefined && offset + length <= first.start + first.length) {
      return this.#source.read(first.offset + offset - first.start, length);
    }
    const output = new Uint8Array(length);
    for (let done = 0; done < length; index++) {
      const extent = this.#extents[index] as Extent;
      const within = offset + done - extent.start;
      const piece = Math.min(extent.length - within, length - done);
      if (extent.offset !== undefined) output.set(this.#source.read(extent.offset + within, piece), done);
      done += piece;
    }
    return output;
  }

  /** The extent that holds `offset`, by halves. */
  #find(offset: number): number {
    let low = 0;
    let high = this.#extents.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#extents[middle]?.start ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}
