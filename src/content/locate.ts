import { type ByteString, fromText, toText, UsageError } from "../bytes/index.ts";
import { componentsOf, type Node, type Tree } from "../tree/index.ts";
import { type OpenContent, type Root, rootNamed } from "./open.ts";

/** Where a path leads. */
export interface Location {
  readonly root: Root;
  /** Without a leading slash, "" for the root; no component of it but perhaps the last is a symlink. */
  readonly path: ByteString;
  readonly node: Node;
}

const NAMED_ROOT = /^([a-z][a-z0-9-]*):(?=\/|$)/;

/**
 * What a path that a person gave leads to: `/usr/lib`, `usr/lib`, or `first-stage:/init` for another tree than the
 * first. Symlinks are followed inside of the tree; one at the very end only where told so.
 * @throws UsageError when nothing is there.
 */
export function locate(
  content: OpenContent,
  given: string,
  { followLast = true }: { followLast?: boolean } = {},
): Location {
  const name = NAMED_ROOT.exec(given)?.[1];
  // A file of the first tree may have such a name, too: then it is meant.
  const isNamed = name !== undefined && content.roots[0].tree.resolve(fromText(given)) === undefined;
  const root = isNamed ? rootNamed(content, name) : content.roots[0];
  const path = fromText(isNamed ? given.slice(name.length + 1) : given);
  const found = followLast ? root.tree.realPath(path) : lastNotFollowed(root.tree, path);
  if (found !== undefined) return { root, ...found };
  const dangling = followLast ? lastNotFollowed(root.tree, path) : undefined;
  const why = dangling?.node.kind === "symlink" ? `, the symlink to ${toText(dangling.node.target)} leads nowhere` : "";
  throw new UsageError(`Cannot find ${given} in ${content.path}${why}`, {
    hint: `lazyrd ls -R ${content.path} shows what there is`,
  });
}

function lastNotFollowed(tree: Tree, path: ByteString): { path: ByteString; node: Node } | undefined {
  const components = componentsOf(path);
  const last = components.pop();
  // Nothing to leave unfollowed: the root, "..", or a slash at the end.
  if (last === undefined || last === ".." || path.endsWith("/")) return tree.realPath(path);
  const parent = tree.realPath(components.join("/"));
  const node = parent?.node.kind === "directory" ? parent.node.entries.get(last) : undefined;
  if (parent === undefined || node === undefined) return undefined;
  return { path: parent.path === "" ? last : `${parent.path}/${last}`, node };
}

/** A path as a person would give it. */
export function shownPath(root: Pick<Root, "name">, path: ByteString): string {
  return `${root.name === "" ? "" : `${root.name}:`}/${toText(path)}`;
}
