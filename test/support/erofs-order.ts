import type { ErofsOptions } from "../../src/formats/erofs/index.ts";
import { findEqualFiles, readOrder } from "../../src/formats/erofs/index.ts";
import type { Profile, ProfileEntry } from "../../src/profile/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import { noise } from "./erofs-trees.ts";

const BLOCK = 4096;

/** Some of a tree's paths in any order, with ranges of any length: the same ones for the same seed. */
export function anyProfile(tree: Tree, seed: number): Profile {
  const entries: ProfileEntry[] = [];
  const paths = [...tree.walk()];
  const choices = new DataView(noise(paths.length * 8 + 8, seed + 1).buffer);
  for (const [index, { path, node }] of paths.entries()) {
    const choice = choices.getUint32(index * 8, true);
    const size = node.kind === "file" ? node.content.size : 0;
    if (choice % 3 === 0 && seed % 4 !== 0) continue;
    if (size === 0 || choice % 5 === 0) entries.push({ path, start: 0, end: 0 });
    const blocks = Math.ceil(size / BLOCK);
    for (let at = 0, step = choices.getUint32(index * 8 + 4, true); at < blocks; step = (step * 7 + 13) >>> 0) {
      const length = 1 + (step % Math.min(blocks, 40));
      if (step % 2 === 0) entries.push({ path, start: at * BLOCK, end: (at + length) * BLOCK });
      at += length + (step % 23);
    }
  }
  const keys = noise(entries.length, seed + 2);
  return {
    entries: entries
      .map((entry, index) => ({ entry, key: keys[index] ?? 0 }))
      .sort((a, b) => a.key - b.key)
      .map(({ entry }) => entry),
  };
}

/** What makes a writer lay a tree out by a profile, and store equal files once. */
export function laidOut(tree: Tree, profile: Profile): Pick<ErofsOptions, "order" | "equalFiles"> {
  const equalFiles = findEqualFiles(tree);
  return { order: readOrder(tree, profile, equalFiles), equalFiles };
}
