import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { type ByteSource, byteStringBytes, FormatError } from "../bytes/index.ts";
import { directory, kindOfMode, metadata, type Node, PERMISSIONS_MASK, regularFile, symlink, Tree } from "../tree/index.ts";
import { cannotRead, FileSource } from "./files.ts";

/** A file that is opened only when it is read, and only as long. */
class ClosedFile implements ByteSource {
  readonly #path: string;
  readonly size: number;

  constructor(path: string, size: number) {
    this.#path = path;
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    const source = new FileSource(this.#path, "the file");
    try {
      return source.read(offset, length);
    } finally {
      source.close();
    }
  }
}

/**
 * The folder `path` of this machine as a tree. File contents stay on disk until they are read; extended attributes
 * are not looked at.
 * @throws UsageError when something cannot be read.
 */
export function readHostTree(path: string): Tree {
  const root = readNode(path);
  if (root.kind !== "directory") throw new FormatError(`Cannot use ${path}: expected a folder`, { format: "folder" });
  return new Tree(root);
}

function readNode(path: string): Node {
  try {
    const status = lstatSync(path);
    const { uid, gid } = status;
    const given = { permissions: status.mode & PERMISSIONS_MASK, uid, gid, mtime: Math.floor(status.mtimeMs / 1000) };
    const kind = kindOfMode(status.mode);
    switch (kind) {
      case "directory": {
        const node = directory(given);
        for (const name of readdirSync(path, { encoding: "latin1" })) {
          node.entries.set(name, readNode(join(path, Buffer.from(byteStringBytes(name)).toString("utf8"))));
        }
        return node;
      }
      case "file":
        return regularFile(new ClosedFile(path, status.size), given);
      case "symlink":
        return symlink(readlinkSync(path, { encoding: "latin1" }), given);
      case "fifo":
      case "socket":
        return { kind, ...metadata(given.permissions, given) };
      default:
        throw new FormatError(`Cannot use ${path}: device nodes of a running machine are not part of a tree`, {
          format: "folder",
        });
    }
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw cannotRead(path, "the folder", cause);
  }
}
