import { createHash } from "node:crypto";
import { type ByteSource, chunksOf } from "../../bytes/index.ts";
import type { RegularFile, Tree } from "../../tree/index.ts";

/** From each file with the content of an earlier one (in walk order) to that one. */
export type EqualFiles = ReadonlyMap<RegularFile, RegularFile>;

/** Files of one size mostly differ here already. */
const PROBE_BYTES = 4096;

/**
 * Finds files with equal content, which need to be compressed and stored only once. Of files whose size no other one
 * has, nothing is read.
 */
export function findEqualFiles(tree: Tree): EqualFiles {
  const files = new Set<RegularFile>();
  for (const { node } of tree.walk()) if (node.kind === "file" && node.content.size > 0) files.add(node);
  const equal = new Map<RegularFile, RegularFile>();
  for (const sameSize of groupsBy(files, ({ content }) => content.size)) {
    for (const sameEnd of groupsBy(sameSize, ({ content }) => endOf(content))) {
      const isWhole = (sameEnd[0]?.content.size ?? 0) <= PROBE_BYTES;
      const groups = isWhole ? [sameEnd] : groupsBy(sameEnd, ({ content }) => digestOf(content));
      for (const [first, ...others] of groups) {
        for (const other of others) if (first !== undefined) equal.set(other, first);
      }
    }
  }
  return equal;
}

/** Those with the same key, in their order, where there are several. */
function groupsBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K): T[][] {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()].filter(({ length }) => length > 1);
}

/** The last bytes: what formats begin with is alike in most files. */
function endOf(content: ByteSource): string {
  const length = Math.min(content.size, PROBE_BYTES);
  return Buffer.from(content.read(content.size - length, length)).toString("latin1");
}

function digestOf(content: ByteSource): string {
  const hash = createHash("sha256");
  for (const chunk of chunksOf(content)) hash.update(chunk);
  return hash.digest("hex");
}
