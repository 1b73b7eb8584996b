import type { ByteString } from "../bytes/index.ts";
import type { ListedEntry } from "../inspect/index.ts";
import { type Node, Tree, type WalkEntry } from "../tree/index.ts";

/** "." in a directory itself and its name in the one above. */
const OWN_LINKS = 2;

/** Entries as listings show them; links are counted in the whole tree. */
export function listedEntries(tree: Tree, entries: Iterable<WalkEntry>): ListedEntry[] {
  const names = new Map<Node, number>();
  for (const { node } of tree.walk()) names.set(node, (names.get(node) ?? 0) + 1);
  return [...entries].map(({ path, node }) => listed(path, node, linksOf(node, names)));
}

/** A directory's entries, or with `recursive` everything in it; of anything else, itself. */
export function entriesBelow({ path, node }: WalkEntry, recursive: boolean): WalkEntry[] {
  if (node.kind !== "directory") return [{ path, node }];
  const below = [...new Tree(node).walk()].slice(1);
  const within = (name: ByteString): ByteString => (path === "" ? name : `${path}/${name}`);
  if (recursive) return below.map((entry) => ({ path: within(entry.path), node: entry.node }));
  return below.filter((entry) => !entry.path.includes("/"));
}

function linksOf(node: Node, names: ReadonlyMap<Node, number>): number {
  if (node.kind !== "directory") return names.get(node) ?? 1;
  return OWN_LINKS + [...node.entries.values()].filter(({ kind }) => kind === "directory").length;
}

function listed(path: ByteString, node: Node, links: number): ListedEntry {
  const { kind, permissions, uid, gid, mtime } = node;
  const size = kind === "file" ? node.content.size : kind === "symlink" ? node.target.length : 0;
  const isDevice = kind === "character-device" || kind === "block-device";
  return {
    path,
    kind,
    permissions,
    links,
    uid,
    gid,
    size,
    mtime,
    device: isDevice ? { major: node.major, minor: node.minor } : undefined,
    target: kind === "symlink" ? node.target : undefined,
  };
}
