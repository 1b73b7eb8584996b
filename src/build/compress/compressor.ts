import { type CompressedPiece, compressPiece, type PieceEncoder } from "../../formats/erofs/index.ts";
import { type CompressionSettings, IMAGE_BLOCK_BYTES } from "./settings.ts";

/** A piece of a file inside of a batch's bytes. */
export interface PieceOfBatch {
  readonly offset: number;
  readonly length: number;
  /** Whether the file ends with it. */
  readonly isLast: boolean;
}

/** Work for one thread. The bytes are given away. */
export interface Batch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly pieces: readonly PieceOfBatch[];
}

/** Compresses batches, several at the same time where it has threads. */
export interface Compressor {
  readonly settings: CompressionSettings;
  /** How many batches it can work on or have waiting without more memory than they are worth. */
  readonly capacity: number;
  compress(batch: Batch): Promise<CompressedPiece[]>;
  close(): Promise<void>;
}

/** The pieces of a batch, one after the other. */
export function compressBatch(encoder: PieceEncoder, batch: Batch, settings: CompressionSettings): CompressedPiece[] {
  return batch.pieces.map(({ offset, length, isLast }) =>
    compressPiece(encoder, batch.bytes.subarray(offset, offset + length), {
      blockBytes: IMAGE_BLOCK_BYTES,
      clusterBytes: settings.clusterBytes,
      isLast,
      inlineTails: settings.inlineTails,
    }),
  );
}

/** Compresses in the calling thread. */
export function localCompressor(encoder: PieceEncoder, settings: CompressionSettings): Compressor {
  return {
    settings,
    capacity: 1,
    compress: async (batch) => compressBatch(encoder, batch, settings),
    close: async () => undefined,
  };
}
