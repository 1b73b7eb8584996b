import { type ByteString, toText, UsageError } from "../bytes/index.ts";
import type { Tree } from "../tree/index.ts";
import { type PathPattern, parsePathPattern } from "./glob.ts";
import { contentBytes, type Outcome, type Transformation } from "./report.ts";

/**
 * Takes everything out of `tree` that one of the patterns means; a directory goes with all that is in it.
 * @param needed paths whose look-up must lead to where it led before: what the boot starts with
 * @throws UsageError for a pattern that cannot be read, or that takes away what is needed.
 */
export function dropFiles(tree: Tree, patterns: readonly string[], needed: readonly ByteString[]): Outcome {
  const done: Transformation[] = [];
  const warnings: string[] = [];
  for (const pattern of patterns.map(parsePathPattern)) {
    const places = needed.map((path) => ({ path, real: tree.realPath(path)?.path }));
    const meant = [...tree.walk()].filter(({ path }) => path !== "" && pattern.matches(path));
    if (meant.length === 0) {
      warnings.push(
        `the pattern ${pattern.text} of image.drop means nothing in the image${symlinkHint(tree, pattern)}`,
      );
      continue;
    }
    const before = { entries: countEntries(tree), bytes: contentBytes(tree) };
    // What is in a directory that has gone already is not there any more.
    for (const { path } of meant) tree.remove(path);
    const lost = places.find(({ path, real }) => real !== undefined && tree.realPath(path)?.path !== real);
    if (lost !== undefined) {
      throw new UsageError(`Cannot leave out ${pattern.text}: the boot needs ${whatIsLost(lost.path, lost.real)}`, {
        hint: "make the pattern in image.drop narrower",
      });
    }
    done.push({
      setting: "drop",
      purpose: `leaves out ${pattern.text}`,
      entries: before.entries - countEntries(tree),
      bytesBefore: before.bytes,
      bytesAfter: contentBytes(tree),
      details: [],
    });
  }
  return { done, warnings };
}

function whatIsLost(path: ByteString, real = path): string {
  return real === path ? `/${toText(path)}` : `/${toText(path)}, which is /${toText(real)}`;
}

function countEntries(tree: Tree): number {
  return [...tree.walk()].length;
}

/** lib is mostly a symlink to usr/lib, which patterns do not follow. */
function symlinkHint(tree: Tree, { literalStart }: PathPattern): string {
  const real = tree.realPath(literalStart)?.path;
  if (real === undefined || real === literalStart) return "";
  return `: /${toText(literalStart)} is /${toText(real)} there`;
}
