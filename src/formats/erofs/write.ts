import {
  type ByteSink,
  type ByteString,
  byteStringBytes,
  FormatError,
  type Guid,
  guidToTextOrder,
  MemorySink,
} from "../../bytes/index.ts";
import { modeOf, type Tree } from "../../tree/index.ts";
import { collectInodes } from "./collect.ts";
import { type ErofsCompression, encodeCompressionConfig } from "./compress-config.ts";
import type { ContentPlanner } from "./content.ts";
import type { EqualFiles } from "./equal-files.ts";
import { GatheringWriter } from "./gathering-writer.ts";
import {
  CompactInode,
  ExtendedInode,
  FEATURE_COMPAT,
  FEATURE_INCOMPAT,
  FORMAT,
  I_FORMAT_EXTENDED,
  I_FORMAT_LAYOUT_SHIFT,
  SUPER_MAGIC,
  SUPER_OFFSET,
  Superblock,
  VOLUME_NAME_BYTES,
} from "./layout.ts";
import { nidAt, type PlacedInode, type Placement, placeAll } from "./place.ts";
import { commonestTime, type InodePlanning, planInode } from "./plan-inodes.ts";
import { type ReadOrder, wholeFile } from "./read-order.ts";
import { storedContent } from "./stored-content.ts";
import { superblockChecksum, unsignedSeconds } from "./superblock.ts";
import { planXattrs, xattrCount } from "./write-xattrs.ts";

/** 4 KiB: the one block size that every Linux with EROFS mounts, whatever its page size is above that. */
const BLOCK_BITS = 12;
const BLOCK_BYTES = 2 ** BLOCK_BITS;
/**
 * Block 0 holds the superblock alone, so that its checksum does not depend on inodes. It also keeps nid 0 free: some
 * programs take an inode number of 0 for a deleted entry.
 */
const FIRST_INODE_BLOCK = 1;
/** A NUL always ends the name (mkfs.erofs allows as many). */
const MAX_VOLUME_NAME_BYTES = VOLUME_NAME_BYTES - 1;

export interface ErofsOptions {
  readonly uuid: Guid;
  /** At most 15 bytes. */
  readonly volumeName?: ByteString;
  /**
   * Seconds since 1970 that compact inodes have as their time; inodes with another time take 32 bytes more. All times
   * are kept whatever it is. Default: the time that makes the most inodes compact.
   */
  readonly epoch?: number;
  /**
   * Whether the last part of a file, less than a block, may stand behind its inode (default). Without it each file
   * starts and ends at block boundaries, which direct access (DAX) needs.
   */
  readonly inlineFileTails?: boolean;
  /** Files with equal content (`findEqualFiles`): their blocks are stored once. */
  readonly equalFiles?: EqualFiles;
  /** Write name filters for extended attributes: Linux 6.6 and later find out faster that there is none. */
  readonly xattrFilter?: boolean;
  /** What a boot reads (`readOrder`): it comes first, in this order, and files are cut for it. */
  readonly order?: ReadOrder;
  /** How files are stored. Default: as they are. */
  readonly planFile?: ContentPlanner;
  /** What `planFile` compresses with, if it does. */
  readonly compression?: ErofsCompression;
}

/** An image that is laid out but not yet written. */
export interface ErofsPlan {
  /** A multiple of 4096. */
  readonly sizeBytes: number;
  /** With an order: how many bytes at the image's start hold all that it names. */
  readonly frontBytes: number | undefined;
  /** Of these, how many hold what Linux reads through the device's own cache: superblock, inodes, maps, tails, attributes. */
  readonly frontMetadataBytes: number | undefined;
  readonly inodeCount: number;
  /** Whether files are stored in several places as they are: Linux reads that from 5.15 on. */
  readonly hasChunks: boolean;
  /** The time of compact inodes. */
  readonly epoch: number;
  /** Writes the image from first to last byte; file contents are read in pieces while it goes. */
  emit(sink: ByteSink): void;
  /** The same in pieces of any size, for a caller who does other things in between. A piece holds until the next one. */
  chunks(): Iterable<Uint8Array>;
}

