import { alignUp, type ByteSource, checkRange, divideUp, hex } from "../../bytes/index.ts";
import type { Extent, InodeContent } from "./extent.ts";
import { type Budget, type ErofsImage, type ErofsInode, fail } from "./image.ts";
import {
  CHUNK_FORMAT_BITS_MASK,
  CHUNK_FORMAT_INDEXES,
  CHUNK_FORMAT_KNOWN,
  CHUNK_MAP_ENTRY_BYTES,
  ChunkIndex,
  DATA_LAYOUT,
  FORMAT,
  NULL_ADDR,
} from "./layout.ts";

/** Blocks of 4 KiB at 32-bit addresses: no file without holes is larger, and none with holes has a reason to be. */
const MAX_FILE_BYTES = 2 ** 44;

/** Where a chunk-based inode's table stands. */
export interface ChunkTable {
  readonly offset: number;
  readonly count: number;
  readonly entryBytes: number;
  readonly chunkBytes: number;
}

/** @throws FormatError for sizes that no image can hold. */
export function checkFileSize(inode: ErofsInode): void {
  if (inode.size > MAX_FILE_BYTES) {
    const expected = `expected at most ${MAX_FILE_BYTES} bytes, got ${inode.size}`;
    fail(`Cannot read inode ${inode.nid}: ${expected}`, inode.offset, "i_size");
  }
}

/**
 * Content that stands in the image as it is.
 * @throws FormatError when its map is not sound.
 */
export function openFlatContent(image: ErofsImage, inode: ErofsInode, budget: Budget): InodeContent {
  const extents = mapContent(image, inode, budget).filter((extent) => extent.length > 0);
  for (const { offset, length } of extents) {
    if (offset !== undefined) image.checkRange(offset, length, `the content of inode ${inode.nid}`);
  }
  return new FlatContent(image.source, inode.size, extents);
}

function mapContent(image: ErofsImage, inode: ErofsInode, budget: Budget): Extent[] {
  const { blockBytes } = image.superblock;
  const offset = inode.union === NULL_ADDR ? undefined : inode.union * blockBytes;
  switch (inode.layout) {
    case DATA_LAYOUT.FLAT_PLAIN:
      return [asItIs(0, inode.size, offset)];
    case DATA_LAYOUT.FLAT_INLINE: {
      const tail = inode.size % blockBytes;
      const start = inode.size - tail;
      if ((inode.headEnd % blockBytes) + tail > blockBytes) {
        const what = `its tail of ${tail} bytes crosses a block boundary`;
        fail(`Cannot read inode ${inode.nid}: ${what}`, inode.headEnd, "i_size");
      }
      return [asItIs(0, start, offset), asItIs(start, tail, inode.headEnd)];
    }
    case DATA_LAYOUT.CHUNK_BASED:
      return chunks(image, inode, budget);
    default:
      return fail(`Cannot read inode ${inode.nid}: unknown data layout ${inode.layout}`, inode.offset, "i_format");
  }
}

function asItIs(start: number, length: number, offset: number | undefined): Extent {
  const isHole = offset === undefined;
  return { start, length, offset, storedBytes: isHole ? 0 : length, kind: isHole ? "hole" : "plain", fragment: false };
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
    append(extents, asItIs(start, length, block === NULL_ADDR ? undefined : block * image.superblock.blockBytes));
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
    extents[extents.length - 1] = asItIs(last.start, last.length + next.length, last.offset);
  } else {
    extents.push(next);
  }
}

/** Nothing is copied where one extent holds what is read. */
export class FlatContent implements InodeContent {
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

  extents(from = 0, to = this.size): readonly Extent[] {
    return this.#extents.filter(({ start, length }) => start < to && start + length > from);
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
