import type { ErofsCompression } from "../../formats/erofs/index.ts";

/** How an image is compressed. Plain values: threads send them to each other. */
export interface CompressionSettings {
  readonly method: "lz4" | "lz4hc" | "zstd";
  /** LZ4: what one physical cluster holds at most. zstd: how much of a file is compressed at once. */
  readonly clusterBytes: number;
  /** Whether the end of a file may stand behind its inode (ZTAILPACKING). */
  readonly inlineTails: boolean;
}

/** All blocks of an image have this size (formats/erofs/write.ts). */
export const IMAGE_BLOCK_BYTES = 4096;

/** Behind the inode a shorter file takes no more room than it would with what compression adds. */
export const MIN_COMPRESSED_FILE_BYTES = 128;

/** What the image says of it. */
export function erofsCompression({ method, clusterBytes }: CompressionSettings): ErofsCompression {
  const maxClusterBlocks = clusterBytes / IMAGE_BLOCK_BYTES;
  if (method !== "zstd") return { algorithm: "lz4", maxClusterBlocks };
  return { algorithm: "zstd", maxClusterBlocks, windowBits: Math.log2(clusterBytes) };
}
