import { closeSync, lstatSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, type TestContext, test } from "vitest";
import { type ByteSource, MemorySource } from "../../src/bytes/index.ts";
import { type ErofsOptions, encodeErofs, planErofs, readErofs } from "../../src/formats/erofs/index.ts";
import { regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { chunkPlanner, sparse, useLongPrefix } from "../support/erofs-chunks.ts";
import { complaintsOfFsck, mountErofs, requireErofsMounts, SparseFileSink } from "../support/erofs-mount.ts";
import { everything, factsOf, linksOf, noise, treeOfFolder, trees, xattrs } from "../support/erofs-trees.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const variants: readonly (readonly [string, Partial<ErofsOptions>])[] = [
  ["as it is", {}],
  ["without inline tails", { inlineFileTails: false }],
  ["with name filters", { xattrFilter: true }],
  ["with another epoch", { epoch: 1 }],
];

function write(tree: Tree, image: string, options: Partial<ErofsOptions> = {}): void {
  const sink = new SparseFileSink(image);
  planErofs(tree, { uuid, ...options }).emit(sink);
  sink.close();
}

/** What the kernel shows must equal the tree: content, kinds, owners, times, links, devices, attributes. */
function compare(context: TestContext, tree: Tree, folder: string): void {
  expect(factsOf(treeOfFolder(folder, requireTool(context, "python3")))).toEqual(factsOf(tree));
  for (const [path, links] of linksOf(tree)) {
    const stat = lstatSync(Buffer.from(join(folder, path), "latin1"), { bigint: true });
    expect({ path, links: Number(stat.nlink), nanoseconds: stat.mtimeNs % 1_000_000_000n }).toEqual({
      path,
      links,
      nanoseconds: 0n,
    });
  }
}

for (const [name, options] of variants) {
  test(`the kernel shows what was written, ${name}`, (context) => {
    requireErofsMounts(context);
    const folder = tempFolder();
    const tree = everything();
    write(tree, join(folder, "image"), options);
    mountErofs(join(folder, "image"), join(folder, "mount"));
    compare(context, tree, join(folder, "mount"));
  });
}

test("the kernel shows any tree as it was written", (context) => {
  requireErofsMounts(context);
  const folder = tempFolder();
  let count = 0;
  fc.assert(
    fc.property(trees, fc.boolean(), (tree, inlineFileTails) => {
      const [image, mount] = [join(folder, `image${count}`), join(folder, `mount${count++}`)];
      write(tree, image, { inlineFileTails, xattrFilter: true });
      mountErofs(image, mount);
      compare(context, tree, mount);
      expect(complaintsOfFsck(context, image)).toBe("");
    }),
    { numRuns: 25 },
  );
});

for (const withIndexes of [false, true]) {
  test(`the kernel agrees on chunks ${withIndexes ? "by index" : "by block map"}`, (context) => {
    requireErofsMounts(context);
    const folder = tempFolder();
    const tree = new Tree();
    tree.set("holes", regularFile(sparse(20_000, noise(5000), 50_000, noise(9000), 10_000)));
    write(tree, join(folder, "image"), { planFile: chunkPlanner(1, withIndexes) });
    mountErofs(join(folder, "image"), join(folder, "mount"));
    compare(context, tree, join(folder, "mount"));
  });
}

test("the kernel agrees on long prefixes of attribute names", (context) => {
  requireErofsMounts(context);
  const folder = tempFolder();
  const tree = new Tree();
  tree.set("file", regularFile(noise(1), { xattrs: xattrs({ "user.uniquename": "v" }) }));
  const image = encodeErofs(tree, { uuid });
  useLongPrefix(image, "uniquename");
  writeFileSync(join(folder, "image"), image);
  mountErofs(join(folder, "image"), join(folder, "mount"));
  compare(context, readErofs(new MemorySource(image)).tree(), join(folder, "mount"));
});

test("the kernel finds each of 100,000 entries", (context) => {
  requireErofsMounts(context);
  const folder = tempFolder();
  const tree = new Tree();
  for (let index = 0; index < 100_000; index++) tree.setWithParents(`d/entry ${index * 7}`, symlink(`${index}`));
  write(tree, join(folder, "image"));
  mountErofs(join(folder, "image"), join(folder, "mount"));
  for (let index = 0; index < 100_000; index++) lstatSync(join(folder, "mount", "d", `entry ${index * 7}`));
  expect(lstatSync(join(folder, "mount", "d", "entry 1"), { throwIfNoEntry: false })).toBeUndefined();
  const shown = run("ls", ["-f", join(folder, "mount", "d")])
    .stdout.trimEnd()
    .split("\n");
  expect(shown.length).toBe(100_000 + [".", ".."].length);
});

test("the kernel reads a file beyond 4 GiB", (context) => {
  requireErofsMounts(context);
  const folder = tempFolder();
  const size = 2 ** 32 + 5000;
  const zeros = new Uint8Array(1 << 20);
  const mark = noise(5000);
  const content: ByteSource = {
    size,
    read: (offset, length) =>
      offset < 2 ** 32 ? zeros.subarray(0, length) : mark.subarray(offset - 2 ** 32).subarray(0, length),
  };
  const tree = new Tree();
  tree.set("large", regularFile(content));
  tree.set("small", regularFile(noise(9000)));
  write(tree, join(folder, "image"));
  mountErofs(join(folder, "image"), join(folder, "mount"));
  const path = join(folder, "mount", "large");
  expect(lstatSync(path).size).toBe(size);
  const file = openSync(path, "r");
  const read = Buffer.alloc(6000);
  expect(readSync(file, read, 0, read.length, 2 ** 32 - 500)).toBe(5500);
  closeSync(file);
  expect(read.subarray(0, 5500)).toEqual(Buffer.concat([Buffer.alloc(500), mark]));
});
