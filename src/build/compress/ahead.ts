import { type ByteSource, MemorySource } from "../../bytes/index.ts";
import { contentsSoFar } from "../../formats/cpio/index.ts";
import { type CompressedPiece, type FilePiece, piecesOfParts } from "../../formats/erofs/index.ts";
import type { BatchWork, PieceWork } from "./batch-work.ts";
import { MIN_COMPRESSED_FILE_BYTES } from "./settings.ts";

interface PieceAhead extends FilePiece {
  readonly isLast: boolean;
  readonly work: PieceWork;
}

/** What has been begun of one archive: pieces, by where they start in it. */
type PiecesAhead = Map<number, PieceAhead>;

/**
 * Compresses the files of archives while these are still being unpacked, as if none of them was cut.
 *
 * It knows nothing of what becomes of an archive's entries: one that a later entry overwrites, that is left out or cut is
 * compressed in vain. What goes into the image is decided by the tree that is made of the archives at the end; here it is
 * only looked up whether the same bytes have been begun.
 */
export class CompressorAhead {
  readonly #work: BatchWork;
  /** By the memory that the archive stands in. */
  readonly #archives = new Map<ArrayBufferLike, PiecesAhead>();
  #isOver = false;

  constructor(work: BatchWork) {
    this.#work = work;
  }

  /**
   * For one more archive: takes all that has been unpacked of it so far, each time that there is more.
   * @param packedBytes of it: what is compressed again takes about as much
   */
  follow(packedBytes: number): (archive: Uint8Array) => void {
    this.#work.expectBlocks(packedBytes);
    const pieces: PiecesAhead = new Map();
    let buffer: ArrayBufferLike | undefined;
    let next = 0;
    return (archive) => {
      // Each time it is another object, though mostly for the same memory; pieces stand at the same places in all of them.
      if (buffer !== undefined) this.#archives.delete(buffer);
      buffer = archive.buffer;
      this.#archives.set(buffer, pieces);
      if (this.#isOver) return;
      this.#work.expect(archive.length);
      const found = contentsSoFar(archive, next);
      next = found.next;
      for (const { start, end } of found.contents) this.#add(pieces, archive.subarray(start, end));
    };
  }

  /** Begins nothing more: from now on it is known what is needed. */
  end(): void {
    this.#isOver = true;
    this.#work.forgetWaiting();
  }

  /** A piece of a file's content, where it has been begun. */
  find(content: ByteSource, { start, end }: FilePiece): Promise<CompressedPiece> | undefined {
    if (!(content instanceof MemorySource)) return undefined;
    const { buffer, byteOffset } = content.bytes;
    const ahead = this.#archives.get(buffer)?.get(byteOffset + start);
    const isSame = ahead?.end === byteOffset + end && ahead.isLast === (end === content.size);
    return isSame && ahead.work.isBegun ? ahead.work.compressed : undefined;
  }

  #add(pieces: PiecesAhead, content: Uint8Array): void {
    if (content.length < MIN_COMPRESSED_FILE_BYTES) return;
    const { byteOffset, length } = content;
    for (const { start, end } of piecesOfParts([{ start: 0, end: length, rank: undefined }])) {
      const isLast = end === length;
      const work = this.#work.add({ sizeBytes: end - start, isLast, read: () => content.subarray(start, end) });
      pieces.set(byteOffset + start, { start: byteOffset + start, end: byteOffset + end, isLast, work });
    }
  }
}