/**
 * Lays out an EROFS image of `tree`: superblock, inodes with their tails, shared attributes, directories, files.
 * The result depends on nothing but the arguments. Linux 5.4 and later mount it when nothing in it is compressed.
 * @throws FormatError for what EROFS cannot hold, naming the path.
 */
export function planErofs(tree: Tree, options: ErofsOptions): ErofsPlan {
  const collected = collectInodes(tree);
  const epoch = options.epoch ?? commonestTime(collected);
  const planFile = options.planFile ?? flatFiles(options.inlineFileTails ?? true);
  const xattrs = planXattrs(collected, options.xattrFilter ?? false);
  const { order, equalFiles = new Map() } = options;
  const placeOf = placesOfFiles(order);
  const nids: number[] = [];
  const nidOf = (index: number): number => nids[index] ?? 0;
  const unplaced = collected.map((inode, index) =>
    planInode(inode, xattrs.bodies[index] as Uint8Array, { blockBytes: BLOCK_BYTES, epoch, planFile, placeOf, nidOf }),
  );
  const placement = placeAll(unplaced, {
    blockBytes: BLOCK_BYTES,
    firstBlock: FIRST_INODE_BLOCK,
    sharedXattrBytes: xattrs.shared.length,
    order,
    equalFiles,
  });
  const { inodes, xattrBlock, endBlock } = placement;
  for (const inode of inodes) nids[inode.collected.index] = nidAt(inode.offset);

  const incompat = inodes.reduce((bits, inode) => bits | inode.content.incompat, 0);
  const config = compressionConfig(incompat, options.compression);
  const superblock = encodeSuperblock(config.bytes, {
    ...identity(options),
    checksum: 0,
    magic: SUPER_MAGIC,
    feature_compat:
      FEATURE_COMPAT.SB_CHKSUM | FEATURE_COMPAT.MTIME | (options.xattrFilter ? FEATURE_COMPAT.XATTR_FILTER : 0),
    feature_incompat: incompat,
    available_compr_algs: config.algorithms,
    blkszbits: BLOCK_BITS,
    rootnid_2b: nidOf(0),
    inos: BigInt(inodes.length),
    epoch: unsignedSeconds(epoch),
    blocks_lo: endBlock,
    xattr_blkaddr: xattrs.shared.length === 0 ? 0 : xattrBlock,
  });
  const chunks = (): Iterable<Uint8Array> => chunksOfImage(superblock, placement, xattrs.shared);
  return {
    sizeBytes: endBlock * BLOCK_BYTES,
    frontBytes: order === undefined ? undefined : placement.frontEndBlock * BLOCK_BYTES,
    frontMetadataBytes: order === undefined ? undefined : placement.frontInodesEndBlock * BLOCK_BYTES,
    inodeCount: inodes.length,
    hasChunks: (incompat & FEATURE_INCOMPAT.CHUNKED_FILE) !== 0,
    epoch,
    chunks,
    emit: (sink) => {
      const writer = new GatheringWriter(sink);
      for (const chunk of chunks()) writer.write(chunk);
      writer.flush();
    },
  };
}

/** The whole image in memory: for tests and small trees. */
export function encodeErofs(tree: Tree, options: ErofsOptions): Uint8Array {
  const sink = new MemorySink();
  planErofs(tree, options).emit(sink);
  return sink.bytes();
}

function flatFiles(inlineTail: boolean): ContentPlanner {
  return (file, place) => storedContent(file.content, place, { blockBytes: BLOCK_BYTES, inlineTail });
}

function placesOfFiles(order: ReadOrder | undefined): InodePlanning["placeOf"] {
  const lookedUp = new Set(order?.nodes);
  return (file) => ({ parts: order?.partsOf(file) ?? wholeFile(file), isLookedUp: lookedUp.has(file) });
}

