import { type ByteSource, chunksOf, divideUp, MemorySource } from "../../bytes/index.ts";
import type { RegularFile } from "../../tree/index.ts";
import type { FilePart } from "./cut.ts";
import { DATA_LAYOUT, type DataLayout, NULL_ADDR } from "./layout.ts";

/** Whole blocks that are consecutive in the image. */
export interface BlockRun {
  readonly blockCount: number;
  /** When a boot reads it, the lowest first; undefined when it does not. */
  readonly rank: number | undefined;
  /** What fills the blocks, in order; the writer pads the last one with zeros. */
  blocks(): Iterable<Uint8Array>;
}

/**
 * How the content of one inode is stored: what the writer has to know to place it, and the bytes themselves when they
 * are to be written. A compressed layout is one more implementation: it compresses before it is placed (on as many
 * threads as it likes), so that everything here is known and cheap.
 */
export interface StoredContent {
  readonly layout: DataLayout;
  /** i_size. */
  readonly size: number;
  /** Bytes between the extended attributes and the tail: a chunk or compression map with its alignment. */
  readonly mapBytes: number;
  /** Bytes directly behind the map, in the block where the inode starts. */
  readonly tailBytes: number;
  /** What stands elsewhere in the image, each run where it suits; a run may be empty. */
  readonly runs: readonly BlockRun[];
  /** Feature bits that a kernel must know to read this. */
  readonly incompat: number;
  /** The inode's i_u, when it is known at which block each run begins. */
  union(starts: readonly number[]): number;
  /** Exactly `mapBytes`. */
  map(starts: readonly number[]): Uint8Array;
  /** Exactly `tailBytes`. */
  tail(): Uint8Array;
}

/** What is known of a file before its content is planned. */
export interface FilePlace {
  /** Bytes of the inode and its extended attributes, which stand in front of the content. */
  readonly headBytes: number;
  /** The parts that it is cut into; at least one. */
  readonly parts: readonly FilePart[];
  /** Whether its inode is looked up while booting. */
  readonly isLookedUp: boolean;
}

/** Decides how one file is stored. Same arguments, same answer. */
export type ContentPlanner = (file: RegularFile, place: FilePlace) => StoredContent;

/**
 * A longer end of a file that is not read does not stand among the inodes that are. It takes a block of its own then:
 * a byte that each boot reads is worth several that lie in the image.
 */
const MAX_COLD_TAIL_BYTES = 512;

/** Whether the end of a file may stand behind its inode, as far as reading it is concerned. */
export function mayStandBehindInode({ parts, isLookedUp }: FilePlace, tailBytes: number): boolean {
  return !isLookedUp || parts.at(-1)?.rank !== undefined || tailBytes <= MAX_COLD_TAIL_BYTES;
}

const NOTHING = new Uint8Array(0);

export interface FlatPlace extends Pick<FilePlace, "headBytes"> {
  readonly blockBytes: number;
  /** Whether the rest after the last whole block may stand behind the inode. */
  readonly inlineTail: boolean;
}

/**
 * Content as it is: FLAT_INLINE when the rest after the last whole block fits into one block together with the
 * inode, else FLAT_PLAIN. (The kernel would allow the head of an inline inode to start in an earlier block, but refuses
 * such symlinks: one rule for all is simpler.)
 */
export function flatContent(body: ByteSource, place: FlatPlace, rank?: number): StoredContent {
  const { blockBytes, headBytes } = place;
  const rest = body.size % blockBytes;
  const inline = place.inlineTail && rest > 0 && headBytes + rest <= blockBytes;
  const outside = inline ? body.size - rest : body.size;
  const blockCount = divideUp(outside, blockBytes);
  return {
    layout: inline ? DATA_LAYOUT.FLAT_INLINE : DATA_LAYOUT.FLAT_PLAIN,
    size: body.size,
    mapBytes: 0,
    tailBytes: inline ? rest : 0,
    runs: [{ blockCount, rank, blocks: () => piecesOf(body, 0, outside) }],
    incompat: 0,
    union: ([start]) => start ?? NULL_ADDR,
    map: () => NOTHING,
    tail: () => (inline ? body.read(outside, rest) : NOTHING),
  };
}

/** No content, only i_u: fifos and sockets, and devices with their number. */
export function emptyContent(union: number): StoredContent {
  const nothing = flatContent(new MemorySource(NOTHING), { blockBytes: 1, headBytes: 0, inlineTail: false });
  return { ...nothing, union: () => union };
}

/** The bytes from `start` to `end`, in pieces. */
export function piecesOf(body: ByteSource, start: number, end: number): Generator<Uint8Array> {
  return chunksOf({ size: end - start, read: (offset, length) => body.read(start + offset, length) });
}
