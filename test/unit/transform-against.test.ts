import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/bytes/index.ts";
import { copyTree } from "../../src/transform/copy.ts";
import { type Base, differenceTo, digestOfTree, requireSameOver } from "../../src/transform/index.ts";
import { directory, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { device, factsOf, trees, xattrs } from "../support/erofs-trees.ts";
import { overlay, relatedTrees, timelessFacts } from "../support/overlay.ts";

const baseOf = (tree: Tree): Base => ({ tree, name: "base.raw", description: "the base" });
const difference = (tree: Tree, base: Tree) => differenceTo(tree, baseOf(base));
const paths = (tree: Tree): string[] => [...tree.walk()].slice(1).map(({ path }) => path);

function treeOf(entries: Readonly<Record<string, Parameters<Tree["set"]>[1]>>): Tree {
  const tree = new Tree();
  for (const [path, node] of Object.entries(entries)) tree.setWithParents(path, node);
  return tree;
}

const file = (text: string) => regularFile(Buffer.from(text));

describe("the difference to a base", () => {
  test("laid over the base shows exactly the tree", () => {
    fc.assert(
      fc.property(relatedTrees, ({ tree, base }) => {
        const before = [factsOf(tree), factsOf(base)];
        const { tree: layer } = difference(tree, base);
        expect(timelessFacts(overlay(layer, base))).toEqual(timelessFacts(tree));
        expect([factsOf(tree), factsOf(base)]).toEqual(before);
      }),
    );
  });

  test("of a tree to itself is nothing", () => {
    fc.assert(
      fc.property(trees, (tree) => {
        expect(paths(difference(tree, copyTree(tree)).tree)).toEqual([]);
      }),
    );
  });

  test("keeps what differs and the directories above it, and counts the rest", () => {
    const base = treeOf({ "a/b/same": file("1"), "a/b/other": file("2"), "c/d": file("3"), link: symlink("x") });
    const tree = treeOf({ "a/b/same": file("1"), "a/b/other": file("changed"), "c/d": file("3"), link: symlink("x") });
    const { tree: layer, outcome } = difference(tree, base);
    expect(paths(layer)).toEqual(["a", "a/b", "a/b/other"]);
    expect(outcome.done).toEqual([
      {
        setting: "against",
        purpose: "leaves out what is the same in the base, and is complete only when laid over that",
        entries: 4,
        bytesBefore: 9,
        bytesAfter: 7,
        details: [],
      },
    ]);
  });

  test.each([
    ["mode", { permissions: 0o600 }],
    ["owner", { uid: 1 }],
    ["group", { gid: 1 }],
    ["attribute", { xattrs: xattrs({ "user.a": "1" }) }],
  ])("another %s is a difference, another time is none", (_, given) => {
    const base = treeOf({ a: regularFile(Buffer.from("1"), { mtime: 5 }) });
    expect(paths(difference(treeOf({ a: regularFile(Buffer.from("1"), given) }), base).tree)).toEqual(["a"]);
    expect(paths(difference(treeOf({ a: regularFile(Buffer.from("1"), { mtime: 6 }) }), base).tree)).toEqual([]);
  });

  test("hides what only the base has: entry by entry where something else of it shows, else all at once", () => {
    const base = treeOf({ "a/keep": file("1"), "a/gone": file("2"), "b/gone": file("3"), "b/c/gone": file("4") });
    const tree = treeOf({ "a/keep": file("1"), "b/c": directory() });
    const { tree: layer, outcome } = difference(tree, base);
    expect(layer.get("a/gone")).toMatchObject({ kind: "character-device", major: 0, minor: 0 });
    expect(paths(layer)).toEqual(["a", "a/gone", "b", "b/c"]);
    expect(layer.get("b")?.xattrs.get("trusted.overlay.opaque")).toEqual(Uint8Array.of(0x79));
    expect(layer.get("b/c")?.xattrs.size).toBe(0);
    expect(outcome.done[0]?.details).toEqual([
      "1 whiteout for what only the base has",
      "1 opaque directory that show nothing of the base",
    ]);
  });

  test("the root is never opaque: overlayfs does not look", () => {
    const { tree: layer } = difference(treeOf({ a: file("1") }), treeOf({ b: file("1") }));
    expect(layer.root.xattrs.size).toBe(0);
    expect(paths(layer)).toEqual(["a", "b"]);
  });

  test("takes a file with several names from the base only when it has the same ones there", () => {
    const hard = file("1");
    const base = treeOf({ a: hard, b: hard });
    const again = file("1");
    expect(paths(difference(treeOf({ a: again, b: again }), base).tree)).toEqual([]);
    expect(paths(difference(treeOf({ a: file("1"), b: file("1") }), base).tree)).toEqual(["a", "b"]);
    const third = file("1");
    expect(paths(difference(treeOf({ a: third, b: third, c: third }), base).tree)).toEqual(["a", "b", "c"]);
  });

  test.each([
    ["a whiteout", treeOf({ a: device("character-device", 0, 0) }), /\/a of .* is a whiteout/],
    ["an opaque directory", treeOf({ a: directory({ xattrs: xattrs({ "trusted.overlay.opaque": "y" }) }) }), /opaque/],
  ])("%s in a tree is refused: it would not show", (_, tree, message) => {
    expect(() => difference(tree, new Tree())).toThrow(UsageError);
    expect(() => difference(tree, new Tree())).toThrow(message);
    expect(() => difference(new Tree(), tree)).toThrow(/base\.raw/);
  });
});

/** The same tree as the usr of another one. */
function asUsr(tree: Tree): Tree {
  const whole = treeOf({ init: file("init") });
  whole.set("usr", tree.root);
  return whole;
}

describe("the difference to a base that stands for a part of the tree", () => {
  const at = "usr";

  test("is the difference of that part, and all of the rest", () => {
    fc.assert(
      fc.property(relatedTrees, ({ tree, base }) => {
        const part = difference(tree, base);
        const { tree: layer, leftOut } = differenceTo(asUsr(tree), { ...baseOf(asUsr(base)), at });
        expect(timelessFacts(layer)).toEqual(timelessFacts(asUsr(part.tree)));
        expect(leftOut).toEqual(part.leftOut.map((path) => `usr/${path}`));
        const files = [...tree.walk()].filter(({ path, node }) => node.kind === "file" && !part.tree.get(path));
        expect(part.leftOut).toEqual(files.map(({ path }) => path));
      }),
    );
  });

  test("needs that part on both sides", () => {
    const without = treeOf({ init: file("init") });
    const message = /^Cannot take the difference: (the image|base.raw) has no directory \/usr$/;
    expect(() => differenceTo(without, { ...baseOf(asUsr(new Tree())), at })).toThrow(message);
    expect(() => differenceTo(asUsr(new Tree()), { ...baseOf(without), at })).toThrow(message);
  });
});

describe("a layer over another base than the one it was made for", () => {
  test("is refused exactly when it would not show the tree", () => {
    let refused = 0;
    let accepted = 0;
    fc.assert(
      fc.property(relatedTrees, relatedTrees, ({ tree, base }, { base: unrelated }) => {
        const { tree: layer } = difference(tree, base);
        for (const other of [base, tree, unrelated, new Tree()]) {
          const shown = JSON.stringify(timelessFacts(overlay(layer, other)));
          const isRight = shown === JSON.stringify(timelessFacts(tree));
          const check = () => requireSameOver(tree, layer, baseOf(other));
          if (isRight) expect(check).not.toThrow();
          else expect(check).toThrow(/^Cannot lay the image over base\.raw: \//);
          if (isRight) accepted++;
          else refused++;
        }
      }),
    );
    expect(Math.min(refused, accepted)).toBeGreaterThan(50);
  });

  test("says what is wrong with it", () => {
    const base = treeOf({ "a/gone": file("1"), "a/other": file("1"), "a/mode": file("1"), "b/c": file("1") });
    const tree = treeOf({ "a/gone": file("1"), "a/other": file("1"), "a/mode": file("1"), "b/c": file("1") });
    const { tree: layer } = difference(tree, base);
    const there = treeOf({
      "a/other": file("2"),
      "a/mode": regularFile(Buffer.from("1"), { permissions: 0o600 }),
      "a/new": file("1"),
      "b/c": file("1"),
    });
    expect(() => requireSameOver(tree, layer, baseOf(there))).toThrow(
      /^Cannot lay the image over base.raw: \/a\/gone is not there, \/a\/other is another one there, \/a\/mode is another one there, and 1 other$/,
    );
    expect(() =>
      requireSameOver(
        tree,
        layer,
        baseOf(
          treeOf({
            "a/new": file("1"),
            ...Object.fromEntries(
              [...base.walk()].flatMap(({ path, node }) => (node.kind === "file" ? [[path, node]] : [])),
            ),
          }),
        ),
      ),
    ).toThrow(/: \/a\/new would come to light$/);
  });
});

describe("the digest of a tree", () => {
  const digest = (tree: Tree): string => Buffer.from(digestOfTree(tree)).toString("hex");

  test("is the same for the same tree, whenever it was made", () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const other = copyTree(tree);
        for (const { node } of other.walk()) node.mtime += 1;
        expect(digest(other)).toBe(digest(tree));
      }),
    );
  });

  test("tells related trees apart", () => {
    fc.assert(
      fc.property(relatedTrees, ({ tree, base }) => {
        const isSame = JSON.stringify(timelessFacts(tree)) === JSON.stringify(timelessFacts(base));
        expect(digest(tree) === digest(base)).toBe(isSame);
      }),
    );
  });

  test("is pinned: generations are named by it", () => {
    expect(digest(treeOf({ "a/b": file("1"), c: symlink("a/b") }))).toMatchInlineSnapshot(
      `"0e5855ae34eecd0da7d1c131700019c8ea322eda5c92ef0a4adf364354a8d0af"`,
    );
  });
});
