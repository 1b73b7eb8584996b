import type { ByteString } from "../bytes/index.ts";
import { extentsOf } from "../formats/erofs/index.ts";
import type { Node, Tree } from "../tree/index.ts";
import { packageOf } from "./packages.ts";

/** What a regular file takes; one with several names stands under the first of them. */
export interface MeasuredFile {
  readonly path: ByteString;
  readonly bytes: number;
  /** What it takes in its image: its part of each physical cluster. Undefined where nothing tells. */
  readonly storedBytes: number | undefined;
}

/** Files that belong together. */
export interface SizeGroup {
  readonly name: ByteString;
  readonly files: number;
  readonly bytes: number;
  readonly storedBytes: number | undefined;
}

export const GROUPINGS = ["directory", "package", "extension"] as const;
export type Grouping = (typeof GROUPINGS)[number];

/**
 * What each regular file of a tree takes. Where several files share what is stored (deduplicated or in fragments), each
 * bears its part, so that the sum is what is stored.
 * @throws FormatError when a file's map in its image is not sound.
 */
export function measureTree(tree: Tree): MeasuredFile[] {
  const files: { path: ByteString; bytes: number; extents: ReturnType<typeof extentsOf> }[] = [];
  const known = new Set<Node>();
  for (const { path, node } of tree.walk()) {
    if (node.kind !== "file" || known.has(node)) continue;
    known.add(node);
    files.push({ path, bytes: node.content.size, extents: extentsOf(node.content) });
  }
  const users = new Map<number, number>();
  for (const { extents = [] } of files) {
    for (const { offset, length } of extents)
      if (offset !== undefined) users.set(offset, (users.get(offset) ?? 0) + length);
  }
  return files.map(({ path, bytes, extents }) => {
    const parts = extents?.map(({ offset, length, storedBytes }) =>
      offset === undefined ? 0 : (storedBytes * length) / (users.get(offset) ?? length),
    );
    return { path, bytes, storedBytes: parts?.reduce((sum, part) => sum + part, 0) };
  });
}

/**
 * Files by what they belong to, the largest first.
 * @param depth for directories: how many components of a path count
 */
export function groupSizes(files: readonly MeasuredFile[], by: Grouping, depth: number): SizeGroup[] {
  const groups = new Map<ByteString, { files: number; bytes: number; storedBytes: number | undefined }>();
  for (const { path, bytes, storedBytes } of files) {
    const name = groupOf(path, by, depth);
    const group = groups.get(name) ?? { files: 0, bytes: 0, storedBytes: storedBytes === undefined ? undefined : 0 };
    group.files++;
    group.bytes += bytes;
    if (storedBytes !== undefined) group.storedBytes = (group.storedBytes ?? 0) + storedBytes;
    groups.set(name, group);
  }
  return [...groups]
    .map(([name, group]) => ({ name, ...group, storedBytes: group.storedBytes && Math.round(group.storedBytes) }))
    .sort((a, b) => costOf(b) - costOf(a) || (a.name < b.name ? -1 : 1));
}

/** What counts: what is stored, where that is known. */
export function costOf({ bytes, storedBytes }: Pick<SizeGroup, "bytes" | "storedBytes">): number {
  return storedBytes ?? bytes;
}

function groupOf(path: ByteString, by: Grouping, depth: number): ByteString {
  if (by === "package") return packageOf(path);
  if (by === "extension") return extensionOf(path);
  const folders = path.split("/").slice(0, -1).slice(0, depth);
  return `/${folders.join("/")}`;
}

/** `.ko.xz` is another thing than `.ko`, and `libc.so.6` the same as `libc.so`. */
const EXTENSION = /[^/](\.so(?=\.[0-9.]+$)|(?:\.ko)?\.[A-Za-z][A-Za-z0-9]{0,9}$)/;

function extensionOf(path: ByteString): ByteString {
  return EXTENSION.exec(path)?.[1]?.toLowerCase() ?? "none";
}
