import { toText } from "../bytes/index.ts";
import { formatExactSize, formatSize } from "../text/index.ts";
import type { Tree } from "../tree/index.ts";
import { costOf, groupSizes, measureTree, type SizeGroup } from "./measure.ts";

/** How many groups a message names. */
const NAMED = 3;

/** Why something is over its budget, in one line that names the largest things; undefined when it is not. */
export function overBudget(bytes: number, budgetBytes: number, groups: readonly SizeGroup[]): string | undefined {
  if (bytes <= budgetBytes) return undefined;
  const largest = groups.slice(0, NAMED).map((group) => `${toText(group.name)} (${formatSize(costOf(group))})`);
  const over = `${formatExactSize(bytes)}, ${formatSize(bytes - budgetBytes)} over the budget of ${formatSize(budgetBytes)}`;
  return `${over}; the largest are ${largest.join(", ")}`;
}

/** The same for an image that is about to be made of a tree. */
export function imageOverBudget(tree: Tree, imageBytes: number, budgetBytes: number): string | undefined {
  if (imageBytes <= budgetBytes) return undefined;
  return overBudget(imageBytes, budgetBytes, groupSizes(measureTree(tree), "package", 0));
}
