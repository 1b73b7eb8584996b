import type { ByteString } from "../bytes/index.ts";
import type { Tree } from "../tree/index.ts";
import { type Base, differenceTo, type Layer } from "./against.ts";
import { setCapabilities } from "./capabilities.ts";
import { copyTree } from "./copy.ts";
import { dropFiles } from "./drop.ts";
import type { FileContexts, NamedText } from "./file-contexts.ts";
import { labelFiles } from "./label.ts";
import { requireSameOver } from "./laid-over.ts";
import { neededToStart } from "./needed.ts";
import type { Outcome, Transformation } from "./report.ts";
import { type ModulePreparation, unpackModules } from "./unpack-modules.ts";

/** What is to be changed between reading a tree and writing it as an image; what is undefined stays as it is. */
export interface TransformationWishes {
  /** Patterns of what is left out. */
  readonly drop: readonly string[];
  readonly modules: ModulePreparation | undefined;
  readonly fileContexts: FileContexts | undefined;
  readonly capabilities: NamedText | undefined;
  /** What the image is to be laid over. */
  readonly base: Base | undefined;
  /** What it will be laid over in the end, where that is known: has to be as good as the base. */
  readonly finalBase?: Base | undefined;
}

export interface TransformedTree {
  readonly tree: Tree;
  /** Where this is only what differs from a base: all of it, and which files the base has. */
  readonly layer: (Pick<Layer, "leftOut"> & { readonly whole: Tree }) | undefined;
  readonly transformations: readonly Transformation[];
  readonly warnings: readonly string[];
}

/**
 * Carries out what is wished, in this order: leaving out, modules, labels, capabilities, the difference to a base. The
 * given tree stays as it is.
 * @param init what the boot starts from this tree
 * @throws UsageError and FormatError as the single transformations do.
 */
export async function transformTree(
  original: Tree,
  wishes: TransformationWishes,
  init: ByteString,
): Promise<TransformedTree> {
  const { drop, modules, fileContexts, capabilities, base, finalBase } = wishes;
  const tree = copyTree(original);
  const outcomes: Outcome[] = [];
  if (drop.length > 0) outcomes.push(dropFiles(tree, drop, neededToStart(tree, init)));
  if (modules !== undefined) outcomes.push(await unpackModules(tree, modules));
  if (fileContexts !== undefined) outcomes.push(labelFiles(tree, fileContexts));
  if (capabilities !== undefined) outcomes.push(setCapabilities(tree, capabilities));
  const difference = base === undefined ? undefined : differenceTo(tree, base);
  if (difference !== undefined) outcomes.push(difference.outcome);
  if (difference !== undefined && finalBase !== undefined) requireSameOver(tree, difference.tree, finalBase);
  return {
    tree: difference?.tree ?? tree,
    layer: difference && { leftOut: difference.leftOut, whole: tree },
    transformations: outcomes.flatMap(({ done }) => done),
    warnings: outcomes.flatMap(({ warnings }) => warnings),
  };
}
