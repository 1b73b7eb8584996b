import { compressedFiles, type ErofsOptions } from "../../formats/erofs/index.ts";
import type { Tree } from "../../tree/index.ts";
import type { BuildConfig } from "../config.ts";
import type { ProgressListener } from "../progress.ts";
import type { Workforce } from "../threads/index.ts";
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

/**
 * Compresses the files of an image as the configuration wants it.
 * @throws UsageError when the kernel could not read the result.
 */
export async function compressImage(
  tree: Tree,
  layout: TreeLayout,
  image: BuildConfig["image"],
  kernel: KernelFacts,
  { threads, store, progress }: CompressionMeans,
): Promise<{ readonly files?: Pick<ErofsOptions, "planFile" | "compression"> }> {
  const method = image.compression;
  if (method === "none") return {};
  requireDecompression(method, kernel);
  const clusterSize = image["cluster-size"];
  const settings: CompressionSettings = {
    method,
    clusterBytes: (clusterSize === "auto" ? AUTO_CLUSTER_SIZES[method] : clusterSize) * KIB,
    inlineTails: knowsInlineTails(kernel),
  };
  const stage = "compressing files";
  await progress(stage);
  const report = (doneBytes: number, totalBytes: number): void => void progress(stage, { doneBytes, totalBytes });
  const files = await compressTree(tree, threadCompressor(threads, settings), store, layout, report);
  const compression = erofsCompression(settings);
  const { algorithm } = compression;
  return { files: { planFile: compressedFiles(files, { algorithm, blockBytes: IMAGE_BLOCK_BYTES }), compression } };
}
