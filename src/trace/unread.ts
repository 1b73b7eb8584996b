import type { ByteString } from "../bytes/index.ts";
import type { FileUsage } from "./usage.ts";

/** A part of the image's tree of which a boot read nothing. */
export interface UnreadTree {
  /** A directory of which nothing was read, or a single file. */
  readonly path: ByteString;
  readonly files: number;
  /** As it is stored. */
  readonly bytes: number;
}

/**
 * The largest parts of the tree that a boot did not use: of each directory that is not used at all one line, whatever it
 * holds. Used is what was touched, where that was recorded, and otherwise what was read.
 * @returns the largest first
 */
export function unreadTrees(files: Iterable<FileUsage>): UnreadTree[] {
  const used = new Set<ByteString>([""]);
  const sums = new Map<ByteString, { files: number; bytes: number }>();
  for (const file of files) {
    const isUsed = file.touchedBytes === undefined ? file.readBytes > 0 : file.touchedBytes > 0;
    for (const path of withParents(file.path)) {
      const sum = sums.get(path) ?? { files: 0, bytes: 0 };
      sums.set(path, { files: sum.files + 1, bytes: sum.bytes + file.storedBytes });
      if (isUsed) used.add(path);
    }
  }
  return [...sums]
    .filter(([path]) => !used.has(path) && used.has(parentOf(path)))
    .map(([path, sum]) => ({ path, ...sum }))
    .sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
}

function* withParents(path: ByteString): Generator<ByteString> {
  for (let at = path; ; at = parentOf(at)) {
    yield at;
    if (at === "") return;
  }
}

function parentOf(path: ByteString): ByteString {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}
