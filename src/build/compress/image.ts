import { availableParallelism } from "node:os";
import { compressedFiles, type ErofsOptions } from "../../formats/erofs/index.ts";
import { packageFile, readInput } from "../../host/index.ts";
import type { Tree } from "../../tree/index.ts";
import type { BuildConfig } from "../config.ts";
import type { ProgressListener } from "../progress.ts";
import { workerCompressor } from "./pool.ts";
import { type KernelFacts, knowsInlineTails, requireDecompression } from "./requirements.ts";
import { type CompressionSettings, erofsCompression, IMAGE_BLOCK_BYTES } from "./settings.ts";
import { compressTree } from "./tree.ts";

/** More threads than this wait for the one that hands out the work. */
const MAX_THREADS = 8;

const KIB = 1024;
/** KiB. Larger ones save next to nothing, and reading one byte means to read and to decode a whole cluster. */
const AUTO_CLUSTER_SIZES = { lz4: 64, lz4hc: 64, zstd: 128 } as const;

/**
 * Compresses the files of an image as the configuration wants it.
 * @throws UsageError when the kernel could not read the result.
 */
export async function compressImage(
  tree: Tree,
  image: BuildConfig["image"],
  kernel: KernelFacts,
  progress: ProgressListener,
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
  const compressor = startCompressor(settings);
  try {
    await progress(stage);
    const report = (doneBytes: number, totalBytes: number): void => void progress(stage, { doneBytes, totalBytes });
    const files = await compressTree(tree, compressor, report);
    const compression = erofsCompression(settings);
    const { algorithm } = compression;
    return {
      files: { planFile: compressedFiles(files, { algorithm, blockBytes: IMAGE_BLOCK_BYTES }), compression },
    };
  } finally {
    await compressor.close();
  }
}

/** Threads for all processors, with the parts of lazyrd that they need. */
function startCompressor(settings: CompressionSettings): ReturnType<typeof workerCompressor> {
  const lz4Wasm = readInput(packageFile("dist/codec/lz4.wasm"), "the compressor");
  const threads = Math.min(availableParallelism(), MAX_THREADS);
  return workerCompressor(packageFile("dist/compress-worker.js"), { settings, lz4Wasm }, threads);
}
