import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from "node:fs";
import { type ByteSource, type ByteString, byteStringBytes, fromText, toText, UsageError } from "../bytes/index.ts";
import {
  type Directory,
  directory,
  kindOfMode,
  type Metadata,
  metadata,
  type Node,
  PERMISSIONS_MASK,
  regularFile,
  symlink,
  Tree,
} from "../tree/index.ts";
import { cannotRead, FileSource } from "./files.ts";

/** A file that is opened only when it is read, and only as long. */
class ClosedFile implements ByteSource {
  readonly #path: ByteString;
  readonly size: number;

  constructor(path: ByteString, size: number) {
    this.#path = path;
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    const source = new FileSource(systemPath(this.#path), "the file");
    try {
      return source.read(offset, length);
    } finally {
      source.close();
    }
  }
}

export interface HostTreeOptions {
  /** Take device nodes and hard links as what they are: for folders that hold a system, instead of parts of one. */
  readonly wholeSystem?: boolean;
}

/**
 * The folder `path` of this machine as a tree. File contents stay on disk until they are read; extended attributes
 * are not looked at, and each name of a file with several names is a file of its own, unless told otherwise.
 * @throws UsageError when something cannot be read, and for device nodes, unless told otherwise.
 */
export function readHostTree(path: string, { wholeSystem = false }: HostTreeOptions = {}): Tree {
  const folder = fromText(path);
  const links = wholeSystem ? new Map<string, Node>() : undefined;
  // Whoever names a folder by a symlink means the folder.
  const status = ask(folder, (place) => statSync(place));
  if (!status.isDirectory()) throw new UsageError(`Cannot use ${path}: expected a folder`);
  return new Tree(readDirectory(folder, status, links));
}

/** Nodes by device and inode; undefined where names are not followed to one node. */
type Links = Map<string, Node> | undefined;

function readDirectory(path: ByteString, status: Stats, links: Links): Directory {
  const node = directory(metadataOf(status));
  const names = ask(path, (place) => readdirSync(place, "latin1"));
  for (const name of names) node.entries.set(name, readNode(`${path}/${name}`, links));
  return node;
}

function readNode(path: ByteString, links: Links): Node {
  const status = ask(path, (place) => lstatSync(place));
  if (status.isDirectory()) return readDirectory(path, status, links);
  const key = `${status.dev}:${status.ino}`;
  const node = links?.get(key) ?? newNode(path, status, links !== undefined);
  links?.set(key, node);
  return node;
}

function newNode(path: ByteString, status: Stats, withDevices: boolean): Node {
  const kind = kindOfMode(status.mode);
  switch (kind) {
    case "file":
      return regularFile(new ClosedFile(path, status.size), metadataOf(status));
    case "symlink":
      return symlink(
        ask(path, (place) => readlinkSync(place, "latin1")),
        metadataOf(status),
      );
    case "fifo":
    case "socket":
      return { kind, ...metadataOf(status) };
    case "character-device":
    case "block-device":
      if (withDevices) return { kind, ...deviceNumber(status.rdev), ...metadataOf(status) };
      break;
    default:
      break;
  }
  throw new UsageError(`Cannot use ${toText(path)}: device nodes of a running machine are not part of a tree`);
}

/** What stat(2) gives for st_rdev: 8 bits of minor, 12 of major, 12 more of minor (gnu_dev_major and gnu_dev_minor). */
function deviceNumber(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

function metadataOf({ mode, uid, gid, mtimeMs }: Stats): Metadata {
  return metadata(mode & PERMISSIONS_MASK, { uid, gid, mtime: Math.floor(mtimeMs / 1000) });
}

/** Asks the operating system about a path, whose bytes need not be text. */
function ask<T>(path: ByteString, question: (path: Buffer) => T): T {
  try {
    return question(systemPath(path));
  } catch (cause) {
    throw cannotRead(toText(path), "the folder", cause);
  }
}

function systemPath(path: ByteString): Buffer {
  return Buffer.from(byteStringBytes(path));
}
