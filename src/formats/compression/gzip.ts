import { constants as bufferConstants } from "node:buffer";
import { constants, crc32, gzipSync, inflateRawSync } from "node:zlib";
import { hex, struct, u8, u16, u32 } from "../../bytes/index.ts";
import { corrupt, fitted, tooLarge, truncated } from "./output.ts";
import type { Decoded, OutputLimits } from "./types.ts";

/** RFC 1952, section 2.3. */
const Header = struct("gzip header", 10, {
  magic: u16(0),
  method: u8(2),
  flags: u8(3),
  mtime: u32(4),
  extraFlags: u8(8),
  operatingSystem: u8(9),
});
const Trailer = struct("gzip trailer", 8, { crc32: u32(0), size: u32(4) });

const METHOD_DEFLATE = 8;
const FLAG_HEADER_CRC = 0x02;
const FLAG_EXTRA = 0x04;
const FLAG_NAME = 0x08;
const FLAG_COMMENT = 0x10;
const RESERVED_FLAGS = 0xe0;

/** RFC 1952: "unknown". zlib writes the number of the system it was built for, which must not reach our output. */
const OPERATING_SYSTEM_UNKNOWN = 255;

/** Deflate cannot do better than 1032:1, so a size field above that is not one. */
const MAX_RATIO = 1032;
const MIN_CHUNK_BYTES = 1 << 16;
/** What unpacked initrds are, at most, in the usual case: the guess where the size field says nothing. */
const USUAL_RATIO = 4;

/**
 * One gzip member. Raw deflate is used, and header and checksum are read here, because zlib's own gzip reader
 * would run on into a member that follows, which the kernel unpacks as a segment of its own.
 */
export function decompressGzip(input: Uint8Array, { limitBytes }: Pick<OutputLimits, "limitBytes">): Decoded {
  const start = headerSize(input);
  const body = input.subarray(start);
  let output: Uint8Array;
  let deflated: number;
  try {
    const result = inflateRawSync(body, {
      chunkSize: expectedSize(input, limitBytes),
      maxOutputLength: limitBytes,
      info: true,
    } as Parameters<typeof inflateRawSync>[1]) as unknown as { buffer: Uint8Array; engine: { bytesWritten: number } };
    output = fitted(new Uint8Array(result.buffer.buffer, result.buffer.byteOffset, result.buffer.length));
    deflated = result.engine.bytesWritten;
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ERR_BUFFER_TOO_LARGE") throw tooLarge("gzip", limitBytes);
    if (code === "Z_BUF_ERROR") throw truncated("gzip", input.length, "deflate data");
    throw corrupt("gzip", cause instanceof Error ? cause.message : "the deflate data is damaged", start, cause);
  }
  const trailerOffset = start + deflated;
  if (trailerOffset + Trailer.size > input.length) throw truncated("gzip", input.length, "CRC32 and ISIZE");
  const trailer = Trailer.parse(input, trailerOffset);
  if (trailer.size !== output.length % 2 ** 32) {
    throw corrupt("gzip", `expected ${trailer.size} bytes (ISIZE), got ${output.length}`, trailerOffset);
  }
  const sum = crc32(output);
  if (trailer.crc32 !== sum) {
    throw corrupt("gzip", `expected a CRC-32 of ${hex(trailer.crc32)}, got ${hex(sum)}`, trailerOffset);
  }
  return { output, consumed: trailerOffset + Trailer.size };
}

/** `bytes` as one gzip member without name and time. */
export function compressGzip(bytes: Uint8Array, level: number = constants.Z_DEFAULT_COMPRESSION): Uint8Array {
  const member = new Uint8Array(gzipSync(bytes, { level }));
  Header.write(member, 0, { mtime: 0, operatingSystem: OPERATING_SYSTEM_UNKNOWN });
  return member;
}

function headerSize(input: Uint8Array): number {
  if (input.length < Header.size) throw truncated("gzip", input.length, "header");
  const { method, flags } = Header.parse(input);
  if (method !== METHOD_DEFLATE) throw corrupt("gzip", `expected method ${METHOD_DEFLATE} (deflate), got ${method}`, 2);
  if ((flags & RESERVED_FLAGS) !== 0) throw corrupt("gzip", `unknown flags ${hex(flags & RESERVED_FLAGS)}`, 3);
  let offset = Header.size;
  if (flags & FLAG_EXTRA) {
    if (offset + 2 > input.length) throw truncated("gzip", offset, "XLEN");
    offset += 2 + ((input[offset] as number) | ((input[offset + 1] as number) << 8));
  }
  if (flags & FLAG_NAME) offset = afterText(input, offset, "FNAME");
  if (flags & FLAG_COMMENT) offset = afterText(input, offset, "FCOMMENT");
  if (flags & FLAG_HEADER_CRC) offset += 2;
  if (offset > input.length) throw truncated("gzip", input.length, "header");
  return offset;
}

function afterText(input: Uint8Array, offset: number, field: string): number {
  const end = input.indexOf(0, offset);
  if (end < 0) throw truncated("gzip", input.length, field);
  return end + 1;
}

/**
 * How much room to ask for. With enough of it zlib fills one array; otherwise it collects pieces and joins them,
 * which needs twice the memory. The size field of the last member is what the input most often ends with.
 */
function expectedSize(input: Uint8Array, limitBytes: number): number {
  const guess = input.length * USUAL_RATIO;
  const last = input.length >= Trailer.size ? Trailer.parse(input, input.length - Trailer.size).size : 0;
  const plausible = last >= input.length / 2 && last <= input.length * MAX_RATIO;
  const expected = Math.min(limitBytes, plausible ? last : guess) + 1;
  return Math.min(bufferConstants.MAX_LENGTH, Math.max(MIN_CHUNK_BYTES, expected));
}
