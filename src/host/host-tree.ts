import { type Dirent, lstatSync, readdirSync, readlinkSync, type Stats, statSync } from "node:fs";
import { type ByteSource, type ByteString, byteStringBytes, fromText, toText, UsageError } from "../bytes/index.ts";
import {
  type Directory,
  directory,
  kindOfMode,
  type Metadata,
  metadata,
  type Node,
  PERMISSIONS_MASK,
  type RegularFile,
  regularFile,
  symlink,
  Tree,
} from "../tree/index.ts";
import { cannotRead, FileSource } from "./files.ts";

/** A file that is opened only when it is read, and only as long. */
class ClosedFile implements ByteSource {
  readonly #path: ByteString;
  readonly #status: () => Stats;

  constructor(path: ByteString, status: () => Stats) {
    this.#path = path;
    this.#status = status;
  }

  get size(): number {
    return this.#status().size;
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

/**
 * A folder that holds a system, with device nodes and hard links as what they are. File contents stay on disk until they
 * are read; extended attributes are not looked at.
 * @throws UsageError when something cannot be read.
 */
export function readHostTree(path: string): Tree {
  const folder = fromText(path);
  return new Tree(readDirectory(folder, statusOfFolder(folder), new Map()));
}

/**
 * A folder whose parts are asked for when they are wanted: a kernel has thousands of modules in a thousand directories,
 * and few of them are. Names of one file are files of their own.
 * @throws UsageError when there is no such folder; later when something cannot be read, and for device nodes.
 */
export function hostFolder(path: string): Tree {
  const folder = fromText(path);
  statusOfFolder(folder);
  return new Tree(new UnreadDirectory(folder));
}

/** Whoever names a folder by a symlink means the folder. */
function statusOfFolder(folder: ByteString): Stats {
  const status = ask(folder, (place) => statSync(place));
  if (status.isDirectory()) return status;
  throw new UsageError(`Cannot use ${toText(folder)}: expected a folder`);
}

/** What is asked for once it is wanted. */
class Unasked {
  protected readonly path: ByteString;
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array> = new Map();
  #status: Stats | undefined;

  constructor(path: ByteString) {
    this.path = path;
  }

  protected get status(): Stats {
    this.#status ??= statusOf(this.path, "the file");
    return this.#status;
  }

  get permissions(): number {
    return metadataOf(this.status).permissions;
  }

  get uid(): number {
    return this.status.uid;
  }

  get gid(): number {
    return this.status.gid;
  }

  get mtime(): number {
    return metadataOf(this.status).mtime;
  }
}

class UnreadFile extends Unasked implements RegularFile {
  readonly kind = "file";
  readonly content = new ClosedFile(this.path, () => this.status);
}

class UnreadDirectory extends Unasked implements Directory {
  readonly kind = "directory";
  #entries: Map<ByteString, Node> | undefined;

  get entries(): Map<ByteString, Node> {
    this.#entries ??= new Map(namesIn(this.path).map((entry) => [entry.name, this.#nodeOf(entry)]));
    return this.#entries;
  }

  #nodeOf(entry: Dirent): Node {
    const path = `${this.path}/${entry.name}`;
    if (entry.isFile()) return new UnreadFile(path);
    if (entry.isDirectory()) return new UnreadDirectory(path);
    if (entry.isCharacterDevice() || entry.isBlockDevice()) {
      throw new UsageError(`Cannot use ${toText(path)}: device nodes of a running machine are not part of a tree`);
    }
    return newNode(path, statusOf(path));
  }
}

/** Nodes by device and inode. */
type Links = Map<string, Node>;

function readDirectory(path: ByteString, status: Stats, links: Links): Directory {
  const node = directory(metadataOf(status));
  for (const { name } of namesIn(path)) node.entries.set(name, readNode(`${path}/${name}`, links));
  return node;
}

function readNode(path: ByteString, links: Links): Node {
  const status = statusOf(path);
  if (status.isDirectory()) return readDirectory(path, status, links);
  const key = `${status.dev}:${status.ino}`;
  const node = links.get(key) ?? newNode(path, status);
  links.set(key, node);
  return node;
}

function namesIn(path: ByteString): Dirent[] {
  return ask(path, (place) => readdirSync(place, { encoding: "latin1", withFileTypes: true }));
}

function newNode(path: ByteString, status: Stats): Node {
  const kind = kindOfMode(status.mode);
  switch (kind) {
    case "file":
      return regularFile(new ClosedFile(path, () => status), metadataOf(status));
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
      return { kind, ...deviceNumber(status.rdev), ...metadataOf(status) };
    default:
      throw new UsageError(`Cannot use ${toText(path)}: expected a file, a folder, a symlink, or a device`);
  }
}

/** What stat(2) gives for st_rdev: 8 bits of minor, 12 of major, 12 more of minor (gnu_dev_major and gnu_dev_minor). */
function deviceNumber(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

function metadataOf({ mode, uid, gid, mtimeMs }: Stats): Metadata {
  return metadata(mode & PERMISSIONS_MASK, { uid, gid, mtime: Math.floor(mtimeMs / 1000) });
}

function statusOf(path: ByteString, what?: string): Stats {
  return ask(path, (place) => lstatSync(place), what);
}

/** Asks the operating system about a path, whose bytes need not be text. */
function ask<T>(path: ByteString, question: (path: Buffer) => T, what = "the folder"): T {
  try {
    return question(systemPath(path));
  } catch (cause) {
    throw cannotRead(toText(path), what, cause);
  }
}

function systemPath(path: ByteString): Buffer {
  return Buffer.from(byteStringBytes(path));
}
