import { hex, toSafeNumber } from "../../bytes/index.ts";
import { corrupt, Output, truncated } from "./output.ts";
import type { Decoded, OutputLimits } from "./types.ts";
import { loadZstd, withMemory } from "./zstd-library.ts";

// RFC 8878, section 3.1.1.
const FRAME_MAGIC = 0xfd2fb528;
const MAGIC_SIZE = 4;
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

interface Block {
  readonly offset: number;
  /** With its header. */
  readonly length: number;
  /** Bytes it unpacks to, or undefined for a compressed block, which does not say. */
  readonly size: number | undefined;
}

interface Frame {
  readonly headerSize: number;
  readonly windowBytes: number;
  readonly contentSize: number | undefined;
  readonly blocks: readonly Block[];
  /** Where the checksum stands; the same as `length` where there is none. */
  readonly checksumOffset: number;
  readonly length: number;
}

/**
 * One zstd frame, block by block: needs no content size in its header, and no more of the library's memory than the
 * frame's window, which the library then keeps for the next one.
 */
export async function decompressZstd(input: Uint8Array, limits: OutputLimits): Promise<Decoded> {
  const frame = walkFrame(input);
  const bound = frame.blocks.reduce((sum, block) => sum + (block.size ?? MAX_BLOCK_BYTES), 0);
  const output = new Output("zstd", limits, Math.min(frame.contentSize ?? bound, bound));
  if (frame.contentSize !== undefined && frame.contentSize > limits.limitBytes) throw output.overflow();
  const zstd = await loadZstd();
  const { module, stream } = zstd;
  stream.reset();
  withMemory(zstd, BLOCK_HEADER_SIZE + MAX_BLOCK_BYTES, (from) =>
    withMemory(zstd, MAX_BLOCK_BYTES, (to) => {
      const feed = (bytes: Uint8Array): Uint8Array => {
        module.HEAPU8.set(bytes, from);
        const size = stream.decompressChunk(to, MAX_BLOCK_BYTES, from, bytes.length);
        // Memory that grew has a new array: ask for it after the call.
        return module.HEAPU8.subarray(to, to + size);
      };
      feed(input.subarray(0, frame.headerSize));
      for (const { offset, length, size } of frame.blocks) {
        const part = feed(input.subarray(offset, offset + length));
        if (size === undefined ? part.length === 0 : part.length !== size) {
          throw corrupt("zstd", "a block is damaged", offset);
        }
        output.append(part);
      }
      feed(input.subarray(frame.checksumOffset, frame.length));
      const probe = feed(PROBE);
      if (probe.length !== 1 || probe[0] !== PROBE_CONTENT) {
        throw corrupt("zstd", "wrong checksum of the content", frame.checksumOffset);
      }
    }),
  );
  if (frame.contentSize !== undefined && output.length !== frame.contentSize) {
    throw corrupt("zstd", `expected ${frame.contentSize} bytes, got ${output.length}`);
  }
  return { output: output.written(), consumed: frame.length };
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

/** The frame's bounds, from its header and its blocks' headers. */
function walkFrame(input: Uint8Array): Frame {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  let offset = 0;
  const take = (size: number, field: string): number => {
    if (offset + size > input.length) throw truncated("zstd", offset, field);
    offset += size;
    return offset - size;
  };
  const magic = view.getUint32(take(MAGIC_SIZE, "magic"), true);
  if (magic !== FRAME_MAGIC) throw corrupt("zstd", `expected the magic ${hex(FRAME_MAGIC)}, got ${hex(magic)}`, 0);
  const descriptorOffset = take(1, "frame header descriptor");
  const descriptor = view.getUint8(descriptorOffset);
  if (descriptor & RESERVED_BIT) throw corrupt("zstd", "a reserved bit is set", descriptorOffset);
  const singleSegment = (descriptor & SINGLE_SEGMENT) !== 0;
  let windowBytes = singleSegment ? 0 : windowSize(view.getUint8(take(1, "window descriptor")));
  const dictionaryIdSize = DICTIONARY_ID_SIZES[descriptor & 3] as number;
  const dictionaryOffset = take(dictionaryIdSize, "dictionary id");
  if (input.subarray(dictionaryOffset, offset).some((byte) => byte !== 0)) {
    throw corrupt("zstd", "the frame needs a dictionary, which the kernel does not have", dictionaryOffset);
  }
  const sizeFlag = descriptor >>> 6;
  const sizeSize = sizeFlag === 0 && singleSegment ? 1 : (CONTENT_SIZE_SIZES[sizeFlag] as number);
  const contentSize = readContentSize(view, take(sizeSize, "frame content size"), sizeSize);
  if (singleSegment) windowBytes = contentSize ?? 0;
  if (windowBytes > MAX_WINDOW_BYTES) {
    throw corrupt(
      "zstd",
      `the window of ${windowBytes} bytes is above the kernel's ${MAX_WINDOW_BYTES}: pack again without --ultra or --long`,
      descriptorOffset,
    );
  }
  const headerSize = offset;
  const blocks: Block[] = [];
  for (let isLast = false; !isLast; ) {
    const start = take(BLOCK_HEADER_SIZE, "block header");
    const header = view.getUint16(start, true) | (view.getUint8(start + 2) << 16);
    isLast = (header & 1) !== 0;
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type > BLOCK_COMPRESSED) throw corrupt("zstd", "a block of the reserved type", start);
    if (size > MAX_BLOCK_BYTES) throw corrupt("zstd", `a block of ${size} bytes`, start);
    take(type === BLOCK_REPEATED ? 1 : size, "block");
    blocks.push({ offset: start, length: offset - start, size: type === BLOCK_COMPRESSED ? undefined : size });
  }
  const checksumOffset = offset;
  if (descriptor & HAS_CHECKSUM) take(CHECKSUM_SIZE, "content checksum");
  return { headerSize, windowBytes, contentSize, blocks, checksumOffset, length: offset };
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
