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

/**
 * The folder `path` of this machine as a tree. File contents stay on disk until they are read; extended attributes
 * are not looked at, and each name of a file with several names is a file of its own.
 * @throws UsageError when something cannot be read, and for device nodes.
 */
export function readHostTree(path: string): Tree {
  const folder = fromText(path);
  // Whoever names a folder by a symlink means the folder.
  const status = ask(folder, (place) => statSync(place));
  if (!status.isDirectory()) throw new UsageError(`Cannot use ${path}: expected a folder`);
  return new Tree(readDirectory(folder, status));
}

function readDirectory(path: ByteString, status: Stats): Directory {
  const node = directory(metadataOf(status));
  const names = ask(path, (place) => readdirSync(place, "latin1"));
  for (const name of names) node.entries.set(name, readNode(`${path}/${name}`));
  return node;
}

function readNode(path: ByteString): Node {
  const status = ask(path, (place) => lstatSync(place));
  const kind = kindOfMode(status.mode);
  switch (kind) {
    case "directory":
      return readDirectory(path, status);
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
    default:
      throw new UsageError(`Cannot use ${toText(path)}: device nodes of a running machine are not part of a tree`);
  }
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
