export * from "./compress.ts";
export * from "./decompress.ts";
export { detectCompression } from "./detect.ts";
export { COMPRESSION_METHODS, type CompressionMethod, DEFAULT_LIMIT_BYTES, MAGIC_SIZE } from "./layout.ts";
export type { Decompressed } from "./types.ts";
