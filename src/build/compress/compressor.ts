import type { PieceEncoder } from "../../formats/erofs/index.ts";
import type { Reply, Request, Workforce } from "../threads/index.ts";
import { BatchCompressor } from "./batch.ts";
import type { CompressionSettings } from "./settings.ts";

/** One batch is being worked on while others wait, so that no thread does, however busy the main thread is. */
const BATCHES_PER_THREAD = 4;

type Batch = Omit<Request<"compress">, "settings">;

/** Compresses batches, several at the same time where it has threads. */
export interface Compressor {
  /** How many batches it can work on or have waiting without more memory than they are worth. */
  readonly capacity: number;
  compress(batch: Batch): Promise<Reply<"compress">>;
}

/** Compresses in the calling thread. */
export function localCompressor(encoder: PieceEncoder, settings: CompressionSettings): Compressor {
  const compressor = new BatchCompressor(encoder, settings);
  return {
    capacity: 1,
    compress: async ({ pieces }) => {
      const batch = compressor.compress(pieces);
      return { ...batch, blocks: batch.blocks.slice() };
    },
  };
}

/** Compresses in threads. */
export function threadCompressor(threads: Workforce, settings: CompressionSettings): Compressor {
  return {
    capacity: threads.threads * BATCHES_PER_THREAD,
    compress: (batch) => {
      const bytes = batch.pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
      return threads.run("compress", { settings, ...batch }, bytes);
    },
  };
}
