import { byteStringBytes, FormatError, MemorySource, toText } from "../../bytes/index.ts";
import type { RegularFile } from "../../tree/index.ts";
import type { CollectedInode } from "./collect.ts";
import { type ContentPlanner, emptyContent, type FilePlace, flatContent, type StoredContent } from "./content.ts";
import { encodeDevice } from "./device.ts";
import { DirectoryContent } from "./directory.ts";
import { CompactInode, ExtendedInode, FILE_TYPE, FORMAT } from "./layout.ts";

/** What the fields of struct erofs_inode_compact hold. */
const COMPACT_MAX_SIZE = 0xffffffff;
const COMPACT_MAX_ID = 0xffff;
/** All ones is no owner: Linux would show the overflow user (INVALID_UID in linux/uidgid.h). */
const MAX_ID = 0xfffffffe;
const MAX_PERMISSIONS = 0o7777;
/** PATH_MAX without the NUL: the longest target that Linux can follow. */
const MAX_TARGET_BYTES = 4095;

/** An inode before it has a place. */
export interface UnplacedInode {
  readonly collected: CollectedInode;
  readonly extended: boolean;
  readonly xattrs: Uint8Array;
  readonly content: StoredContent;
}

export interface InodePlanning {
  readonly blockBytes: number;
  readonly epoch: number;
  readonly planFile: ContentPlanner;
  /** What is known of a file, but for what stands in front of its content. */
  readonly placeOf: (file: RegularFile) => Omit<FilePlace, "headBytes">;
  /** The number of an inode by its index; called only when content is written. */
  readonly nidOf: (index: number) => number;
}

/** Bytes of the inode and its extended attributes. */
export function headBytesOf(inode: Pick<UnplacedInode, "extended" | "xattrs">): number {
  return (inode.extended ? ExtendedInode : CompactInode).size + inode.xattrs.length;
}

/**
 * The time that the most inodes have which could be compact (32 instead of 64 bytes) with it; among equals the
 * earliest. Their times then stand once, in the superblock.
 */
export function commonestTime(inodes: readonly CollectedInode[]): number {
  const counts = new Map<number, number>();
  for (const inode of inodes) {
    if (fitsCompact(inode)) counts.set(inode.node.mtime, (counts.get(inode.node.mtime) ?? 0) + 1);
  }
  const byCount = [...counts].sort(([timeA, a], [timeB, b]) => b - a || timeA - timeB);
  return byCount[0]?.[0] ?? inodes[0]?.node.mtime ?? 0;
}

/**
 * Chooses the inode's version and how its content is stored.
 * @throws FormatError for metadata that EROFS cannot hold.
 */
export function planInode(collected: CollectedInode, xattrs: Uint8Array, planning: InodePlanning): UnplacedInode {
  checkMetadata(collected);
  const extended = !fitsCompact(collected) || collected.node.mtime !== planning.epoch;
  const headBytes = headBytesOf({ extended, xattrs });
  return { collected, extended, xattrs, content: planContent(collected, headBytes, planning) };
}

/** Everything but the time. The size of a directory never decides: 4 GiB of names do not fit into memory. */
function fitsCompact(inode: CollectedInode): boolean {
  const { node, links } = inode;
  const small = node.uid <= COMPACT_MAX_ID && node.gid <= COMPACT_MAX_ID && links <= COMPACT_MAX_ID;
  return small && (node.kind !== "file" || node.content.size <= COMPACT_MAX_SIZE);
}

function checkMetadata({ node, path }: CollectedInode): void {
  check(node.uid, MAX_ID, "uid", path);
  check(node.gid, MAX_ID, "gid", path);
  check(node.permissions, MAX_PERMISSIONS, "permissions", path);
  if (!Number.isSafeInteger(node.mtime)) fail(path, `expected whole seconds as mtime, got ${node.mtime}`);
}

function check(value: number, most: number, field: string, path: string): void {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    fail(path, `expected a ${field} of 0 to ${most}, got ${value}`);
  }
}

function fail(path: string, problem: string): never {
  throw new FormatError(`Cannot write /${toText(path)}: ${problem}`, { format: FORMAT });
}

function planContent(collected: CollectedInode, headBytes: number, planning: InodePlanning): StoredContent {
  const { node, path } = collected;
  const place = { blockBytes: planning.blockBytes, headBytes, inlineTail: true };
  switch (node.kind) {
    case "file":
      return planning.planFile(node, { headBytes, ...planning.placeOf(node) });
    case "directory":
      return flatContent(directoryContent(collected, planning), place);
    case "symlink":
      return flatContent(targetContent(node.target, path), place);
    case "character-device":
    case "block-device":
      return emptyContent(encodeDevice(node, path));
    case "fifo":
    case "socket":
      return emptyContent(0);
  }
}

function targetContent(target: string, path: string): MemorySource {
  if (target.length === 0 || target.length > MAX_TARGET_BYTES || target.includes("\0")) {
    fail(path, `expected a symlink target of 1 to ${MAX_TARGET_BYTES} bytes without NUL, got ${target.length} bytes`);
  }
  return new MemorySource(byteStringBytes(target));
}

function directoryContent(collected: CollectedInode, planning: InodePlanning): DirectoryContent<NumberedEntry> {
  const entries: NumberedEntry[] = [
    { name: ".", index: collected.index, fileType: FILE_TYPE.directory },
    { name: "..", index: collected.parentIndex, fileType: FILE_TYPE.directory },
  ];
  for (const { name, inode } of collected.entries) {
    entries.push({ name, index: inode.index, fileType: FILE_TYPE[inode.node.kind] });
  }
  return new DirectoryContent(entries, planning.blockBytes, ({ name, index, fileType }) => ({
    name,
    fileType,
    nid: planning.nidOf(index),
  }));
}

interface NumberedEntry {
  readonly name: string;
  readonly index: number;
  readonly fileType: number;
}
