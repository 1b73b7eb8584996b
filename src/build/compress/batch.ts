import { alignUp } from "../../bytes/index.ts";
import { compressPiece, type PieceEncoder, type PieceTail } from "../../formats/erofs/index.ts";
import type { BatchPiece } from "../threads/jobs.ts";
import { type CompressionSettings, IMAGE_BLOCK_BYTES } from "./settings.ts";

/** A piece of a batch, compressed. */
export interface CompressedBatchPiece {
  readonly extents: Uint32Array;
  /** How many bytes of the batch's blocks are this piece's; undefined when it is stored as it is. */
  readonly blockBytes: number | undefined;
  readonly tail: PieceTail | undefined;
}

/** What became of a batch. */
export interface CompressedBatch {
  readonly pieces: readonly CompressedBatchPiece[];
  /** Of all its pieces, in order; undefined when they were written to the scratch file. */
  readonly blocks: Uint8Array | undefined;
}

/** The most bytes that the blocks of a piece take: as many as it has, and one more where its end is stored apart. */
export function maxBlockBytes(pieceBytes: number): number {
  return alignUp(pieceBytes, IMAGE_BLOCK_BYTES) + IMAGE_BLOCK_BYTES;
}

/** Compresses batches, one after the other, into memory that it uses again: fresh memory costs more than a copy. */
export class BatchCompressor {
  readonly #encoder: PieceEncoder;
  readonly #settings: CompressionSettings;
  #room = new Uint8Array();

  constructor(encoder: PieceEncoder, settings: CompressionSettings) {
    this.#encoder = encoder;
    this.#settings = settings;
  }

  /** The blocks are a view, which the next batch overwrites. */
  compress(batch: readonly BatchPiece[]): CompressedBatch & { readonly blocks: Uint8Array } {
    const most = batch.reduce((sum, { bytes }) => sum + maxBlockBytes(bytes.length), 0);
    if (this.#room.length < most) this.#room = new Uint8Array(most);
    const { clusterBytes, inlineTails } = this.#settings;
    let used = 0;
    const pieces = batch.map(({ bytes, isLast }): CompressedBatchPiece => {
      const { extents, blocks, tail } = compressPiece(this.#encoder, bytes, {
        blockBytes: IMAGE_BLOCK_BYTES,
        clusterBytes,
        isLast,
        inlineTails,
        room: this.#room.subarray(used),
      });
      used += blocks?.length ?? 0;
      return { extents, blockBytes: blocks?.length, tail };
    });
    return { pieces, blocks: this.#room.subarray(0, used) };
  }
}
