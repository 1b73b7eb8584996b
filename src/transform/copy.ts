import type { ByteString } from "../bytes/index.ts";
import { directory, type Node, Tree } from "../tree/index.ts";

/** A tree of its own: its nodes may be changed. Contents are shared, and a file with several names stays one file. */
export function copyTree(tree: Tree): Tree {
  const copies = new Map<Node, Node>();
  const copyOf = (node: Node): Node => {
    const known = copies.get(node);
    if (known !== undefined) return known;
    const copy = node.kind === "directory" ? { ...node, entries: new Map() } : { ...node };
    copies.set(node, copy);
    return copy;
  };
  const copy = new Tree({ ...tree.root, entries: new Map() });
  for (const { path, node } of tree.walk()) if (path !== "") copy.set(path, copyOf(node));
  return copy;
}

/** The tree with `node` at `path`. Directories on the way are copies, or new ones: the given tree stays as it is. */
export function withNode(tree: Tree, path: ByteString, node: Node): Tree {
  const result = new Tree({ ...tree.root, entries: new Map(tree.root.entries) });
  const components = path.split("/");
  for (let depth = 1; depth < components.length; depth++) {
    const parent = components.slice(0, depth).join("/");
    const old = result.get(parent);
    result.set(parent, old?.kind === "directory" ? { ...old, entries: new Map(old.entries) } : directory());
  }
  result.set(path, node);
  return result;
}
