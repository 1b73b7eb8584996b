import { type ByteString, compareByteStrings, toText } from "../../bytes/index.ts";
import type { ContentReader } from "./content-reader.ts";
import { type DirectoryEntry, parseDirectoryBlock } from "./directory.ts";
import type { InodeContent } from "./extent.ts";
import { type ErofsInode, fail } from "./image.ts";
import { FILE_TYPE } from "./layout.ts";

/** PATH_MAX is 4096: no path can name what lies deeper. */
const MAX_DEPTH = 2048;

/** A directory met on a walk, with the inodes of its entries ("." and ".." left out). */
export interface VisitedDirectory {
  readonly inode: ErofsInode;
  readonly content: InodeContent;
  readonly entries: readonly VisitedEntry[];
}

export interface VisitedEntry {
  readonly name: ByteString;
  readonly inode: ErofsInode;
  /** The first entry that names this inode. */
  readonly isFirst: boolean;
}

/**
 * Every directory of the image, the root first, each after its parent.
 * @throws FormatError for directories that are not sound, stand in two places or hold themselves.
 */
export function* walkDirectories(reader: ContentReader): Generator<VisitedDirectory> {
  const { image, budget } = reader;
  const inodes = new Map<number, ErofsInode>();
  const load = (nid: number): ErofsInode => {
    const inode = image.inode(nid);
    budget.claim(inode.headEnd - inode.offset, `inode ${nid}`, inode.offset);
    inodes.set(nid, inode);
    return inode;
  };
  const root = load(image.superblock.rootNid);
  if (root.kind !== "directory") fail(`Cannot use inode ${root.nid} as root: it is a ${root.kind}`, root.offset);
  const pending = [{ inode: root, parentNid: root.nid, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { inode, parentNid, depth } = next;
    if (depth > MAX_DEPTH)
      fail(`Cannot read inode ${inode.nid}: more than ${MAX_DEPTH} directories deep`, inode.offset);
    const content = reader.open(inode);
    const entries: VisitedEntry[] = [];
    for (const entry of readEntries(reader, inode, content)) {
      if (isSelfOrParent(entry, inode, parentNid)) continue;
      const known = inodes.get(entry.nid);
      const child = known ?? load(entry.nid);
      checkChild(entry, child, known !== undefined, inode);
      entries.push({ name: entry.name, inode: child, isFirst: known === undefined });
    }
    yield { inode, content, entries };
    for (const { inode: child } of entries) {
      if (child.kind === "directory") pending.push({ inode: child, parentNid: inode.nid, depth: depth + 1 });
    }
  }
}

function readEntries({ image, budget }: ContentReader, inode: ErofsInode, content: InodeContent): DirectoryEntry[] {
  const { blockBytes } = image.superblock;
  budget.claim(inode.size, `directory ${inode.nid}`, inode.offset);
  const extents = [...content.extents()];
  const all: DirectoryEntry[] = [];
  for (let at = 0; at < inode.size; at += blockBytes) {
    const block = content.read(at, Math.min(blockBytes, inode.size - at));
    const extent = extents.find(({ start, length }) => at >= start && at < start + length);
    const offset = extent?.offset === undefined ? inode.offset : extent.offset + at - extent.start;
    for (const entry of parseDirectoryBlock(block, offset)) {
      const last = all.at(-1);
      if (last !== undefined && compareByteStrings(last.name, entry.name) >= 0) {
        fail(
          `Cannot read directory ${inode.nid}: ${toText(entry.name)} is not in order, Linux would not find it`,
          offset,
        );
      }
      all.push(entry);
    }
  }
  return all;
}

/** Whether the entry is "." or ".."; both must name what they stand for, which also keeps directories from overlapping. */
function isSelfOrParent(entry: DirectoryEntry, inode: ErofsInode, parentNid: number): boolean {
  if (entry.name !== "." && entry.name !== "..") return false;
  const expected = entry.name === "." ? inode.nid : parentNid;
  if (entry.nid !== expected) {
    fail(
      `Cannot read directory ${inode.nid}: expected "${entry.name}" to be ${expected}, got ${entry.nid}`,
      inode.offset,
    );
  }
  return true;
}

function checkChild(entry: DirectoryEntry, child: ErofsInode, known: boolean, parent: ErofsInode): void {
  const where = `${toText(entry.name)} of directory ${parent.nid}`;
  if (child.kind === "directory" && known) {
    fail(`Cannot read ${where}: directory ${child.nid} stands in two places`, child.offset);
  }
  if (entry.fileType !== FILE_TYPE.unknown && entry.fileType !== FILE_TYPE[child.kind]) {
    fail(
      `Cannot read ${where}: expected file type ${FILE_TYPE[child.kind]} of a ${child.kind}, got ${entry.fileType}`,
      child.offset,
      "file_type",
    );
  }
}
