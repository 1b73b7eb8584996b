import { type ByteString, compareByteStrings, FormatError, toText } from "../bytes/index.ts";
import { type Directory, directory, type Node } from "./node.ts";

/** As the kernel: more links than this in one look-up are a loop (path_resolution(7)). */
const MAX_SYMLINKS = 40;
/** PATH_MAX with its NUL: no symlink of a running system has a longer target (symlink(2)). */
const MAX_TARGET_LENGTH = 4095;

/** An entry met on a walk: its path without a leading slash ("" for the root) and its node. */
export interface WalkEntry {
  readonly path: ByteString;
  readonly node: Node;
}

/**
 * A file tree in memory: what readers produce and writers consume.
 *
 * Paths are byte strings, components separated by "/"; leading and double slashes and "." components have no meaning.
 * `get`, `set` and `remove` take a path as the place of an entry; `resolve` and `realPath` follow symlinks and "..".
 */
export class Tree {
  readonly root: Directory;

  constructor(root: Directory = directory()) {
    this.root = root;
  }

  /** The node at `path`, without following a symlink that stands there, or undefined. */
  get(path: ByteString): Node | undefined {
    let node: Node | undefined = this.root;
    for (const name of componentsOf(path)) node = node?.kind === "directory" ? node.entries.get(name) : undefined;
    return node;
  }

  /**
   * The node at `path`, following symlinks as the kernel would with this tree as its root; undefined when a
   * component is missing or not a directory, and also when a chain of symlinks never ends.
   */
  resolve(path: ByteString): Node | undefined {
    return this.realPath(path)?.node;
  }

  /** Like `resolve`, with the path at which the node really stands. */
  realPath(path: ByteString): WalkEntry | undefined {
    const pending = stepsOf(path).reverse();
    const parents: { name: ByteString; node: Node }[] = [];
    let node: Node = this.root;
    let symlinks = 0;
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (node.kind !== "directory") return undefined;
      if (name === ".") continue;
      if (name === "..") {
        parents.pop();
        node = parents.at(-1)?.node ?? this.root;
        continue;
      }
      const next = node.entries.get(name);
      if (next === undefined) return undefined;
      if (next.kind === "symlink") {
        if (++symlinks > MAX_SYMLINKS || next.target === "" || next.target.length > MAX_TARGET_LENGTH) return undefined;
        if (next.target.startsWith("/")) {
          parents.length = 0;
          node = this.root;
        }
        pending.push(...stepsOf(next.target).reverse());
        continue;
      }
      parents.push({ name, node: next });
      node = next;
    }
    return { path: parents.map((parent) => parent.name).join("/"), node };
  }

  /**
   * Puts `node` at `path`, replacing what stands there.
   * @throws FormatError when the parent is not a directory of this tree.
   */
  set(path: ByteString, node: Node): void {
    const { parent, name } = this.#parentOf(path);
    parent.entries.set(name, node);
  }

  /** Like `set`, making directories (0755, root) for parents that are missing. */
  setWithParents(path: ByteString, node: Node): void {
    const components = componentsOf(path);
    for (let depth = 1; depth < components.length; depth++) {
      const parent = components.slice(0, depth).join("/");
      if (this.get(parent) === undefined) this.set(parent, directory());
    }
    this.set(path, node);
  }

  /**
   * Removes the entry at `path` with all below it; says whether there was one.
   * @throws FormatError for the root directory.
   */
  remove(path: ByteString): boolean {
    if (this.get(path) === undefined) return false;
    const { parent, name } = this.#parentOf(path);
    return parent.entries.delete(name);
  }

  /** Every entry, the root first, each directory before its entries, entries in byte order. */
  *walk(): Generator<WalkEntry> {
    const pending: WalkEntry[] = [{ path: "", node: this.root }];
    for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
      yield entry;
      if (entry.node.kind !== "directory") continue;
      const names = [...entry.node.entries.keys()].sort(compareByteStrings).reverse();
      for (const name of names) {
        const node = entry.node.entries.get(name);
        if (node !== undefined) pending.push({ path: entry.path === "" ? name : `${entry.path}/${name}`, node });
      }
    }
  }

  #parentOf(path: ByteString): { parent: Directory; name: ByteString } {
    const components = componentsOf(path);
    const name = components.pop();
    if (name === undefined) throw new FormatError("Cannot replace the root directory", { format: "tree" });
    if (name === "..") throw new FormatError(`Cannot use .. in ${toText(path)}`, { format: "tree" });
    const parent = this.get(components.join("/"));
    if (parent?.kind !== "directory") {
      throw new FormatError(`Cannot place ${toText(path)}: its parent is not a directory`, { format: "tree" });
    }
    return { parent, name };
  }
}

/**
 * What a look-up of a path goes through, component by component. A "." after the last one stands for a slash at the
 * end: both are an error behind anything but a directory (path_resolution(7)).
 */
function stepsOf(path: ByteString): ByteString[] {
  const steps = path.split("/").filter((component) => component !== "");
  return path.endsWith("/") ? [...steps, "."] : steps;
}

/** The components of a path: no empty ones and no ".". */
export function componentsOf(path: ByteString): ByteString[] {
  return path.split("/").filter((component) => component !== "" && component !== ".");
}
