import { type BufferedSource, hex, toSafeNumber } from "../../bytes/index.ts";
import { corrupt, Output, type OutputOptions, truncated } from "./output.ts";
import type { Decoded } from "./types.ts";
import { loadZstd, withMemory } from "./zstd-library.ts";

// RFC 8878, section 3.1.1.
const FRAME_MAGIC = 0xfd2fb528;
const MAGIC_SIZE = 4;
/** Magic, descriptor, window descriptor, and the largest dictionary id and content size. */
const MAX_HEADER_SIZE = 4 + 1 + 1 + 4 + 8;
const BLOCK_HEADER_SIZE = 3;
const CHECKSUM_SIZE = 4;
/** 3.1.1.1.1: by the two bits of the descriptor, the size of the field. */
const DICTIONARY_ID_SIZES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_SIZES = [0, 2, 4, 8] as const;
const SINGLE_SEGMENT = 0x20;
const RESERVED_BIT = 0x08;
const HAS_CHECKSUM = 0x04;
/** 3.1.1.1.3: a content size of two bytes starts counting here. */
const TWO_BYTE_CONTENT_SIZE_BASE = 256;
const MIN_WINDOW_LOG = 10;
/** 3.1.1.2.3 */
const MAX_BLOCK_BYTES = 128 << 10;
/** The kernel refuses windows above 128 MiB (ZSTD_WINDOWLOG_MAX in decompress_unzstd.c), as does the library. */
const MAX_WINDOW_BYTES = 2 ** 27;
// Block types, 3.1.1.2.2: 0 is stored, 3 is reserved.
const BLOCK_REPEATED = 1;
const BLOCK_COMPRESSED = 2;

/**
 * A whole frame that holds one stored byte. The library's streaming call answers an error with 0 bytes and nothing
 * else; so this frame is sent after the last byte, and only comes out if all before it was sound, checksum included.
 */
const PROBE = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x01, 0x09, 0x00, 0x00, 0xa5);
const PROBE_CONTENT = 0xa5;

interface FrameHeader {
  readonly length: number;
  readonly contentSize: number | undefined;
  readonly hasChecksum: boolean;
}

interface Block {
  /** With its header. */
  readonly length: number;
  /** Bytes it unpacks to, or undefined for a compressed block, which does not say. */
  readonly size: number | undefined;
  readonly isLast: boolean;
}

/**
 * One zstd frame, block by block: needs no content size in its header, and no more of the library's memory than the
 * frame's window, which the library then keeps for the next one.
 */
export async function decompressZstd(input: BufferedSource, options: OutputOptions): Promise<Decoded> {
  const { length: headerSize, contentSize, hasChecksum } = parseFrameHeader(input);
  const output = new Output("zstd", options, contentSize);
  if (contentSize !== undefined && contentSize > options.limitBytes) throw output.overflow();
  const zstd = await loadZstd();
  const { module, stream } = zstd;
  stream.reset();
  let offset = 0;
  withMemory(zstd, BLOCK_HEADER_SIZE + MAX_BLOCK_BYTES, (from) =>
    withMemory(zstd, MAX_BLOCK_BYTES, (to) => {
      const feed = (bytes: Uint8Array): Uint8Array => {
        module.HEAPU8.set(bytes, from);
        const size = stream.decompressChunk(to, MAX_BLOCK_BYTES, from, bytes.length);
        // Memory that grew has a new array: ask for it after the call.
        return module.HEAPU8.subarray(to, to + size);
      };
      feed(input.read(0, headerSize));
      offset = headerSize;
      for (let isLast = false; !isLast; ) {
        const block = parseBlockHeader(input, offset);
        const part = feed(input.read(offset, block.length));
        if (block.size === undefined ? part.length === 0 : part.length !== block.size) {
          throw corrupt("zstd", "a block is damaged", offset);
        }
        output.append(part);
        offset += block.length;
        isLast = block.isLast;
      }
      const checksumOffset = offset;
      if (hasChecksum) {
        offset = take(input, offset, CHECKSUM_SIZE, "content checksum");
        feed(input.read(checksumOffset, CHECKSUM_SIZE));
      }
      const probe = feed(PROBE);
      if (probe.length !== 1 || probe[0] !== PROBE_CONTENT) {
        throw corrupt("zstd", "wrong checksum of the content", checksumOffset);
      }
    }),
  );
  if (contentSize !== undefined && output.length !== contentSize) {
    throw corrupt("zstd", `expected ${contentSize} bytes, got ${output.length}`);
  }
  return { output: output.written(), consumed: offset };
}

