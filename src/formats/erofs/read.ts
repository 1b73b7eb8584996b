import { type ByteSource, byteStringFrom } from "../../bytes/index.ts";
import { type Directory, directory, type Metadata, type Node, Tree } from "../../tree/index.ts";
import { decodeDevice } from "./device.ts";
import { contentSource, extentsOf } from "./extents.ts";
import { Budget, ErofsImage, type ErofsInode, fail } from "./image.ts";
import { XattrReader } from "./read-xattrs.ts";
import type { ErofsSuperblock } from "./superblock.ts";
import { walkDirectories } from "./walk.ts";

/** PATH_MAX: Linux follows no longer target. */
const MAX_TARGET_BYTES = 4096;

/** An EROFS image that is open for reading. */
export interface Erofs {
  readonly superblock: ErofsSuperblock;
  /**
   * All files; contents are read from the image when they are asked for.
   * @throws FormatError for compressed files and for what is not sound, with the offset.
   */
  tree(): Tree;
}

/**
 * Opens an EROFS image; only the first block is read.
 * @throws FormatError when the superblock is not sound, or needs what this reader does not have.
 */
export function readErofs(source: ByteSource): Erofs {
  const image = new ErofsImage(source);
  return { superblock: image.superblock, tree: () => readTree(image) };
}

function readTree(image: ErofsImage): Tree {
  const budget = new Budget(image.source.size);
  const xattrs = new XattrReader(image, budget);
  const nodes = new Map<number, Node>();
  const nodeOf = (inode: ErofsInode): Node => {
    const known = nodes.get(inode.nid);
    if (known !== undefined) return known;
    const { permissions, uid, gid, mtime } = inode;
    const node = makeNode(image, inode, { permissions, uid, gid, mtime, xattrs: xattrs.read(inode) }, budget);
    nodes.set(inode.nid, node);
    return node;
  };
  let root: Directory | undefined;
  for (const { inode, entries } of walkDirectories(image, budget)) {
    const parent = nodeOf(inode) as Directory;
    root ??= parent;
    for (const entry of entries) parent.entries.set(entry.name, nodeOf(entry.inode));
  }
  return new Tree(root);
}

function makeNode(image: ErofsImage, inode: ErofsInode, metadata: Metadata, budget: Budget): Node {
  const { kind } = inode;
  switch (kind) {
    case "directory":
      return directory(metadata);
    case "file":
      return {
        kind,
        ...metadata,
        content: contentSource(image.source, inode.size, extentsOf(image, inode, budget)),
      };
    case "symlink":
      return { kind, ...metadata, target: readTarget(image, inode, budget) };
    case "character-device":
    case "block-device":
      return { kind, ...metadata, ...decodeDevice(inode.union) };
    case "fifo":
    case "socket":
      return { kind, ...metadata };
  }
}

/** @throws FormatError when the target is empty, too long or holds a NUL. */
export function readTarget(image: ErofsImage, inode: ErofsInode, budget: Budget): string {
  if (inode.size === 0 || inode.size > MAX_TARGET_BYTES) {
    fail(
      `Cannot read symlink ${inode.nid}: expected 1 to ${MAX_TARGET_BYTES} bytes, got ${inode.size}`,
      inode.offset,
      "i_size",
    );
  }
  budget.claim(inode.size, `symlink ${inode.nid}`, inode.offset);
  const content = contentSource(image.source, inode.size, extentsOf(image, inode, budget));
  const target = byteStringFrom(content.read(0, content.size));
  if (target.includes("\0")) fail(`Cannot read symlink ${inode.nid}: its target has a NUL`, inode.offset);
  return target;
}
