import { expect, test } from "vitest";
import { requireAttributes, requireChunks } from "../../src/build/compress/index.ts";
import { layOutImage } from "../../src/build/image-layout.ts";
import { UsageError } from "../../src/bytes/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";

const BLOCK = 4096;

function sample(): Tree {
  const tree = new Tree();
  tree.setWithParents("usr/lib/systemd/systemd", regularFile(Buffer.alloc(100 * BLOCK, "s")));
  tree.setWithParents("usr/lib/modules/6.1/a.ko", regularFile(Buffer.alloc(100 * BLOCK, "m")));
  return tree;
}

test("without a profile the order is the usual one, and no file is cut", () => {
  const tree = sample();
  const { order, warnings } = layOutImage(tree, undefined);
  const names = [...tree.walk()].filter(({ node }) => order.nodes.includes(node)).map(({ path }) => path);
  expect(names).toEqual(["", "usr", "usr/lib", "usr/lib/systemd", "usr/lib/systemd/systemd"]);
  for (const { node } of tree.walk()) if (node.kind === "file") expect(order.partsOf(node)).toHaveLength(1);
  expect(warnings).toEqual([]);
});

test("paths of a profile that the initrd lacks are counted", () => {
  const entries = ["usr/lib/systemd/systemd", "gone", "gone", "gone/too"].map((path) => ({
    path,
    start: 0,
    end: BLOCK,
  }));
  const { order, warnings } = layOutImage(sample(), { entries });
  expect(warnings).toEqual([
    "the profile: 2 of 3 paths are not in the initrd, /gone for one; record it anew where that is many",
  ]);
  expect(order.nodes).toHaveLength(5);
});

test("what a base has of the initrd is not missing", () => {
  const rest = new Tree();
  rest.setWithParents("usr/lib/modules/6.1/a.ko", regularFile(Buffer.alloc(BLOCK, "m")));
  const profile = { entries: [{ path: "usr/lib/systemd/systemd", start: 0, end: BLOCK }] };
  expect(layOutImage(rest, profile).warnings).toHaveLength(1);
  expect(layOutImage(rest, profile, sample()).warnings).toEqual([]);
});

test.each([
  [true, "5.14.0", true],
  [true, "5.15.0-1-generic", false],
  [false, "5.4.0", false],
  [true, "custom", false],
])("files in several places (%s) and kernel %s", (hasChunks, release, isRefused) => {
  const ask = (): void => requireChunks({ hasChunks }, { release, erofsModule: undefined });
  if (!isRefused) return ask();
  expect(ask).toThrow(UsageError);
  expect(ask).toThrow(/from 5\.15 on/);
});

test.each([
  ["bogus xattr ibody @ nid %llu", false],
  ["another erofs", true],
  [undefined, false],
])("attributes, and an erofs module that says %j", (text, isRefused) => {
  const erofsModule = text === undefined ? undefined : Buffer.from(text);
  const ask = (): void => requireAttributes({ release: "6.12.0", erofsModule });
  if (!isRefused) return ask();
  expect(ask).toThrow(
    /^Cannot lay an image over .usr with kernel 6.12.0: its erofs module lacks CONFIG_EROFS_FS_XATTR/,
  );
});