/** `bytes` as one zstd frame. */
export async function compressZstd(bytes: Uint8Array, level?: number): Promise<Uint8Array> {
  const zstd = await loadZstd();
  const { module, functions } = zstd;
  const room = functions.compressBound(bytes.length);
  return withMemory(zstd, Math.max(bytes.length, 1), (from) =>
    withMemory(zstd, room, (to) => {
      module.HEAPU8.set(bytes, from);
      const size = functions.compress(to, room, from, bytes.length, level ?? functions.defaultCLevel());
      if (functions.isError(size)) throw new Error(`zstd cannot compress: ${functions.getErrorName(size)}`);
      return module.HEAPU8.slice(to, to + size);
    }),
  );
}

/** Passes over `size` bytes at `offset`; returns where they end. */
function take(input: BufferedSource, offset: number, size: number, field: string): number {
  if (offset + size > input.size) throw truncated("zstd", offset, field);
  return offset + size;
}

function parseFrameHeader(input: BufferedSource): FrameHeader {
  const { buffer, byteOffset, byteLength } = input.read(0, Math.min(input.size, MAX_HEADER_SIZE));
  const view = new DataView(buffer, byteOffset, byteLength);
  let length = 0;
  const next = (size: number, field: string): number => {
    length = take(input, length, size, field);
    return length - size;
  };
  const magic = view.getUint32(next(MAGIC_SIZE, "magic"), true);
  if (magic !== FRAME_MAGIC) throw corrupt("zstd", `expected the magic ${hex(FRAME_MAGIC)}, got ${hex(magic)}`, 0);
  const descriptorOffset = next(1, "frame header descriptor");
  const descriptor = view.getUint8(descriptorOffset);
  if (descriptor & RESERVED_BIT) throw corrupt("zstd", "a reserved bit is set", descriptorOffset);
  const singleSegment = (descriptor & SINGLE_SEGMENT) !== 0;
  const windowDescriptor = singleSegment ? undefined : view.getUint8(next(1, "window descriptor"));
  const dictionaryIdSize = DICTIONARY_ID_SIZES[descriptor & 3] as number;
  const dictionaryOffset = next(dictionaryIdSize, "dictionary id");
  if (input.read(dictionaryOffset, dictionaryIdSize).some((byte) => byte !== 0)) {
    throw corrupt("zstd", "the frame needs a dictionary, which the kernel does not have", dictionaryOffset);
  }
  const sizeFlag = descriptor >>> 6;
  const sizeSize = sizeFlag === 0 && singleSegment ? 1 : (CONTENT_SIZE_SIZES[sizeFlag] as number);
  const contentSize = readContentSize(view, next(sizeSize, "frame content size"), sizeSize);
  // A frame of a single segment has its content for a window.
  const windowBytes = windowDescriptor === undefined ? (contentSize ?? 0) : windowSize(windowDescriptor);
  if (windowBytes > MAX_WINDOW_BYTES) {
    throw corrupt(
      "zstd",
      `the window of ${windowBytes} bytes is above the kernel's ${MAX_WINDOW_BYTES}: pack again without --ultra or --long`,
      descriptorOffset,
    );
  }
  return { length, contentSize, hasChecksum: (descriptor & HAS_CHECKSUM) !== 0 };
}

/** 3.1.1.2; the block that it tells of is there. */
function parseBlockHeader(input: BufferedSource, offset: number): Block {
  const bodyOffset = take(input, offset, BLOCK_HEADER_SIZE, "block header");
  const [low = 0, middle = 0, high = 0] = input.read(offset, BLOCK_HEADER_SIZE);
  const header = low | (middle << 8) | (high << 16);
  const type = (header >>> 1) & 3;
  const size = header >>> 3;
  if (type > BLOCK_COMPRESSED) throw corrupt("zstd", "a block of the reserved type", offset);
  if (size > MAX_BLOCK_BYTES) throw corrupt("zstd", `a block of ${size} bytes`, offset);
  const end = take(input, bodyOffset, type === BLOCK_REPEATED ? 1 : size, "block");
  return { length: end - offset, size: type === BLOCK_COMPRESSED ? undefined : size, isLast: (header & 1) !== 0 };
}

/** 3.1.1.1.2 */
function windowSize(descriptor: number): number {
  const base = 2 ** (MIN_WINDOW_LOG + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

function readContentSize(view: DataView, offset: number, size: number): number | undefined {
  switch (size) {
    case 1:
      return view.getUint8(offset);
    case 2:
      return view.getUint16(offset, true) + TWO_BYTE_CONTENT_SIZE_BASE;
    case 4:
      return view.getUint32(offset, true);
    case 8:
      return toSafeNumber(view.getBigUint64(offset, true), { format: "zstd", field: "frame content size", offset });
    default:
      return undefined;
  }
}
