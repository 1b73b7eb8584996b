import { type ByteSource, checkRange } from "./byte-source.ts";

/** As much as is read at once: fewer calls would save nothing any more. */
const PIECE_BYTES = 1 << 20;

/** A source for someone who goes through it from front to back in small steps: it is read in pieces, one is held. */
export class BufferedSource implements ByteSource {
  readonly #source: ByteSource;
  readonly #memory: Uint8Array | undefined;
  #piece: Uint8Array = new Uint8Array();
  #start = 0;

  /** @param hasPassingViews Whether what was read may change with the next read: all pieces then have the same memory. */
  constructor(source: ByteSource, { hasPassingViews = false }: { readonly hasPassingViews?: boolean } = {}) {
    this.#source = source;
    this.#memory = hasPassingViews && source.readInto ? new Uint8Array(Math.min(PIECE_BYTES, source.size)) : undefined;
  }

  get size(): number {
    return this.#source.size;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, "input");
    if (offset < this.#start || offset + length > this.#start + this.#piece.length) {
      this.#piece = this.#readPiece(offset, Math.min(Math.max(length, PIECE_BYTES), this.size - offset));
      this.#start = offset;
    }
    return this.#piece.subarray(offset - this.#start, offset - this.#start + length);
  }

  /** What is there from `offset` on without reading more than one piece; nothing at the end only. */
  piece(offset: number): Uint8Array {
    const first = this.read(offset, Math.min(1, this.size - offset));
    return first.length === 0 ? first : this.#piece.subarray(offset - this.#start);
  }

  #readPiece(offset: number, length: number): Uint8Array {
    if (this.#memory === undefined || length > this.#memory.length) return this.#source.read(offset, length);
    const piece = this.#memory.subarray(0, length);
    this.#source.readInto?.(offset, piece);
    return piece;
  }
}
