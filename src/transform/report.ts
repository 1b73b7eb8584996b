import type { ByteString } from "../bytes/index.ts";
import { counted, formatSize } from "../text/index.ts";
import type { Node, Tree } from "../tree/index.ts";

/** What one transformation did to the tree of an image: kept with the generation, shown by `lazyrd explain`. */
export interface Transformation {
  /** The setting in [image] that asked for it. */
  readonly setting: "drop" | "modules" | "file-contexts" | "capabilities" | "against";
  readonly purpose: string;
  /** How many entries were left out or changed. */
  readonly entries: number;
  /** Bytes in all files of the tree, before and after. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly details: readonly string[];
}

/** A transformation that was carried out. Warnings are lines that a person should read. */
export interface Outcome {
  readonly done: readonly Transformation[];
  readonly warnings: readonly string[];
}

/** The bytes in all files of a tree; a file with several names counts once. */
export function contentBytes(tree: Tree): number {
  const files = new Set<Node>();
  let bytes = 0;
  for (const { node } of tree.walk()) {
    if (node.kind !== "file" || files.has(node)) continue;
    files.add(node);
    bytes += node.content.size;
  }
  return bytes;
}

/** All names of each node that has more than one. */
export function namesOfLinks(tree: Tree): Map<Node, ByteString[]> {
  const names = new Map<Node, ByteString[]>();
  for (const { path, node } of tree.walk()) names.set(node, [...(names.get(node) ?? []), path]);
  for (const [node, paths] of names) if (paths.length === 1) names.delete(node);
  return names;
}

/** What was done, how often, and to what effect: one line. */
export function summaryOfTransformation({ purpose, entries, bytesBefore, bytesAfter }: Transformation): string {
  const effect =
    bytesBefore === bytesAfter ? "" : `, files take ${formatSize(bytesBefore)} -> ${formatSize(bytesAfter)}`;
  return `${purpose}: ${counted(entries, "entry", "entries")}${effect}`;
}

/** Transformations as lines for a person, in the manner of the plan's explanation; none where there are none. */
export function describeTransformations(transformations: readonly Transformation[]): string {
  if (transformations.length === 0) return "";
  const lines = transformations.flatMap((transformation) => [
    `  ${summaryOfTransformation(transformation)}`,
    ...transformation.details.map((detail) => `      - ${detail}`),
  ]);
  return `\n${["What was changed in the image", ...lines].join("\n")}\n`;
}
