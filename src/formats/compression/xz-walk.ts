import { crc32 } from "node:zlib";
import { type ByteSource, hex } from "../../bytes/index.ts";
import { corrupt, truncated } from "./output.ts";

// The .xz file format, version 1.2.1; section numbers are those of its text.

/** 2.1.1.1 */
const HEADER_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] as const;
const STREAM_FOOTER_SIZE = 12;
const CRC_SIZE = 4;
/** 2.1.2.4 */
const FOOTER_MAGIC = [0x59, 0x5a] as const;
/** 2.1.1.2: by the number of the check, its size. What the kernel takes is none, CRC32 and, of late, CRC64. */
const CHECK_SIZES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [0x01, 4],
  [0x04, 8],
]);
/** 3.1.1: the block header's size is stored in units of 4 bytes, less one; 0 starts the index. */
const SIZE_UNIT = 4;
const INDEX_INDICATOR = 0;
/** 3.1.2 */
const FILTER_COUNT_MASK = 0x03;
const HAS_PACKED_SIZE = 0x40;
const HAS_UNPACKED_SIZE = 0x80;
/** 5.3.1, 5.3.2 */
const FILTER_LZMA2 = 0x21;
const FILTER_X86 = 0x04;
const CHECK_CRC32 = 0x01;
/** 1.2: a number takes 9 bytes at most, of 7 bits each. */
const MAX_NUMBER_BYTES = 9;
/** More records than this are not an initrd's: xz -T makes one block of 3 MiB or more each. */
const MAX_RECORDS = 1 << 20;

// LZMA2 chunks have no text of their own; this is liblzma's lzma2_decoder.c.
const CHUNK_END = 0x00;
const CHUNK_STORED_MAX = 0x02;
const CHUNK_LZMA = 0x80;
/** LZMA chunks with this control byte or a higher one carry a byte of new properties. */
const CHUNK_NEW_PROPERTIES = 0xc0;

/** The bounds of a stream, found from its headers alone. */
export interface XzStream {
  readonly length: number;
  readonly unpackedSize: number;
  /** Only where the filter x86 was in front, as in kernels. */
  readonly x86: X86Block | undefined;
}

/** The one block of a stream whose data went through the filter x86 before it was packed. */
export interface X86Block {
  /** The properties of LZMA2: how much the decoder looks back. */
  readonly dictionary: number;
  /** Its LZMA2 chunks. */
  readonly offset: number;
  readonly length: number;
  /** Of the data before the filter. */
  readonly crc32: number;
}

/**
 * Walks the headers of the stream at the start of `input`: stream header, blocks down to their LZMA2 chunks, index
 * and footer. The decoder that follows then gets whole streams only, and exactly the room they need.
 */
export function walkXzStream(input: ByteSource): XzStream {
  const cursor = new Cursor(input);
  cursor.expect(HEADER_MAGIC, "stream magic");
  const flags = cursor.take(2, "stream flags");
  const check = cursor.byteAt(flags + 1);
  const checkSize = CHECK_SIZES.get(check);
  if (cursor.byteAt(flags) !== 0 || checkSize === undefined) {
    throw corrupt(
      "xz",
      `integrity check ${hex(check)} is none that the kernel takes: pack again with xz --check=crc32`,
      flags,
    );
  }
  cursor.checkCrc(flags, 2, cursor.take(CRC_SIZE, "stream header CRC32"), "stream header");
  let unpackedSize = 0;
  let blocks = 0;
  let x86: X86Block | undefined;
  while (cursor.peek("block header size") !== INDEX_INDICATOR) {
    const start = cursor.offset;
    const headerSize = (cursor.byteAt(start) + 1) * SIZE_UNIT;
    cursor.take(headerSize, "block header");
    cursor.checkCrc(start, headerSize - CRC_SIZE, start + headerSize - CRC_SIZE, "block header");
    const filters = readFilters(new Cursor(input, start + 1));
    const offset = cursor.offset;
    unpackedSize += walkChunks(cursor);
    const length = cursor.offset - offset;
    cursor.pad(start);
    const checkOffset = cursor.take(checkSize, "block check");
    if (filters.x86) {
      if (check !== CHECK_CRC32)
        throw corrupt("xz", "the filter x86 without a CRC32: pack again with --check=crc32", start);
      x86 = { dictionary: filters.dictionary, offset, length, crc32: cursor.littleEndian32(checkOffset) };
    }
    blocks++;
  }
  if (x86 !== undefined && blocks > 1) {
    throw corrupt("xz", `the filter x86 and ${blocks} blocks: pack again with --lzma2 only`, 0);
  }
  walkIndex(cursor, blocks);
  const footer = cursor.take(STREAM_FOOTER_SIZE, "stream footer");
  new Cursor(input, footer + STREAM_FOOTER_SIZE - FOOTER_MAGIC.length).expect(FOOTER_MAGIC, "footer magic");
  return { length: cursor.offset, unpackedSize, x86 };
}

/** Of a block's header, from its flags on. */
function readFilters(cursor: Cursor): { readonly x86: boolean; readonly dictionary: number } {
  const at = cursor.take(1, "block flags");
  const flags = cursor.byteAt(at);
  if (flags & HAS_PACKED_SIZE) cursor.number("packed size");
  if (flags & HAS_UNPACKED_SIZE) cursor.number("unpacked size");
  const count = (flags & FILTER_COUNT_MASK) + 1;
  const first = cursor.filter();
  // Other filters in front of LZMA2 (xz --delta, --arm) are known to some kernels, but not to the library.
  const x86 = count === 2 && first.id === FILTER_X86 && first.properties.length === 0;
  const { id, offset, properties } = x86 ? cursor.filter() : first;
  const [dictionary] = properties;
  if ((count > 1 && !x86) || id !== FILTER_LZMA2 || dictionary === undefined) {
    throw corrupt("xz", `filter ${hex(id)} is not supported: pack again with --lzma2 only`, offset);
  }
  return { x86, dictionary };
}

