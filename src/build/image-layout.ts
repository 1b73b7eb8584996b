import { toText } from "../bytes/index.ts";
import { type EqualFiles, findEqualFiles, type ReadOrder, readOrder } from "../formats/erofs/index.ts";
import { defaultProfile, type Profile } from "../profile/index.ts";
import type { Tree } from "../tree/index.ts";

/** How a tree is laid out: for those who compress its files and for the writer, who must cut them alike. */
export interface ImageLayout {
  readonly order: ReadOrder;
  readonly equalFiles: EqualFiles;
  readonly warnings: readonly string[];
}

/**
 * Lays a tree out for the boot that was recorded, or else for one as it usually is.
 * @param whole what the boot has found, where the tree is only what differs from something
 */
export function layOutImage(tree: Tree, profile: Profile | undefined, whole = tree): ImageLayout {
  const equalFiles = findEqualFiles(tree);
  const order = readOrder(tree, profile ?? defaultProfile(tree), equalFiles);
  return { order, equalFiles, warnings: profile === undefined ? [] : warningsOf(whole, profile) };
}

/** A profile of another initrd is useful as far as the two have the same files. */
function warningsOf(tree: Tree, profile: Profile): string[] {
  const paths = new Set(profile.entries.map(({ path }) => path));
  const missing = [...paths].filter((path) => tree.get(path) === undefined && tree.realPath(path) === undefined);
  const [first] = missing;
  if (first === undefined) return [];
  const what = `${missing.length} of ${paths.size} paths are not in the initrd, /${toText(first)} for one`;
  return [`the profile: ${what}; record it anew where that is many`];
}
