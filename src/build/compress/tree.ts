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
import type { CompressorAhead } from "./ahead.ts";
import type { BatchWork } from "./batch-work.ts";
import { MIN_COMPRESSED_FILE_BYTES } from "./settings.ts";

/** What the writer of the image will do with the files. */
export interface TreeLayout {
  /** Says how files are cut; without it, none is. */
  readonly order?: ReadOrder;
  /** Of equal files, the first one is compressed for all. */
  readonly equalFiles?: EqualFiles;
}

export interface TreeCompression extends TreeLayout {
  /** What may have been begun already. */
  readonly ahead?: CompressorAhead | undefined;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Compresses all files of a tree. The result depends neither on how many threads there are nor on what was begun. */
export async function compressTree(
  tree: Tree,
  work: BatchWork,
  { order, equalFiles = new Map(), ahead, onProgress = () => undefined }: TreeCompression = {},
): Promise<Map<RegularFile, CompressedFile>> {
  const files = new Set<RegularFile>();
  for (const { node } of tree.walk()) {
    if (node.kind === "file" && node.content.size >= MIN_COMPRESSED_FILE_BYTES) files.add(equalFiles.get(node) ?? node);
  }
  const totalBytes = [...files].reduce((sum, { content }) => sum + content.size, 0);
  work.expect(totalBytes);
  let doneBytes = 0;
  const compress = async ({ content }: RegularFile, piece: FilePiece): Promise<CompressedPiece> => {
    const { start, end } = piece;
    const sizeBytes = end - start;
    const begun = ahead?.find(content, piece);
    const wanted = { sizeBytes, isLast: end === content.size, read: () => content.read(start, sizeBytes) };
    const compressed = await (begun ?? work.add(wanted).compressed);
    doneBytes += sizeBytes;
    onProgress(doneBytes, totalBytes);
    return compressed;
  };
  ahead?.end();
  const results = [...files].map(async (file): Promise<[RegularFile, CompressedFile]> => {
    const pieces = piecesOfParts(order?.partsOf(file) ?? wholeFile(file));
    return [file, { pieces: await Promise.all(pieces.map((piece) => compress(file, piece))) }];
  });
  work.flush();
  const compressed = new Map(await Promise.all(results));
  for (const [file, original] of equalFiles) {
    const same = compressed.get(original);
    if (same !== undefined) compressed.set(file, same);
  }
  return compressed;
}
