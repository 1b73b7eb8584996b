/** What our own first stage can be packed with: every distribution's kernel reads these. */
export const OUTPUT_METHODS = ["none", "gzip", "zstd"] as const;
export type OutputMethod = (typeof OUTPUT_METHODS)[number];

/**
 * `bytes` packed with `method`, at the method's own default level where none is given (gzip 1 to 9, zstd 1 to 22).
 * No name and no time are stored. zstd's output depends on input and level only; gzip's also on Node's zlib.
 */
export async function compress(
  bytes: Uint8Array,
  { method, level }: { method: OutputMethod; level?: number },
): Promise<Uint8Array> {
  switch (method) {
    case "none":
      return bytes;
    case "gzip":
      return (await import("./gzip.ts")).compressGzip(bytes, level);
    case "zstd":
      return (await import("./zstd.ts")).compressZstd(bytes, level);
  }
}
