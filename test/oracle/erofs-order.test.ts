import { rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, type TestContext, test } from "vitest";
import { type ErofsOptions, type ErofsPlan, planErofs } from "../../src/formats/erofs/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import { compressibles, planCompressed, settingsOf, UUID } from "../support/erofs-compress.ts";
import { complaintsOfFsck, requireErofsMounts, SparseFileSink } from "../support/erofs-mount.ts";
import { anyProfile, laidOut } from "../support/erofs-order.ts";
import { everything, factsOf, treeOfFolder, trees } from "../support/erofs-trees.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const methods = ["none", "lz4", "lz4hc", "zstd"] as const;
type Method = (typeof methods)[number];

async function plan(
  tree: Tree,
  method: Method,
  options: Partial<ErofsOptions>,
  inlineTails = true,
): Promise<ErofsPlan> {
  if (method === "none") return planErofs(tree, { uuid: UUID, inlineFileTails: inlineTails, ...options });
  return planCompressed(tree, settingsOf(method, method === "zstd" ? 128 : 64, inlineTails), options);
}

/** The kernel shows what the tree holds; fsck.erofs (that of Debian 12 does not know zstd) has no complaint. */
function judge(context: TestContext, tree: Tree, planned: ErofsPlan, method: Method): void {
  const folder = tempFolder();
  const [image, mount] = [join(folder, "image"), join(folder, "mount")];
  const sink = new SparseFileSink(image);
  planned.emit(sink);
  sink.close();
  run("mkdir", [mount]);
  run("mount", ["-t", "erofs", "-o", "loop,ro", image, mount]);
  try {
    expect(factsOf(treeOfFolder(mount, requireTool(context, "python3")))).toEqual(factsOf(tree));
  } finally {
    run("umount", [mount]);
  }
  if (method !== "zstd") expect(complaintsOfFsck(context, image)).toBe("");
  rmSync(image);
}

for (const method of methods) {
  for (const inlineTails of [true, false]) {
    test(`the kernel reads files that are cut, ${method}${inlineTails ? "" : ", without inline tails"}`, async (context) => {
      requireErofsMounts(context);
      const tree = compressibles();
      for (const seed of [1, 2, 3]) {
        const planned = await plan(tree, method, laidOut(tree, anyProfile(tree, seed)), inlineTails);
        judge(context, tree, planned, method);
      }
    });
  }
}

test("the kernel reads any tree that is laid out by any profile", async (context) => {
  requireErofsMounts(context);
  await fc.assert(
    fc.asyncProperty(trees, fc.nat(), fc.constantFrom(...methods), async (tree, seed, method) => {
      judge(context, tree, await plan(tree, method, laidOut(tree, anyProfile(tree, seed))), method);
    }),
    { numRuns: 30 },
  );
});

test("the kernel reads everything else", async (context) => {
  requireErofsMounts(context);
  for (const seed of [0, 1]) {
    const tree = everything();
    judge(context, tree, await plan(tree, "none", laidOut(tree, anyProfile(tree, seed))), "none");
  }
});
