import { type ByteSource, chunksOf, divideUp, MemorySource } from "../../bytes/index.ts";
import type { RegularFile } from "../../tree/index.ts";
import { DATA_LAYOUT, type DataLayout, NULL_ADDR } from "./layout.ts";

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
  /** Whole blocks elsewhere in the image, consecutive. */
  readonly blockCount: number;
  /** Feature bits that a kernel must know to read this. */
  readonly incompat: number;
  /** The inode's i_u. */
  union(startBlock: number): number;
  /** Exactly `mapBytes`. */
  map(startBlock: number): Uint8Array;
  /** Exactly `tailBytes`. */
  tail(): Uint8Array;
  /** What fills the blocks, in order; the writer pads the last one with zeros. */
  blocks(): Iterable<Uint8Array>;
}

/**
 * Decides how one file is stored, given the bytes that its inode and extended attributes take in front of the content.
 * Same file and same `headBytes`, same answer.
 */
export type ContentPlanner = (file: RegularFile, headBytes: number) => StoredContent;

const NOTHING = new Uint8Array(0);

export interface FlatPlace {
  readonly blockBytes: number;
  /** Bytes of the inode and its extended attributes. */
  readonly headBytes: number;
  /** Whether the rest after the last whole block may stand behind the inode. */
  readonly inlineTail: boolean;
}

/**
 * Content as it is: FLAT_INLINE when the rest after the last whole block fits into one block together with the
 * inode, else FLAT_PLAIN. (The kernel would allow the head of an inline inode to start in an earlier block, but refuses
 * such symlinks: one rule for all is simpler.)
 */
export function flatContent(body: ByteSource, place: FlatPlace): StoredContent {
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
    blockCount,
    incompat: 0,
    union: (startBlock) => (blockCount === 0 ? NULL_ADDR : startBlock),
    map: () => NOTHING,
    tail: () => (inline ? body.read(outside, rest) : NOTHING),
    blocks: () => chunksOf({ size: outside, read: (offset, length) => body.read(offset, length) }),
  };
}

/** No content, only i_u: fifos and sockets, and devices with their number. */
export function emptyContent(union: number): StoredContent {
  const nothing = flatContent(new MemorySource(NOTHING), { blockBytes: 1, headBytes: 0, inlineTail: false });
  return { ...nothing, union: () => union };
}
