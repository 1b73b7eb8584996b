import { FormatError, toHex } from "../../bytes/index.ts";
import {
  COMPRESSION_METHODS,
  type CompressionMethod,
  LZ4_MODERN_MAGIC,
  MAGIC_SIZE,
  MAGICS,
  OLD_GZIP_MAGIC,
  SHOWN_BYTES,
} from "./layout.ts";

/** The method whose magic `firstBytes` start with, as the kernel decides it (two bytes), or undefined. */
export function detectCompression(firstBytes: Uint8Array): CompressionMethod | undefined {
  return MAGICS.find(({ magic }) => startsWith(firstBytes, magic))?.method;
}

/** Like `detectCompression`. @throws FormatError that names the first bytes and what is known. */
export function requireCompression(firstBytes: Uint8Array): CompressionMethod {
  const method = detectCompression(firstBytes);
  if (method !== undefined) return method;
  throw new FormatError(`Cannot decompress: ${describeUnknown(firstBytes)}`, { format: "initramfs", offset: 0 });
}

function describeUnknown(firstBytes: Uint8Array): string {
  if (startsWith(firstBytes, LZ4_MODERN_MAGIC)) return "LZ4's modern frame is unknown to the kernel: pack with lz4 -l";
  if (startsWith(firstBytes, OLD_GZIP_MAGIC)) return "gzip from before 1993 is not supported: pack it with gzip again";
  const known = COMPRESSION_METHODS.join(", ");
  return `expected ${known}, got the bytes ${toHex(firstBytes.subarray(0, SHOWN_BYTES)) || "of an empty input"}`;
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return bytes.length >= MAGIC_SIZE && magic.every((byte, index) => bytes[index] === byte);
}