function identity(options: ErofsOptions): { uuid: Uint8Array; volume_name: Uint8Array } {
  const name = byteStringBytes(options.volumeName ?? "");
  if (name.length > MAX_VOLUME_NAME_BYTES) {
    throw new FormatError(
      `Cannot use ${JSON.stringify(options.volumeName)} as volume name: expected at most ${MAX_VOLUME_NAME_BYTES} bytes`,
      { format: FORMAT, field: "volume_name" },
    );
  }
  return { uuid: guidToTextOrder(options.uuid), volume_name: name };
}

/** An image without a compressed file has no configuration, and any kernel can mount it. */
function compressionConfig(
  incompat: number,
  compression: ErofsCompression | undefined,
): { algorithms: number; bytes: Uint8Array } {
  if ((incompat & FEATURE_INCOMPAT.COMPR_CFGS) === 0) return { algorithms: 0, bytes: new Uint8Array(0) };
  if (compression === undefined) throw new RangeError("A planner of compressed files needs options.compression");
  return encodeCompressionConfig(compression);
}

/** The first block from SUPER_OFFSET on, with its checksum. `config` stands behind the superblock. */
function encodeSuperblock(config: Uint8Array, values: Parameters<typeof Superblock.encode>[0]): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES - SUPER_OFFSET);
  Superblock.write(block, 0, values);
  block.set(config, Superblock.size);
  Superblock.write(block, 0, { checksum: superblockChecksum(block) });
  return block;
}

/** What stands at an offset of the image. */
interface ImagePart {
  readonly offset: number;
  chunks(): Iterable<Uint8Array>;
}

function* chunksOfImage(superblock: Uint8Array, placement: Placement, sharedXattrs: Uint8Array): Generator<Uint8Array> {
  const parts: ImagePart[] = [
    { offset: SUPER_OFFSET, chunks: () => [superblock] },
    { offset: placement.xattrBlock * BLOCK_BYTES, chunks: () => [sharedXattrs] },
    ...placement.inodes.map((inode) => ({ offset: inode.offset, chunks: () => chunksOfInode(inode) })),
    ...placement.runs.map(({ startBlock, run }) => ({
      offset: startBlock * BLOCK_BYTES,
      chunks: () => run.blocks(),
    })),
    { offset: placement.endBlock * BLOCK_BYTES, chunks: () => [] },
  ];
  let written = 0;
  for (const { offset, chunks } of parts.sort((a, b) => a.offset - b.offset)) {
    // More was emitted than was planned.
    if (offset < written) throw new RangeError(`Planned offset ${offset}, but ${written} bytes are written`);
    yield* zeroes(offset - written);
    written = offset;
    for (const chunk of chunks()) {
      written += chunk.length;
      yield chunk;
    }
  }
}

function* zeroes(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= BLOCK_BYTES) yield ZEROES.subarray(0, Math.min(left, BLOCK_BYTES));
}

const ZEROES = new Uint8Array(BLOCK_BYTES);

function chunksOfInode(inode: PlacedInode): Uint8Array[] {
  return [encodeInode(inode), inode.xattrs, inode.content.map(inode.starts), inode.content.tail()];
}

function encodeInode(inode: PlacedInode): Uint8Array {
  const { collected, content, extended } = inode;
  const { node } = collected;
  const common = {
    i_format: (extended ? I_FORMAT_EXTENDED : 0) | (content.layout << I_FORMAT_LAYOUT_SHIFT),
    i_xattr_icount: xattrCount(inode.xattrs),
    i_mode: modeOf(node),
    i_u: content.union(inode.starts),
    // Only what a 32-bit stat shows: unique, from 1.
    i_ino: collected.index + 1,
    i_uid: node.uid,
    i_gid: node.gid,
    i_nlink: collected.links,
  };
  if (!extended) return CompactInode.encode({ ...common, i_size: content.size });
  return ExtendedInode.encode({ ...common, i_size: BigInt(content.size), i_mtime: unsignedSeconds(node.mtime) });
}
