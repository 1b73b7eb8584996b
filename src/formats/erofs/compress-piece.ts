import { alignUp, type ByteSource, divideUp } from "../../bytes/index.ts";
import { detectCompression } from "../compression/index.ts";

/** Files are compressed in pieces of this size, each by itself, so that threads can share the work on a large one. */
export const PIECE_BYTES = 4 << 20;

/**
 * The longest tail that may stand behind its inode. A longer one would save less than a quarter of a block, and an inode
 * with attributes and map has to fit beside it.
 */
const MAX_TAIL_BYTES = 3072;

/** A compressed run of input. `bytes` may be a view that the encoder overwrites with the next one. */
export interface EncodedRun {
  readonly bytes: Uint8Array;
  readonly consumed: number;
}

/** One thread's compressor. */
export interface PieceEncoder {
  /** Takes the next piece; what came before has no effect on it. */
  load(piece: Uint8Array): void;
  /** Encodes the piece from `offset` on into about `room` bytes; an encoder of fixed inputs ignores `room`. */
  encode(offset: number, room: number): EncodedRun;
  /** Whether a run never takes more than its room. */
  readonly keepsRoom: boolean;
}

export interface PieceOptions {
  readonly blockBytes: number;
  /** Of a physical cluster: what one run is encoded into. */
  readonly clusterBytes: number;
  /** Whether the file ends with this piece. */
  readonly isLast: boolean;
  /** Whether the end of the file may stand behind its inode. */
  readonly inlineTails: boolean;
  /** Where the blocks are put; at least as long as the piece, in whole blocks, and one more. */
  readonly room: Uint8Array;
}

/** The end of a file that may stand behind its inode, or else in a block of its own. */
export interface PieceTail {
  readonly decodedBytes: number;
  /** Undefined when it is stored as it is. */
  readonly encoded: Uint8Array | undefined;
}

/** A piece as it is to be stored. */
export interface CompressedPiece {
  /** Decoded bytes and blocks of each extent by turns; 0 blocks stand for one block that is stored as it is. */
  readonly extents: Uint32Array;
  /** The blocks; undefined when all of them are stored as they are. */
  readonly blocks: ByteSource | undefined;
  readonly tail: PieceTail | undefined;
}

/** A piece that was just compressed: its blocks are a view of the room that was given. */
export interface PackedPiece extends Omit<CompressedPiece, "blocks"> {
  readonly blocks: Uint8Array | undefined;
}

/** Cuts a piece of a file into extents and compresses those where that saves a block. */
export function compressPiece(encoder: PieceEncoder, piece: Uint8Array, options: PieceOptions): PackedPiece {
  const { clusterBytes, blockBytes } = options;
  const mayInline = options.isLast && options.inlineTails;
  // Modules mostly are, and half of an initrd is modules.
  if (detectCompression(piece) !== undefined) return storedPiece(piece, blockBytes, mayInline);
  const work = new PieceWork(piece, options);
  encoder.load(piece);
  while (work.offset < piece.length) {
    const run = encoder.encode(work.offset, clusterBytes);
    const { consumed } = run;
    const mayEnd = mayInline && work.offset + consumed === piece.length;
    // Looking for a better end overwrites the run.
    const bytes = mayEnd ? Uint8Array.from(run.bytes) : run.bytes;
    if (mayEnd && work.endWithTail(encoder, bytes, consumed)) break;
    if (consumed > alignUp(bytes.length, blockBytes)) work.addCompressed(bytes, consumed);
    else work.addStored(Math.min(alignUp(consumed, blockBytes), piece.length - work.offset), mayInline);
  }
  return work.result();
}

