import type { CompressedPiece } from "../../formats/erofs/index.ts";
import type { Batch } from "./compressor.ts";
import type { CompressionSettings } from "./settings.ts";

/** What a thread is given when it starts. */
export interface WorkerStart {
  readonly settings: CompressionSettings;
  readonly lz4Wasm: Uint8Array;
}

export interface WorkerRequest {
  readonly id: number;
  readonly batch: Batch;
}

/** Several pieces may share one buffer. */
export interface WorkerReply {
  readonly id: number;
  readonly pieces: readonly CompressedPiece[];
}
