import type { ByteString } from "../../bytes/index.ts";
import type { Profile } from "../../profile/index.ts";
import type { Node, RegularFile, Tree } from "../../tree/index.ts";
import { cutFile, type FilePart, type HotRange } from "./cut.ts";
import type { EqualFiles } from "./equal-files.ts";

/** The order in which a boot is expected to read a tree, and how files are cut for it. */
export interface ReadOrder {
  /** What is read or looked up, the first one first. */
  readonly nodes: readonly Node[];
  /** The parts of a file, from its first to its last byte; one part where it is not cut. */
  partsOf(file: RegularFile): readonly FilePart[];
}

/**
 * Applies a profile to a tree. Directories that lead to something come before it, and so do symlinks to it: most of what is
 * read is found by one. Files with equal content, which are stored once, are cut as one. Paths that the tree does not
 * have are passed over.
 */
export function readOrder(tree: Tree, profile: Profile, equalFiles: EqualFiles = new Map()): ReadOrder {
  const symlinks = symlinksByTarget(tree);
  const nodes = new Set<Node>();
  const ranges = new Map<RegularFile, HotRange[]>();
  const add = (node: Node): void => {
    if (nodes.has(node)) return;
    for (const symlink of symlinks.get(node) ?? []) nodes.add(symlink);
    nodes.add(node);
  };
  for (const [rank, { path, start, end }] of profile.entries.entries()) {
    const found = find(tree, path);
    if (found === undefined) continue;
    for (const directory of found.directories) add(directory);
    add(found.node);
    if (found.node.kind !== "file" || start >= end) continue;
    const stored = equalFiles.get(found.node) ?? found.node;
    const list = ranges.get(stored);
    if (list === undefined) ranges.set(stored, [{ start, end, rank }]);
    else list.push({ start, end, rank });
  }
  const parts = new Map([...ranges].map(([file, hot]) => [file, cutFile(file.content.size, hot)]));
  return {
    nodes: [...nodes],
    partsOf: (file) => parts.get(equalFiles.get(file) ?? file) ?? wholeFile(file),
  };
}

/** A file that nobody reads while booting. */
export function wholeFile({ content }: RegularFile): readonly FilePart[] {
  return [{ start: 0, end: content.size, rank: undefined }];
}

/** A node and the directories that lead to it, from the root. */
function find(tree: Tree, path: ByteString): { directories: Node[]; node: Node } | undefined {
  // A symlink that is named itself, or else what is behind the symlinks on the way.
  const real = tree.get(path) === undefined ? tree.realPath(path) : { path };
  if (real === undefined) return undefined;
  const directories: Node[] = [];
  let node: Node = tree.root;
  for (const name of real.path.split("/").filter((component) => component !== "" && component !== ".")) {
    directories.push(node);
    const next: Node | undefined = node.kind === "directory" ? node.entries.get(name) : undefined;
    if (next === undefined) return undefined;
    node = next;
  }
  return { directories, node };
}

function symlinksByTarget(tree: Tree): Map<Node, Node[]> {
  const byTarget = new Map<Node, Node[]>();
  for (const { path, node } of tree.walk()) {
    if (node.kind !== "symlink") continue;
    const target = tree.resolve(path);
    if (target === undefined) continue;
    const list = byTarget.get(target);
    if (list === undefined) byTarget.set(target, [node]);
    else list.push(node);
  }
  return byTarget;
}
