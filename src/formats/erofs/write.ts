import {
  alignUp,
  type ByteSink,
  type ByteString,
  byteStringBytes,
  divideUp,
  FormatError,
  type Guid,
  guidToTextOrder,
  MemorySink,
} from "../../bytes/index.ts";
import { modeOf, type Tree } from "../../tree/index.ts";
import { collectInodes } from "./collect.ts";
import { type ErofsCompression, encodeCompressionConfig } from "./compress-config.ts";
import { type ContentPlanner, flatContent } from "./content.ts";
import { InodeArea } from "./inode-area.ts";
import {
  CompactInode,
  ExtendedInode,
  FEATURE_COMPAT,
  FEATURE_INCOMPAT,
  FORMAT,
  I_FORMAT_EXTENDED,
  I_FORMAT_LAYOUT_SHIFT,
  INODE_SLOT_BYTES,
  SUPER_MAGIC,
  SUPER_OFFSET,
  Superblock,
  VOLUME_NAME_BYTES,
} from "./layout.ts";
import { OrderedWriter } from "./ordered-writer.ts";
import { type PlacedInode, placeBlocks, placementOrder } from "./place.ts";
import { commonestTime, headBytesOf, planInode } from "./plan-inodes.ts";
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
  /** Store the blocks of files with equal content once; reads every file that has the size of another one twice. */
  readonly dedupe?: boolean;
  /** Write name filters for extended attributes: Linux 6.6 and later find out faster that there is none. */
  readonly xattrFilter?: boolean;
  /** Paths whose inodes and data come first, in this order; paths that are not in the tree have no effect. */
  readonly order?: readonly ByteString[];
  /** How files are stored. Default: as they are. */
  readonly planFile?: ContentPlanner;
  /** What `planFile` compresses with, if it does. */
  readonly compression?: ErofsCompression;
}

/** An image that is laid out but not yet written. */
export interface ErofsPlan {
  /** A multiple of 4096. */
  readonly sizeBytes: number;
  readonly inodeCount: number;
  /** The time of compact inodes. */
  readonly epoch: number;
  /** Writes the image from first to last byte; file contents are read in pieces while it goes. */
  emit(sink: ByteSink): void;
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
  const nids: number[] = [];
  const nidOf = (index: number): number => nids[index] ?? 0;
  const unplaced = collected.map((inode, index) =>
    planInode(inode, xattrs.bodies[index] as Uint8Array, { blockBytes: BLOCK_BYTES, epoch, planFile, nidOf }),
  );

  const inOrder = placementOrder(unplaced, tree, options.order ?? []);
  const area = new InodeArea(FIRST_INODE_BLOCK, BLOCK_BYTES);
  const offsets: number[] = [];
  for (const inode of inOrder) {
    const { mapBytes, tailBytes } = inode.content;
    const offset = area.place(headBytesOf(inode) + mapBytes + tailBytes);
    offsets[inode.collected.index] = offset;
    nids[inode.collected.index] = offset / INODE_SLOT_BYTES;
  }
  const xattrBlock = area.endBlock;
  const dataBlock = xattrBlock + divideUp(xattrs.shared.length, BLOCK_BYTES);
  const { placed, endBlock } = placeBlocks(inOrder, offsets, dataBlock, options.dedupe ?? false);

  const incompat = placed.reduce((bits, inode) => bits | inode.content.incompat, 0);
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
    inos: BigInt(placed.length),
    epoch: unsignedSeconds(epoch),
    blocks_lo: endBlock,
    xattr_blkaddr: xattrs.shared.length === 0 ? 0 : xattrBlock,
  });
  return {
    sizeBytes: endBlock * BLOCK_BYTES,
    inodeCount: placed.length,
    epoch,
    emit: (sink) => emit(sink, { superblock, placed, shared: xattrs.shared, xattrBlock, endBlock }),
  };
}

/** The whole image in memory: for tests and small trees. */
export function encodeErofs(tree: Tree, options: ErofsOptions): Uint8Array {
  const sink = new MemorySink();
  planErofs(tree, options).emit(sink);
  return sink.bytes();
}

function flatFiles(inlineTail: boolean): ContentPlanner {
  return (file, headBytes) => flatContent(file.content, { blockBytes: BLOCK_BYTES, headBytes, inlineTail });
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

interface Emission {
  readonly superblock: Uint8Array;
  readonly placed: readonly PlacedInode[];
  readonly shared: Uint8Array;
  readonly xattrBlock: number;
  readonly endBlock: number;
}

function emit(sink: ByteSink, image: Emission): void {
  const writer = new OrderedWriter(sink);
  writer.padTo(SUPER_OFFSET);
  writer.write(image.superblock);
  for (const inode of [...image.placed].sort((a, b) => a.offset - b.offset)) {
    writer.padTo(inode.offset);
    writer.write(encodeInode(inode));
    writer.write(inode.xattrs);
    writer.write(inode.content.map(inode.startBlock));
    writer.write(inode.content.tail());
  }
  writer.padTo(image.xattrBlock * BLOCK_BYTES);
  writer.write(image.shared);
  for (const inode of image.placed) {
    if (!inode.ownsBlocks) continue;
    writer.padTo(inode.startBlock * BLOCK_BYTES);
    for (const piece of inode.content.blocks()) writer.write(piece);
    writer.padTo(alignUp(writer.offset, BLOCK_BYTES));
  }
  writer.padTo(image.endBlock * BLOCK_BYTES);
  writer.flush();
}

function encodeInode(inode: PlacedInode): Uint8Array {
  const { collected, content, extended } = inode;
  const { node } = collected;
  const common = {
    i_format: (extended ? I_FORMAT_EXTENDED : 0) | (content.layout << I_FORMAT_LAYOUT_SHIFT),
    i_xattr_icount: xattrCount(inode.xattrs),
    i_mode: modeOf(node),
    i_u: content.union(inode.startBlock),
    // Only what a 32-bit stat shows: unique, from 1.
    i_ino: collected.index + 1,
    i_uid: node.uid,
    i_gid: node.gid,
    i_nlink: collected.links,
  };
  if (!extended) return CompactInode.encode({ ...common, i_size: content.size });
  return ExtendedInode.encode({ ...common, i_size: BigInt(content.size), i_mtime: unsignedSeconds(node.mtime) });
}
