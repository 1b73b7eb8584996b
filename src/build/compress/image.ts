import { compressedFiles, type ErofsOptions } from "../../formats/erofs/index.ts";
import type { Tree } from "../../tree/index.ts";
import type { BuildConfig } from "../config.ts";
import type { ProgressListener } from "../progress.ts";
import type { Workforce } from "../threads/index.ts";
import { CompressorAhead } from "./ahead.ts";
import { BatchWork } from "./batch-work.ts";
import type { BlockStore } from "./block-store.ts";
import { threadCompressor } from "./compressor.ts";
import { type KernelFacts, knowsInlineTails, requireDecompression } from "./requirements.ts";
import { type CompressionSettings, erofsCompression, IMAGE_BLOCK_BYTES } from "./settings.ts";
import { compressTree, type TreeLayout } from "./tree.ts";

const KIB = 1024;
/** KiB. Larger ones save next to nothing, and reading one byte means to read and to decode a whole cluster. */
const AUTO_CLUSTER_SIZES = { lz4: 64, lz4hc: 64, zstd: 128 } as const;

/** What compressing takes. */
export interface CompressionMeans {
  readonly threads: Workforce;
  readonly store: BlockStore;
  readonly progress: ProgressListener;
}

export type CompressedImage = { readonly files?: Pick<ErofsOptions, "planFile" | "compression"> };

/** Compresses the files of one image, which is not known completely when that begins. */
export interface ImageCompressor {
  /** Begins with files before there is a tree. */
  readonly ahead: CompressorAhead;
  /** @throws UsageError when the kernel could not read the result. */
  compress(tree: Tree, layout: TreeLayout, kernel: KernelFacts): Promise<CompressedImage>;
}

/** A compressor as the configuration wants it for a kernel of this release; undefined where files stay as they are. */
export function imageCompressor(
  image: BuildConfig["image"],
  release: string,
  { threads, store, progress }: CompressionMeans,
): ImageCompressor | undefined {
  const method = image.compression;
  if (method === "none") return undefined;
  const clusterSize = image["cluster-size"];
  const settings: CompressionSettings = {
    method,
    clusterBytes: (clusterSize === "auto" ? AUTO_CLUSTER_SIZES[method] : clusterSize) * KIB,
    inlineTails: knowsInlineTails(release),
  };
  const work = new BatchWork(threadCompressor(threads, settings), store);
  const ahead = new CompressorAhead(work);
  return {
    ahead,
    async compress(tree, layout, kernel) {
      requireDecompression(method, kernel);
      const stage = "compressing files";
      await progress(stage);
      const onProgress = (doneBytes: number, totalBytes: number): void =>
        void progress(stage, { doneBytes, totalBytes });
      const files = await compressTree(tree, work, { ...layout, ahead, onProgress });
      const compression = erofsCompression(settings);
      const { algorithm } = compression;
      return { files: { planFile: compressedFiles(files, { algorithm, blockBytes: IMAGE_BLOCK_BYTES }), compression } };
    },
  };
}
