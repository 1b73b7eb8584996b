import {
  alignUp,
  type ByteSink,
  type ByteString,
  byteStringBytes,
  chunksOf,
  FormatError,
  hex,
  toText,
} from "../../bytes/index.ts";
import { modeOf, type Node, Tree, type WalkEntry } from "../../tree/index.ts";
import { ALIGNMENT, MAGIC_NEWC, MAX_FIELD, MAX_NAME_BYTES, MAX_TARGET_BYTES, NewcHeader, TRAILER } from "./layout.ts";

/** The name of the root directory, as find and every initrd generator write it. */
const ROOT_NAME = ".";
/** A directory's links: its own "." and its name. The kernel does not look at them. */
const DIRECTORY_LINKS = 2;

const PADDING = new Uint8Array(ALIGNMENT);

export interface CpioOptions {
  /** newc has no place for extended attributes: "refuse" (the default) fails where there are some, "drop" leaves them out. */
  xattrs?: "refuse" | "drop";
}

/**
 * Writes a newc archive (070701) with everything in `source`: a tree, or entries in an order of their own, parents first.
 * The bytes depend on nothing else: inodes are numbered in order from 1, devices are 0, and of a hard link's names the
 * first carries the data. Its length is a multiple of 4, so that another segment can follow.
 * @throws FormatError for what newc cannot hold: files of 4 GiB, names above 4,095 bytes, times outside of 1970 to 2106.
 */
export function encodeCpio(source: Tree | Iterable<WalkEntry>, sink: ByteSink, options: CpioOptions = {}): void {
  const entries = [...(source instanceof Tree ? source.walk() : source)];
  const names = new Map<Node, number>();
  for (const { node } of entries) names.set(node, (names.get(node) ?? 0) + 1);
  const inodes = new Map<Node, number>();
  let lastInode = 0;
  for (const { path, node } of entries) {
    checkNode(path, node, options);
    const known = canBeLinked(node) ? inodes.get(node) : undefined;
    const ino = known ?? ++lastInode;
    if (known === undefined) inodes.set(node, ino);
    const nlink = node.kind === "directory" ? DIRECTORY_LINKS : canBeLinked(node) ? (names.get(node) ?? 1) : 1;
    writeEntry(sink, path, node, { ino, nlink, withData: known === undefined });
  }
  writeHeader(sink, TRAILER, { nlink: 1 });
}

/** The kernel makes links of all but directories and symlinks; several names of one symlink become several symlinks. */
function canBeLinked(node: Node): boolean {
  return node.kind !== "directory" && node.kind !== "symlink";
}

function writeEntry(
  sink: ByteSink,
  path: ByteString,
  node: Node,
  { ino, nlink, withData }: { ino: number; nlink: number; withData: boolean },
): void {
  const content = node.kind === "file" && withData ? node.content : undefined;
  const target = node.kind === "symlink" ? byteStringBytes(node.target) : undefined;
  const filesize = content?.size ?? target?.length ?? 0;
  writeHeader(sink, path === "" ? ROOT_NAME : path, {
    ino,
    nlink,
    mode: modeOf(node),
    uid: node.uid,
    gid: node.gid,
    mtime: node.mtime,
    filesize,
    rdevmajor: "major" in node ? node.major : 0,
    rdevminor: "minor" in node ? node.minor : 0,
  });
  if (target !== undefined) sink.write(target);
  if (content !== undefined) for (const chunk of chunksOf(content)) sink.write(chunk);
  writePadding(sink, filesize);
}

function writeHeader(sink: ByteSink, name: ByteString, fields: Partial<NewcHeader>): void {
  const nameBytes = byteStringBytes(name);
  const namesize = nameBytes.length + 1;
  const bytes = new Uint8Array(alignUp(NewcHeader.size + namesize, ALIGNMENT));
  NewcHeader.write(bytes, 0, {
    magic: MAGIC_NEWC,
    ino: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    nlink: 0,
    mtime: 0,
    filesize: 0,
    devmajor: 0,
    devminor: 0,
    rdevmajor: 0,
    rdevminor: 0,
    check: 0,
    ...fields,
    namesize,
  });
  bytes.set(nameBytes, NewcHeader.size);
  sink.write(bytes);
}

function writePadding(sink: ByteSink, size: number): void {
  const missing = alignUp(size, ALIGNMENT) - size;
  if (missing > 0) sink.write(PADDING.subarray(0, missing));
}

function checkNode(path: ByteString, node: Node, { xattrs = "refuse" }: CpioOptions): void {
  const refuse = (why: string, field?: string): never => {
    throw new FormatError(`Cannot write ${toText(path) || ROOT_NAME}: ${why}`, { format: "cpio", field });
  };
  if (path === TRAILER) refuse(`the name ${TRAILER} ends an archive`, "name");
  if (path.length + 1 > MAX_NAME_BYTES) refuse(`its name is longer than ${MAX_NAME_BYTES - 1} bytes`, "namesize");
  if (path.includes("\0")) refuse("its name contains NUL", "name");
  if (xattrs === "refuse" && node.xattrs.size > 0) {
    refuse(`newc cannot hold its extended attributes (${[...node.xattrs.keys()].map(toText).join(", ")})`);
  }
  const numbers: Partial<NewcHeader> = { uid: node.uid, gid: node.gid, mtime: node.mtime };
  if (node.kind === "file") numbers.filesize = node.content.size;
  if ("major" in node) Object.assign(numbers, { rdevmajor: node.major, rdevminor: node.minor });
  for (const [field, value] of Object.entries(numbers)) {
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > MAX_FIELD) {
      refuse(`expected a whole number from 0 to ${hex(MAX_FIELD)}, got ${value}`, field);
    }
  }
  if (node.kind === "symlink" && (node.target.length === 0 || node.target.length > MAX_TARGET_BYTES)) {
    refuse(`its target of ${node.target.length} bytes is not between 1 and ${MAX_TARGET_BYTES}`, "filesize");
  }
}
