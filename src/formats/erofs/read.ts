import { type ByteSource, byteStringFrom } from "../../bytes/index.ts";
import { type Directory, directory, type Metadata, type Node, Tree } from "../../tree/index.ts";
import { ContentReader } from "./content-reader.ts";
import { BUILT_IN_DECODERS, type ExtentDecoders, loadExtentDecoders } from "./decoders.ts";
import { decodeDevice } from "./device.ts";
import { Budget, ErofsImage, type ErofsInode, fail } from "./image.ts";
import { COMPRESSION, FEATURE_INCOMPAT } from "./layout.ts";
import { XattrReader } from "./read-xattrs.ts";
import { type ErofsRegion, regionsOf } from "./regions.ts";
import { type ErofsSuperblock, readSuperblock } from "./superblock.ts";
import { walkDirectories } from "./walk.ts";

/** PATH_MAX: Linux follows no longer target. */
const MAX_TARGET_BYTES = 4096;

/** An EROFS image that is open for reading. */
export interface Erofs {
  readonly superblock: ErofsSuperblock;
  /**
   * All files; contents are read from the image when they are asked for.
   * @throws FormatError for what is not sound, with the offset. The index and the data of a compressed file are looked
   *   at only when it is read.
   */
  tree(): Tree;
  /**
   * Every part of the image that belongs to something, in the order of a walk: the way from a place to a file.
   * @throws FormatError for what is not sound, with the offset.
   */
  regions(): ErofsRegion[];
}

/**
 * Opens an EROFS image; only the first block is read.
 * @param decoders for compressed files; Zstandard has to be loaded first (`loadExtentDecoders`)
 * @throws FormatError when the superblock is not sound, or needs what this reader does not have.
 */
export function readErofs(source: ByteSource, decoders: ExtentDecoders = BUILT_IN_DECODERS): Erofs {
  const image = new ErofsImage(source);
  const reader = (): ContentReader => new ContentReader(image, new Budget(source.size), decoders);
  return { superblock: image.superblock, tree: () => readTree(reader()), regions: () => regionsOf(reader()) };
}

/**
 * Like `readErofs`, with the decoders that the image needs.
 * @throws FormatError as `readErofs`.
 */
export async function openErofs(source: ByteSource): Promise<Erofs> {
  const { incompat, compression } = readSuperblock(source);
  const hasZstd = (incompat & FEATURE_INCOMPAT.COMPR_CFGS) !== 0 && (compression & (1 << COMPRESSION.ZSTD)) !== 0;
  return readErofs(source, hasZstd ? await loadExtentDecoders() : BUILT_IN_DECODERS);
}

function readTree(reader: ContentReader): Tree {
  const xattrs = new XattrReader(reader);
  const nodes = new Map<number, Node>();
  const nodeOf = (inode: ErofsInode): Node => {
    const known = nodes.get(inode.nid);
    if (known !== undefined) return known;
    const { permissions, uid, gid, mtime } = inode;
    const node = makeNode(reader, inode, { permissions, uid, gid, mtime, xattrs: xattrs.read(inode) });
    nodes.set(inode.nid, node);
    return node;
  };
  let root: Directory | undefined;
  for (const { inode, entries } of walkDirectories(reader)) {
    const parent = nodeOf(inode) as Directory;
    root ??= parent;
    for (const entry of entries) parent.entries.set(entry.name, nodeOf(entry.inode));
  }
  return new Tree(root);
}

function makeNode(reader: ContentReader, inode: ErofsInode, metadata: Metadata): Node {
  const { kind } = inode;
  switch (kind) {
    case "directory":
      return directory(metadata);
    case "file":
      return { kind, ...metadata, content: reader.open(inode) };
    case "symlink":
      return { kind, ...metadata, target: readTarget(reader, inode) };
    case "character-device":
    case "block-device":
      return { kind, ...metadata, ...decodeDevice(inode.union) };
    case "fifo":
    case "socket":
      return { kind, ...metadata };
  }
}

/** @throws FormatError when the target is empty, too long or holds a NUL. */
export function readTarget(reader: ContentReader, inode: ErofsInode): string {
  if (inode.size === 0 || inode.size > MAX_TARGET_BYTES) {
    fail(
      `Cannot read symlink ${inode.nid}: expected 1 to ${MAX_TARGET_BYTES} bytes, got ${inode.size}`,
      inode.offset,
      "i_size",
    );
  }
  reader.budget.claim(inode.size, `symlink ${inode.nid}`, inode.offset);
  const content = reader.open(inode);
  const target = byteStringFrom(content.read(0, content.size));
  if (target.includes("\0")) fail(`Cannot read symlink ${inode.nid}: its target has a NUL`, inode.offset);
  return target;
}
