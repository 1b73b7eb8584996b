import {
  type CompressedFile,
  type CompressedPiece,
  type EqualFiles,
  type FilePiece,
  piecesOfParts,
  type ReadOrder,
  wholeFile,
} from "../../formats/erofs/index.ts";
import type { RegularFile, Tree } from "../../tree/index.ts";
import { sendable } from "../threads/index.ts";
import { maxBlockBytes } from "./batch.ts";
import type { BlockStore } from "./block-store.ts";
import type { Compressor } from "./compressor.ts";

/** Small files travel together: a message between threads costs as much as compressing some ten kilobytes. */
const BATCH_BYTES = 1 << 20;

/** Behind the inode such a file takes no more room than it would with what compression adds. */
const MIN_FILE_BYTES = 128;

/** What the writer of the image will do with the files. */
export interface TreeLayout {
  /** Says how files are cut; without it, none is. */
  readonly order?: ReadOrder;
  /** Of equal files, the first one is compressed for all. */
  readonly equalFiles?: EqualFiles;
}

/** Compresses all files of a tree. The result depends neither on how many threads there are nor on the store. */
export async function compressTree(
  tree: Tree,
  compressor: Compressor,
  store: BlockStore,
  { order, equalFiles = new Map() }: TreeLayout = {},
  onProgress: (doneBytes: number, totalBytes: number) => void = () => undefined,
): Promise<Map<RegularFile, CompressedFile>> {
  const files = new Set<RegularFile>();
  for (const { node } of tree.walk()) {
    if (node.kind === "file" && node.content.size >= MIN_FILE_BYTES) files.add(equalFiles.get(node) ?? node);
  }
  const totalBytes = [...files].reduce((sum, { content }) => sum + content.size, 0);
  store.expect(totalBytes);
  const results = new Map<RegularFile, CompressedPiece[]>([...files].map((file) => [file, []]));
  const running = new Set<Promise<void>>();
  let doneBytes = 0;
  const compress = async (batch: readonly PieceOfFile[]): Promise<void> => {
    const pieces = batch.map(({ file, start, end }) => ({
      bytes: sendable(file.content.read(start, end - start)),
      isLast: end === file.content.size,
    }));
    const place = store.reserve(batch.reduce((sum, { start, end }) => sum + maxBlockBytes(end - start), 0));
    const compressed = await compressor.compress({ pieces, place });
    const blocks = store.blocksOf(compressed, place);
    for (const [index, { file, number, start, end }] of batch.entries()) {
      const piece = compressed.pieces[index];
      const list = results.get(file);
      if (piece === undefined || list === undefined) throw new RangeError("A batch came back with fewer pieces");
      list[number] = { extents: piece.extents, blocks: blocks[index], tail: piece.tail };
      doneBytes += end - start;
    }
    onProgress(doneBytes, totalBytes);
  };
  for (const batch of batchesOf(files, (file) => order?.partsOf(file) ?? wholeFile(file))) {
    while (running.size >= compressor.capacity) await Promise.race(running);
    const work = compress(batch).finally(() => running.delete(work));
    running.add(work);
  }
  await Promise.all(running);
  const compressed = new Map<RegularFile, CompressedFile>();
  for (const [file, pieces] of results) compressed.set(file, { pieces });
  for (const [file, original] of equalFiles) {
    const same = compressed.get(original);
    if (same !== undefined) compressed.set(file, same);
  }
  return compressed;
}

interface PieceOfFile extends FilePiece {
  readonly file: RegularFile;
  /** Among the file's pieces. */
  readonly number: number;
}

function* batchesOf(files: Iterable<RegularFile>, partsOf: ReadOrder["partsOf"]): Generator<PieceOfFile[]> {
  let batch: PieceOfFile[] = [];
  let bytes = 0;
  for (const file of files) {
    for (const [number, piece] of piecesOfParts(partsOf(file)).entries()) {
      batch.push({ file, number, ...piece });
      bytes += piece.end - piece.start;
      if (bytes < BATCH_BYTES) continue;
      yield batch;
      batch = [];
      bytes = 0;
    }
  }
  if (batch.length > 0) yield batch;
}
