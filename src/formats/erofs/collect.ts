import { type ByteString, compareByteStrings, FormatError, toText } from "../../bytes/index.ts";
import type { Directory, Node, Tree } from "../../tree/index.ts";
import { FORMAT, NAME_MAX_BYTES } from "./layout.ts";

/** An entry of a directory that is to be written. */
export interface CollectedEntry {
  readonly name: ByteString;
  readonly inode: CollectedInode;
}

/** A node of the tree as one inode, however many names it has. */
export interface CollectedInode {
  readonly node: Node;
  /** Its first name in walk order, for messages and for `order`. */
  readonly path: ByteString;
  /** Place in walk order, from 0. */
  readonly index: number;
  /** Of the directory that holds the first name; the root is its own parent. */
  readonly parentIndex: number;
  /** In byte order; empty unless the node is a directory. */
  readonly entries: CollectedEntry[];
  links: number;
}

/** "." in the directory itself and the name in its parent. */
const LINKS_OF_EMPTY_DIRECTORY = 2;

/**
 * Every inode of `tree` in walk order: directories before their entries, entries in byte order.
 * @throws FormatError for names that no file system can hold, and for a directory that stands in two places.
 */
export function collectInodes(tree: Tree): CollectedInode[] {
  const inodes: CollectedInode[] = [];
  const known = new Map<Node, CollectedInode>();
  const add = (node: Node, path: ByteString, parentIndex: number): CollectedInode => {
    const links = node.kind === "directory" ? LINKS_OF_EMPTY_DIRECTORY : 0;
    const inode = { node, path, index: inodes.length, parentIndex, entries: [], links };
    inodes.push(inode);
    known.set(node, inode);
    return inode;
  };
  const root = add(tree.root, "", 0);
  const pending = [{ inode: root, names: namesOf(tree.root, "") }];
  for (let top = pending.at(-1); top !== undefined; top = pending.at(-1)) {
    const directory = top.inode;
    const name = top.names.pop();
    if (name === undefined) {
      pending.pop();
      continue;
    }
    const node = (directory.node as Directory).entries.get(name) as Node;
    const path = directory.path === "" ? name : `${directory.path}/${name}`;
    const earlier = known.get(node);
    if (node.kind === "directory" && earlier !== undefined) {
      fail(`Cannot write ${toText(path)}: the same directory also stands at /${toText(earlier.path)}`);
    }
    const inode = earlier ?? add(node, path, directory.index);
    if (node.kind === "directory") {
      directory.links++;
      pending.push({ inode, names: namesOf(node, path) });
    } else {
      inode.links++;
    }
    directory.entries.push({ name, inode });
  }
  return inodes;
}

/** Names in reverse byte order, so that the next one is taken from the end. */
function namesOf(node: Directory, path: ByteString): ByteString[] {
  const names = [...node.entries.keys()];
  for (const name of names) checkName(name, path);
  return names.sort(compareByteStrings).reverse();
}

function checkName(name: ByteString, path: ByteString): void {
  const place = `${JSON.stringify(toText(name))} in /${toText(path)}`;
  if (name.length === 0 || name.length > NAME_MAX_BYTES) {
    fail(`Cannot write ${place}: expected a name of 1 to ${NAME_MAX_BYTES} bytes, got ${name.length}`);
  }
  if (name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    fail(`Cannot write ${place}: a name is not "." or ".." and has no "/" and no NUL`);
  }
}

function fail(message: string): never {
  throw new FormatError(message, { format: FORMAT });
}
