import { type ByteString, haveSameContent, toHex } from "../bytes/index.ts";
import { modeOf, type Node, PERMISSIONS_MASK, type Tree } from "../tree/index.ts";

/** What of an entry is not the same. */
export interface Aspect {
  readonly what: "type" | "content" | "mode" | "owner" | "target" | "device" | "attributes";
  readonly before: string;
  readonly after: string;
}

/** A path that is not the same on both sides. */
export interface Difference {
  readonly path: ByteString;
  readonly change: "added" | "removed" | "changed";
  /** Of a regular file; 0 for all else and where there is none. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Empty for what was added or removed. */
  readonly aspects: readonly Aspect[];
}

/**
 * Everything that is not the same in two trees, in the order of their paths. Times are left out: they tell when a tree
 * was made, not what it holds.
 * @param options whether extended attributes count: not every tree shows them
 */
export function compareTrees(before: Tree, after: Tree, options: { readonly xattrs: boolean }): Difference[] {
  const old = new Map([...before.walk()].map(({ path, node }) => [path, node]));
  const differences: Difference[] = [];
  for (const { path, node } of after.walk()) {
    const earlier = old.get(path);
    old.delete(path);
    if (earlier === undefined) {
      differences.push({ path, change: "added", bytesBefore: 0, bytesAfter: sizeOf(node), aspects: [] });
      continue;
    }
    const aspects = aspectsOf(earlier, node, options);
    if (aspects.length === 0) continue;
    differences.push({ path, change: "changed", bytesBefore: sizeOf(earlier), bytesAfter: sizeOf(node), aspects });
  }
  for (const [path, node] of old) {
    differences.push({ path, change: "removed", bytesBefore: sizeOf(node), bytesAfter: 0, aspects: [] });
  }
  // As a walk goes: what is in a directory right behind it.
  const key = ({ path }: Difference): ByteString => path.replaceAll("/", "\0");
  return differences.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function aspectsOf(before: Node, after: Node, { xattrs }: { readonly xattrs: boolean }): Aspect[] {
  const aspects: Aspect[] = [];
  const compare = (what: Aspect["what"], of: (node: Node) => string): void => {
    const [a, b] = [of(before), of(after)];
    if (a !== b) aspects.push({ what, before: a, after: b });
  };
  compare("type", ({ kind }) => kind);
  if (before.kind === "file" && after.kind === "file" && !haveSameContent(before.content, after.content)) {
    aspects.push({ what: "content", before: `${before.content.size} bytes`, after: `${after.content.size} bytes` });
  }
  if (before.kind === "symlink" && after.kind === "symlink") {
    compare("target", (node) => (node.kind === "symlink" ? node.target : ""));
  }
  if (before.kind === after.kind) compare("device", (node) => ("major" in node ? `${node.major}:${node.minor}` : ""));
  // Nobody asks for the mode of a symlink, and archives disagree about it.
  if (before.kind !== "symlink" || after.kind !== "symlink") {
    compare("mode", (node) => (modeOf(node) & PERMISSIONS_MASK).toString(8).padStart(4, "0"));
  }
  compare("owner", ({ uid, gid }) => `${uid}:${gid}`);
  if (xattrs) compare("attributes", attributesOf);
  return aspects;
}

function attributesOf({ xattrs }: Node): string {
  const entries = [...xattrs].map(([name, value]) => `${name}=0x${toHex(value)}`);
  return entries.sort().join(" ") || "none";
}

function sizeOf(node: Node): number {
  return node.kind === "file" ? node.content.size : 0;
}
