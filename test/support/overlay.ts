import fc from "fast-check";
import { copyTree } from "../../src/transform/copy.ts";
import { type Directory, directory, type Node, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { factsOf, trees } from "./erofs-trees.ts";

const PREFIX = "trusted.overlay.";

const isWhiteout = (node: Node): boolean => node.kind === "character-device" && node.major === 0 && node.minor === 0;

/** What overlayfs shows of one layer over another, told by its documentation and not by our writer. */
export function overlay(upper: Tree, lower: Tree): Tree {
  return new Tree(merged(upper.root, lower.root));
}

function merged(upper: Directory, lower: Directory | undefined): Directory {
  const entries = new Map<string, Node>();
  for (const [name, node] of lower?.entries ?? []) entries.set(name, node);
  for (const [name, node] of upper.entries) {
    if (isWhiteout(node)) entries.delete(name);
    else if (node.kind !== "directory") entries.set(name, node);
    else {
      const below = lower?.entries.get(name);
      const isOpaque = Buffer.from(node.xattrs.get(`${PREFIX}opaque`) ?? []).toString() === "y";
      entries.set(name, merged(node, isOpaque || below?.kind !== "directory" ? undefined : below));
    }
  }
  const xattrs = new Map([...upper.xattrs].filter(([name]) => !name.startsWith(PREFIX)));
  return { ...upper, xattrs, entries };
}

/** A tree as plain values, but for what is not compared: times, and the modes of symlinks. */
export function timelessFacts(tree: Tree): unknown[] {
  return factsOf(tree).map((facts) => ({
    ...(facts as object),
    mtime: undefined,
    ...("target" in (facts as object) ? { mode: undefined } : {}),
  }));
}

/** What may have happened to an entry between a base and a tree that was made from it. */
const changes = fc.array(
  fc.record({ at: fc.nat(), how: fc.constantFrom("remove", "mode", "file", "folder", "link", "empty", "unlink") }),
  { maxLength: 12 },
);

/** Two trees that have much in common, and in either of them anything that a file system holds. */
export const relatedTrees: fc.Arbitrary<{ tree: Tree; base: Tree }> = fc
  .record({ original: trees, here: changes, there: changes })
  .map(({ original, here, there }) => ({ tree: changed(original, here), base: changed(original, there) }));

function changed(original: Tree, edits: readonly { readonly at: number; readonly how: string }[]): Tree {
  const tree = copyTree(original);
  for (const { path, node } of [...tree.walk()]) if (isWhiteout(node)) tree.remove(path);
  for (const { at, how } of edits) {
    const entries = [...tree.walk()].slice(1);
    const entry = entries[at % Math.max(entries.length, 1)];
    if (entry === undefined) break;
    const { path, node } = entry;
    if (how === "remove") tree.remove(path);
    else if (how === "mode") node.permissions ^= 0o1;
    else if (how === "file") tree.set(path, regularFile(Buffer.from(`${at}`)));
    else if (how === "folder") tree.set(path, directory({ permissions: 0o700 }));
    else if (how === "link") tree.set(path, symlink("somewhere"));
    else if (how === "empty" && node.kind === "directory") node.entries.clear();
    else if (how === "unlink" && node.kind === "file") tree.set(path, { ...node });
  }
  return tree;
}
