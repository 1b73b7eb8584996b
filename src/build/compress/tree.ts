import { type CompressedFile, type CompressedPiece, PIECE_BYTES } from "../../formats/erofs/index.ts";
import type { RegularFile, Tree } from "../../tree/index.ts";
import type { Batch, Compressor, PieceOfBatch } from "./compressor.ts";

/** Small files travel together: a message between threads costs as much as compressing some ten kilobytes. */
const BATCH_BYTES = 1 << 20;

/** Behind the inode such a file takes no more room than it would with what compression adds. */
const MIN_FILE_BYTES = 128;

/** Compresses all files of a tree. The result does not depend on how many threads there are. */
export async function compressTree(
  tree: Tree,
  compressor: Compressor,
  onProgress: (doneBytes: number, totalBytes: number) => void = () => undefined,
): Promise<Map<RegularFile, CompressedFile>> {
  const files = new Set<RegularFile>();
  for (const { node } of tree.walk()) {
    if (node.kind === "file" && node.content.size >= MIN_FILE_BYTES) files.add(node);
  }
  const totalBytes = [...files].reduce((sum, { content }) => sum + content.size, 0);
  const pieces = new Map<RegularFile, CompressedPiece[]>([...files].map((file) => [file, []]));
  const running = new Set<Promise<void>>();
  let doneBytes = 0;
  for (const { batch, places } of batchesOf(files)) {
    while (running.size >= compressor.capacity) await Promise.race(running);
    const size = batch.bytes.length;
    const work = compressor.compress(batch).then((results) => {
      running.delete(work);
      results.forEach((piece, index) => {
        const place = places[index];
        const list = place === undefined ? undefined : pieces.get(place.file);
        if (place !== undefined && list !== undefined) list[place.index] = piece;
      });
      doneBytes += size;
      onProgress(doneBytes, totalBytes);
    });
    running.add(work);
  }
  await Promise.all(running);
  return new Map([...pieces].map(([file, list]) => [file, { pieces: list }]));
}

interface PlannedBatch {
  readonly batch: Batch;
  /** Where each piece of the batch belongs. */
  readonly places: readonly { readonly file: RegularFile; readonly index: number }[];
}

function* batchesOf(files: Iterable<RegularFile>): Generator<PlannedBatch> {
  let parts: { file: RegularFile; index: number; start: number; piece: PieceOfBatch }[] = [];
  let bytes = 0;
  for (const file of files) {
    const { size } = file.content;
    for (let start = 0; start < size; start += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, size - start);
      const piece = { offset: bytes, length, isLast: start + length === size };
      parts.push({ file, index: start / PIECE_BYTES, start, piece });
      bytes += length;
      if (bytes < BATCH_BYTES) continue;
      yield load(parts, bytes);
      parts = [];
      bytes = 0;
    }
  }
  if (parts.length > 0) yield load(parts, bytes);
}

function load(
  parts: readonly { file: RegularFile; index: number; start: number; piece: PieceOfBatch }[],
  size: number,
): PlannedBatch {
  const bytes = new Uint8Array(size);
  for (const { file, start, piece } of parts) bytes.set(file.content.read(start, piece.length), piece.offset);
  return {
    batch: { bytes, pieces: parts.map(({ piece }) => piece) },
    places: parts.map(({ file, index }) => ({ file, index })),
  };
}
