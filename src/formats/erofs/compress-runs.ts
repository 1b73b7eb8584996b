import { chunksOf } from "../../bytes/index.ts";
import type { RegularFile } from "../../tree/index.ts";
import type { MappedExtent } from "./compress-map.ts";
import { type CompressedPiece, PIECE_BYTES, type PieceTail } from "./compress-piece.ts";
import { piecesOf } from "./content.ts";
import type { FilePart } from "./cut.ts";

/** A file's content after compression, by pieces in order. */
export interface CompressedFile {
  readonly pieces: readonly CompressedPiece[];
}

/** A piece of a file that is compressed by itself. */
export interface FilePiece {
  readonly start: number;
  readonly end: number;
}

/** The pieces in which a file is to be compressed: its parts, and those cut where they are long. */
export function piecesOfParts(parts: readonly FilePart[]): FilePiece[] {
  const pieces: FilePiece[] = [];
  for (const part of parts) {
    for (let start = part.start; start < part.end; start += PIECE_BYTES) {
      pieces.push({ start, end: Math.min(start + PIECE_BYTES, part.end) });
    }
  }
  return pieces;
}

export interface RunOptions {
  /** Whether the end of the file stands behind its inode. */
  readonly inlineTail: boolean;
  readonly blockBytes: number;
}

/** A part of a file as consecutive blocks. */
export interface CompressedRun {
  readonly rank: number | undefined;
  /** In the file. */
  readonly start: number;
  readonly pieces: readonly CompressedPiece[];
  readonly blockCount: number;
  /** `block` counts from the run's first one. */
  readonly extents: readonly MappedExtent[];
}

/**
 * Makes one run of the pieces of each part.
 * @throws RangeError when a part does not begin and end with pieces.
 */
export function layOutRuns(
  pieces: readonly CompressedPiece[],
  parts: readonly FilePart[],
  options: RunOptions,
): CompressedRun[] {
  let next = 0;
  return parts.map(({ start, end, rank }) => {
    const first = next;
    let at = start;
    while (at < end) {
      const piece = pieces[next++];
      if (piece === undefined) break;
      at += decodedBytesOf(piece);
    }
    if (at !== end) throw new RangeError(`A part ends at ${end}, but its pieces at ${at}`);
    const ofPart = pieces.slice(first, next);
    return { rank, start, pieces: ofPart, ...extentsOf(ofPart, start, options) };
  });
}

/** The extents of a whole file, when it is known where its runs begin. */
export function placedExtents(runs: readonly CompressedRun[], starts: readonly number[]): MappedExtent[] {
  return runs.flatMap(({ extents, blockCount }, index) => {
    // Without blocks there is no address either, and none is asked for.
    const first = blockCount === 0 ? 0 : (starts[index] as number);
    return extents.map((extent) => ({ ...extent, block: first + extent.block }));
  });
}

/** What fills a run's blocks. */
export function* blocksOfRun(
  file: RegularFile,
  { start, pieces }: CompressedRun,
  { inlineTail, blockBytes }: RunOptions,
): Generator<Uint8Array> {
  let offset = start;
  for (const piece of pieces) {
    const { blocks, tail } = piece;
    const end = offset + decodedBytesOf(piece);
    const tailStart = end - (tail?.decodedBytes ?? 0);
    if (blocks !== undefined) yield* chunksOf(blocks);
    else yield* storedBlocks(file, offset, tailStart, blockBytes);
    if (tail !== undefined && !inlineTail) {
      yield tailBlock(tail, file.content.read(tailStart, tail.decodedBytes), blockBytes);
    }
    offset = end;
  }
}

export function tailBytesOf(tail: PieceTail): number {
  return tail.encoded?.length ?? tail.decodedBytes;
}

/** The tail's extent is the last one; one that is not inline has a block. */
function extentsOf(
  pieces: readonly CompressedPiece[],
  runStart: number,
  { inlineTail, blockBytes }: RunOptions,
): { blockCount: number; extents: MappedExtent[] } {
  const all: MappedExtent[] = [];
  let start = runStart;
  let block = 0;
  const add = (decodedBytes: number, blocks: number, compressed: boolean): void => {
    all.push({ start, block, blocks, compressed });
    start += decodedBytes;
    block += blocks;
  };
  for (const { extents, tail } of pieces) {
    for (let index = 0; index < extents.length; index += 2) {
      const blocks = extents[index + 1] ?? 0;
      add(extents[index] ?? 0, Math.max(blocks, 1), blocks > 0);
    }
    if (tail === undefined) continue;
    if (inlineTail) add(tail.decodedBytes, 0, tail.encoded !== undefined);
    else add(tail.decodedBytes, 1, isWorthABlock(tail, blockBytes));
  }
  return { blockCount: block, extents: all };
}

/** In a block of its own only what is longer than that is stored compressed. */
function isWorthABlock(tail: PieceTail, blockBytes: number): boolean {
  return tail.encoded !== undefined && tail.decodedBytes > blockBytes;
}

function tailBlock(tail: PieceTail, raw: Uint8Array, blockBytes: number): Uint8Array {
  const block = new Uint8Array(blockBytes);
  if (tail.encoded !== undefined && isWorthABlock(tail, blockBytes)) {
    block.set(tail.encoded, blockBytes - tail.encoded.length);
  } else {
    block.set(raw);
  }
  return block;
}

function decodedBytesOf({ extents, tail }: CompressedPiece): number {
  let sum = tail?.decodedBytes ?? 0;
  for (let index = 0; index < extents.length; index += 2) sum += extents[index] ?? 0;
  return sum;
}

/** A piece that nothing was gained on: it begins at a block, so that its blocks are the file's own bytes. */
function* storedBlocks(file: RegularFile, start: number, end: number, blockBytes: number): Generator<Uint8Array> {
  yield* piecesOf(file.content, start, end);
  const rest = (end - start) % blockBytes;
  if (rest > 0) yield new Uint8Array(blockBytes - rest);
}