function walkChunks(cursor: Cursor): number {
  let unpacked = 0;
  for (;;) {
    const at = cursor.take(1, "LZMA2 chunk");
    const control = cursor.byteAt(at);
    if (control === CHUNK_END) return unpacked;
    if (control > CHUNK_STORED_MAX && control < CHUNK_LZMA) {
      throw corrupt("xz", `an LZMA2 chunk of type ${hex(control)}`, at);
    }
    const low = cursor.bigEndian16("LZMA2 chunk size") + 1;
    if (control < CHUNK_LZMA) {
      unpacked += low;
      cursor.take(low, "stored LZMA2 chunk");
      continue;
    }
    unpacked += ((control & 0x1f) << 16) + low;
    const packed = cursor.bigEndian16("packed size of an LZMA2 chunk") + 1;
    cursor.take(packed + (control >= CHUNK_NEW_PROPERTIES ? 1 : 0), "LZMA2 chunk");
  }
}

/** 4. Index: its records repeat what the blocks say; the decoder compares them. */
function walkIndex(cursor: Cursor, blocks: number): void {
  const start = cursor.take(1, "index indicator");
  const records = cursor.number("number of records");
  if (records > MAX_RECORDS || records !== blocks) {
    throw corrupt("xz", `the index has ${records} records for ${blocks} blocks`, start);
  }
  for (let left = records; left > 0; left--) {
    cursor.number("unpadded size");
    cursor.number("unpacked size");
  }
  cursor.pad(start);
  const end = cursor.offset;
  cursor.checkCrc(start, end - start, cursor.take(CRC_SIZE, "index CRC32"), "index");
}

/** A stream header without checks, and the header of a block with LZMA2 alone: what may stand before its chunks. */
export function encodeUnfilteredStart(dictionary: number): Uint8Array {
  const streamFlags = Uint8Array.of(0, 0);
  const blockHeaderBytes = 12;
  const blockHeader = Uint8Array.of(blockHeaderBytes / SIZE_UNIT - 1, 0, FILTER_LZMA2, 1, dictionary, 0, 0, 0);
  const withCrc = (bytes: Uint8Array): Uint8Array[] => {
    const crc = Buffer.alloc(CRC_SIZE);
    crc.writeUInt32LE(crc32(bytes));
    return [bytes, crc];
  };
  return Buffer.concat([Uint8Array.from(HEADER_MAGIC), ...withCrc(streamFlags), ...withCrc(blockHeader)]);
}

class Cursor {
  readonly #input: ByteSource;
  offset: number;

  constructor(input: ByteSource, offset = 0) {
    this.#input = input;
    this.offset = offset;
  }

  /** Passes over `size` bytes and returns where they started. */
  take(size: number, field: string): number {
    if (this.offset + size > this.#input.size) throw truncated("xz", this.offset, field);
    this.offset += size;
    return this.offset - size;
  }

  peek(field: string): number {
    if (this.offset >= this.#input.size) throw truncated("xz", this.offset, field);
    return this.byteAt(this.offset);
  }

  /** A byte that is there. */
  byteAt(offset: number): number {
    return this.#input.read(offset, 1)[0] as number;
  }

  expect(expected: readonly number[], field: string): void {
    const start = this.take(expected.length, field);
    const bytes = this.#input.read(start, expected.length);
    if (expected.some((byte, index) => bytes[index] !== byte)) throw corrupt("xz", `no ${field}`, start);
  }

  bigEndian16(field: string): number {
    const start = this.take(2, field);
    return (this.byteAt(start) << 8) | this.byteAt(start + 1);
  }

  /** 3.1.5 */
  filter(): { readonly id: number; readonly offset: number; readonly properties: Uint8Array } {
    const { offset } = this;
    const id = this.number("filter");
    const size = this.number("size of the filter's properties");
    return { id, offset, properties: this.#input.read(this.take(size, "properties of the filter"), size) };
  }

  littleEndian32(offset: number): number {
    const { buffer, byteOffset } = this.#input.read(offset, CRC_SIZE);
    return new DataView(buffer, byteOffset, CRC_SIZE).getUint32(0, true);
  }

  /** 1.2: a number of variable length. */
  number(field: string): number {
    const start = this.offset;
    let value = 0;
    for (let index = 0; index < MAX_NUMBER_BYTES; index++) {
      const byte = this.byteAt(this.take(1, field));
      value += (byte & 0x7f) * 2 ** (7 * index);
      if ((byte & 0x80) === 0) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
    }
    throw corrupt("xz", `${field} is too large`, start);
  }

  /** Blocks and the index are padded to 4 bytes, counted from their own start, which is aligned itself. */
  pad(start: number): void {
    const rest = (this.offset - start) % SIZE_UNIT;
    if (rest !== 0) this.take(SIZE_UNIT - rest, "padding");
  }

  checkCrc(start: number, size: number, at: number, what: string): void {
    if (crc32(this.#input.read(start, size)) !== this.littleEndian32(at))
      throw corrupt("xz", `wrong CRC32 of the ${what}`, at);
  }
}
