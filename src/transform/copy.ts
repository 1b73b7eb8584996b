import { type Node, Tree } from "../tree/index.ts";

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
