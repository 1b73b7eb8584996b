import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, type TestContext, test } from "vitest";
import { encodeErofs } from "../../src/formats/erofs/index.ts";
import { differenceTo } from "../../src/transform/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import { mountErofs, requireErofsMounts } from "../support/erofs-mount.ts";
import { treeOfFolder, trees } from "../support/erofs-trees.ts";
import { relatedTrees, timelessFacts } from "../support/overlay.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
/** Mounts are slow, and the unit tests have tried the same with a model hundreds of times. */
const RUNS = 10;

function mount(tree: Tree, folder: string): string {
  writeFileSync(`${folder}.erofs`, encodeErofs(tree, { uuid: UUID }));
  mountErofs(`${folder}.erofs`, folder);
  return folder;
}

/** What the kernel shows of one image laid over another. */
function overlaid(context: TestContext, layer: Tree, base: Tree): Tree {
  const folder = tempFolder();
  const layers = [mount(layer, join(folder, "layer")), mount(base, join(folder, "base"))];
  const merged = join(folder, "merged");
  mkdirSync(merged);
  run("mount", ["-t", "overlay", "-o", `ro,lowerdir=${layers.join(":")}`, "overlay", merged]);
  onTestFinished(() => void run("umount", [merged]));
  return treeOfFolder(merged, requireTool(context, "python3"));
}

test("overlayfs shows the difference over its base as the tree it was made from", (context) => {
  requireErofsMounts(context);
  const samples = fc.sample(relatedTrees, { numRuns: RUNS, seed: 1 });
  let marks = 0;
  for (const { tree, base } of samples) {
    const { tree: layer } = differenceTo(tree, { tree: base, name: "base", description: "the base" });
    marks += [...layer.walk()].filter(
      ({ node }) => "major" in node || node.xattrs.has("trusted.overlay.opaque"),
    ).length;
    expect(timelessFacts(overlaid(context, layer, base))).toEqual(timelessFacts(tree));
  }
  // Otherwise the samples would show nothing.
  expect(marks).toBeGreaterThan(RUNS);
});

test("two trees with nothing in common", (context) => {
  requireErofsMounts(context);
  const [tree, base] = fc.sample(trees, { numRuns: 2, seed: 7 });
  if (tree === undefined || base === undefined) throw new Error("No samples");
  const { tree: layer } = differenceTo(tree, { tree: base, name: "base", description: "the base" });
  expect(timelessFacts(overlaid(context, layer, base))).toEqual(timelessFacts(tree));
});
