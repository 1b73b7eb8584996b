import { constants, crc32, createInflateRaw, gzipSync } from "node:zlib";
import { type BufferedSource, hex, struct, u8, u16, u32 } from "../../bytes/index.ts";
import { corrupt, Output, type OutputOptions, truncated } from "./output.ts";
import type { Decoded } from "./types.ts";

/** RFC 1952, section 2.3. */
const Header = struct("gzip header", 10, {
  magic: u16(0),
  method: u8(2),
  flags: u8(3),
  mtime: u32(4),
  extraFlags: u8(8),
  operatingSystem: u8(9),
});
const ExtraLength = struct("gzip extra field", 2, { length: u16(0) });
const Trailer = struct("gzip trailer", 8, { crc32: u32(0), size: u32(4) });

const METHOD_DEFLATE = 8;
const FLAG_HEADER_CRC = 0x02;
const FLAG_EXTRA = 0x04;
const FLAG_NAME = 0x08;
const FLAG_COMMENT = 0x10;
const RESERVED_FLAGS = 0xe0;

/** RFC 1952: "unknown". zlib writes the number of the system it was built for, which must not reach our output. */
const OPERATING_SYSTEM_UNKNOWN = 255;

/** As much output as zlib is asked for at once. */
const CHUNK_BYTES = 1 << 20;

/**
 * One gzip member. Raw deflate is used, and header and checksum are read here, because zlib's own gzip reader
 * would run on into a member that follows, which the kernel unpacks as a segment of its own.
 */
export async function decompressGzip(input: BufferedSource, options: OutputOptions): Promise<Decoded> {
  const start = headerSize(input);
  const output = new Output("gzip", options);
  const trailerOffset = start + (await inflate(input, start, output));
  if (trailerOffset + Trailer.size > input.size) throw truncated("gzip", input.size, "CRC32 and ISIZE");
  const trailer = Trailer.parse(input.read(trailerOffset, Trailer.size));
  if (trailer.size !== output.length % 2 ** 32) {
    throw corrupt("gzip", `expected ${trailer.size} bytes (ISIZE), got ${output.length}`, trailerOffset);
  }
  const sum = crc32(output.written());
  if (trailer.crc32 !== sum) {
    throw corrupt("gzip", `expected a CRC-32 of ${hex(trailer.crc32)}, got ${hex(sum)}`, trailerOffset);
  }
  return { output: output.written(), consumed: trailerOffset + Trailer.size };
}

/** Unpacks the deflate data at `start`; returns how many bytes of the input they are. */
async function inflate(input: BufferedSource, start: number, output: Output): Promise<number> {
  const inflater = createInflateRaw({ chunkSize: CHUNK_BYTES });
  const feed = (offset: number): void => {
    try {
      const piece = input.piece(offset);
      if (piece.length === 0) inflater.end();
      else inflater.write(piece, (failure) => failure ?? feed(offset + piece.length));
    } catch (cause) {
      inflater.destroy(cause as Error);
    }
  };
  feed(start);
  try {
    for await (const part of inflater) output.append(part);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (code === "Z_BUF_ERROR") throw truncated("gzip", input.size, "deflate data");
    if (code.startsWith("Z_")) throw corrupt("gzip", (cause as Error).message, start, cause);
    throw cause;
  }
  return inflater.bytesWritten;
}

/** `bytes` as one gzip member without name and time. */
export function compressGzip(bytes: Uint8Array, level: number = constants.Z_DEFAULT_COMPRESSION): Uint8Array {
  const member = new Uint8Array(gzipSync(bytes, { level }));
  Header.write(member, 0, { mtime: 0, operatingSystem: OPERATING_SYSTEM_UNKNOWN });
  return member;
}

function headerSize(input: BufferedSource): number {
  if (input.size < Header.size) throw truncated("gzip", input.size, "header");
  const { method, flags } = Header.parse(input.read(0, Header.size));
  if (method !== METHOD_DEFLATE) throw corrupt("gzip", `expected method ${METHOD_DEFLATE} (deflate), got ${method}`, 2);
  if ((flags & RESERVED_FLAGS) !== 0) throw corrupt("gzip", `unknown flags ${hex(flags & RESERVED_FLAGS)}`, 3);
  let offset = Header.size;
  if (flags & FLAG_EXTRA) {
    if (offset + ExtraLength.size > input.size) throw truncated("gzip", offset, "XLEN");
    offset += ExtraLength.size + ExtraLength.parse(input.read(offset, ExtraLength.size)).length;
  }
  if (flags & FLAG_NAME) offset = afterText(input, offset, "FNAME");
  if (flags & FLAG_COMMENT) offset = afterText(input, offset, "FCOMMENT");
  if (flags & FLAG_HEADER_CRC) offset += 2;
  if (offset > input.size) throw truncated("gzip", input.size, "header");
  return offset;
}

function afterText(input: BufferedSource, start: number, field: string): number {
  for (let offset = start; offset < input.size; ) {
    const piece = input.piece(offset);
    const end = piece.indexOf(0);
    if (end >= 0) return offset + end + 1;
    offset += piece.length;
  }
  throw truncated("gzip", input.size, field);
}