/** A piece that is not worth trying, as it is. */
function storedPiece(piece: Uint8Array, blockBytes: number, mayInline: boolean): PackedPiece {
  const rest = piece.length % blockBytes;
  const tailBytes = mayInline && rest <= MAX_TAIL_BYTES ? rest : 0;
  const count = divideUp(piece.length - tailBytes, blockBytes);
  const extents = new Uint32Array(2 * count);
  for (let block = 0; block < count; block++) {
    extents[2 * block] = Math.min(blockBytes, piece.length - tailBytes - block * blockBytes);
  }
  const tail = tailBytes === 0 ? undefined : { decodedBytes: tailBytes, encoded: undefined };
  return { extents, blocks: undefined, tail };
}

class PieceWork {
  readonly #piece: Uint8Array;
  readonly #blockBytes: number;
  readonly #extents: number[] = [];
  readonly #blocks: Uint8Array;
  #used = 0;
  #isCompressed = false;
  #tail: PieceTail | undefined;
  offset = 0;

  constructor(piece: Uint8Array, { blockBytes, room }: Pick<PieceOptions, "blockBytes" | "room">) {
    this.#piece = piece;
    this.#blockBytes = blockBytes;
    this.#blocks = room;
  }

  /** An encoded run ends where its last block ends: the kernel skips the zeros in front of it (LZ4_0PADDING). */
  addCompressed(bytes: Uint8Array, decodedBytes: number): void {
    const blocks = divideUp(bytes.length, this.#blockBytes);
    const start = this.#used;
    this.#used += blocks * this.#blockBytes;
    this.#blocks.fill(0, start, this.#used - bytes.length);
    this.#blocks.set(bytes, this.#used - bytes.length);
    this.#extents.push(decodedBytes, blocks);
    this.offset += decodedBytes;
    this.#isCompressed = true;
  }

  addStored(bytes: number, mayInline: boolean): void {
    const end = this.offset + bytes;
    const isEnd = end === this.#piece.length;
    while (this.offset < end) {
      const part = this.#piece.subarray(this.offset, Math.min(this.offset + this.#blockBytes, end));
      if (mayInline && isEnd && part.length <= MAX_TAIL_BYTES) {
        this.#tail = { decodedBytes: part.length, encoded: undefined };
      } else {
        this.#blocks.set(part, this.#used);
        this.#blocks.fill(0, this.#used + part.length, this.#used + this.#blockBytes);
        this.#used += this.#blockBytes;
        this.#extents.push(part.length, 0);
      }
      this.offset += part.length;
    }
  }

  /** Lets the piece end with a tail, where that takes less than whole blocks. `bytes` is what is left, encoded. */
  endWithTail(encoder: PieceEncoder, bytes: Uint8Array, consumed: number): boolean {
    if (bytes.length <= this.#blockBytes) return this.#addTail(bytes, consumed);
    const rest = bytes.length % this.#blockBytes;
    if (!encoder.keepsRoom || rest === 0 || rest > MAX_TAIL_BYTES) return false;
    // Whole blocks, filled to their end, and what does not fit into them.
    const filled = encoder.encode(this.offset, bytes.length - rest);
    if (filled.consumed <= bytes.length - rest) return false;
    const copy = Uint8Array.from(filled.bytes);
    const tail = encoder.encode(this.offset + filled.consumed, this.#blockBytes);
    const left = consumed - filled.consumed;
    if (tail.consumed !== left || Math.min(tail.bytes.length, left) > MAX_TAIL_BYTES) return false;
    this.addCompressed(copy, filled.consumed);
    return this.#addTail(tail.bytes, left);
  }

  #addTail(bytes: Uint8Array, decodedBytes: number): boolean {
    if (Math.min(bytes.length, decodedBytes) > MAX_TAIL_BYTES) return false;
    const isSmaller = bytes.length < decodedBytes;
    this.#tail = { decodedBytes, encoded: isSmaller ? Uint8Array.from(bytes) : undefined };
    this.offset += decodedBytes;
    return true;
  }

  result(): PackedPiece {
    return {
      extents: Uint32Array.from(this.#extents),
      blocks: this.#isCompressed ? this.#blocks.subarray(0, this.#used) : undefined,
      tail: this.#tail,
    };
  }
}
