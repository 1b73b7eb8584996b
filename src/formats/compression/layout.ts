/** What the kernel's initramfs unpacker can decompress (lib/decompress.c, `compressed_formats`). */
export const COMPRESSION_METHODS = ["gzip", "bzip2", "lzma", "xz", "lzo", "lz4", "zstd"] as const;
export type CompressionMethod = (typeof COMPRESSION_METHODS)[number];

/** The first bytes by which the kernel tells the methods apart (lib/decompress.c): two of them, for every method. */
export const MAGICS: readonly { readonly method: CompressionMethod; readonly magic: readonly [number, number] }[] = [
  { method: "gzip", magic: [0x1f, 0x8b] },
  { method: "bzip2", magic: [0x42, 0x5a] },
  { method: "lzma", magic: [0x5d, 0x00] },
  { method: "xz", magic: [0xfd, 0x37] },
  { method: "lzo", magic: [0x89, 0x4c] },
  { method: "lz4", magic: [0x02, 0x21] },
  { method: "zstd", magic: [0x28, 0xb5] },
];

export const MAGIC_SIZE = 2;

/** How much of an unknown input an error shows. */
export const SHOWN_BYTES = 8;

/** The magic of gzip before 1993: the kernel knows it, but no gzip since 1.0 writes it. */
export const OLD_GZIP_MAGIC = [0x1f, 0x9e] as const;

/** The first two bytes of LZ4's modern frame (0x184d2204), which the kernel does not read: named to say so. */
export const LZ4_MODERN_MAGIC = [0x04, 0x22] as const;

/**
 * Bytes that one input may unpack to where the caller gives no limit: 2 GiB. The whole of it has to fit beside the
 * kernel into the memory of the machine that boots; the largest initrds in use have half a gigabyte; and one
 * typed array of Node 20 ends at 4 GiB.
 */
export const DEFAULT_LIMIT_BYTES = 2 ** 31;
