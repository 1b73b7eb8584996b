import { describe, expect, test } from "vitest";
import { FormatError, MemorySource } from "../../src/bytes/index.ts";
import {
  componentsOf,
  directory,
  kindOfMode,
  metadata,
  modeOf,
  type Node,
  regularFile,
  symlink,
  Tree,
} from "../../src/tree/index.ts";

const file = (text = "") => regularFile(Buffer.from(text));

/** A tree with these entries: a string that begins with "-> " is a symlink's target, another one a file's content. */
function treeOf(entries: Readonly<Record<string, string>>): Tree {
  const tree = new Tree();
  for (const [path, content] of Object.entries(entries)) {
    tree.setWithParents(path, content.startsWith("-> ") ? symlink(content.slice(3)) : file(content));
  }
  return tree;
}

const paths = (tree: Tree): string[] => [...tree.walk()].map(({ path }) => path);

describe("entries", () => {
  test("are found by any spelling of their path, without following symlinks", () => {
    const tree = treeOf({ "a/b": "content", "a/link": "-> b", dir: "-> a" });
    for (const path of ["a/b", "/a/b", "//a//b", "./a/./b", "a/b/"]) {
      expect(tree.get(path), path).toMatchObject({ kind: "file" });
    }
    expect(tree.get("a/link")).toMatchObject({ kind: "symlink", target: "b" });
    expect([tree.get("dir/b"), tree.get("a/b/c"), tree.get("a/../a/b"), tree.get("x")]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect([tree.get(""), tree.get("/"), tree.get(".")]).toEqual([tree.root, tree.root, tree.root]);
  });

  test("replace what stands in their place, with all below it", () => {
    const tree = treeOf({ "a/b/c": "1" });
    tree.set("a/b", file("2"));
    expect(paths(tree)).toEqual(["", "a", "a/b"]);
  });

  test("need a parent that is a directory, unless it is to be made", () => {
    const tree = treeOf({ file: "", link: "-> dir", "dir/x": "" });
    expect(() => tree.set("missing/x", file())).toThrow("tree: Cannot place missing/x: its parent is not a directory");
    for (const path of ["file/x", "link/x"]) {
      expect(() => tree.set(path, file()), path).toThrow(FormatError);
      expect(() => tree.setWithParents(path, file()), path).toThrow(FormatError);
    }
    tree.setWithParents("new/deep/x", file());
    expect(tree.get("new/deep")).toMatchObject({ kind: "directory", permissions: 0o755, uid: 0, mtime: 0 });
  });

  test("cannot be the root or lead upwards", () => {
    const tree = treeOf({ "a/b": "" });
    expect(() => tree.set("/", directory())).toThrow("Cannot replace the root directory");
    expect(() => tree.remove("")).toThrow("Cannot replace the root directory");
    for (const path of ["..", "a/..", "../x", "a/../x"]) {
      expect(() => tree.setWithParents(path, file()), path).toThrow(FormatError);
    }
    expect(paths(tree)).toEqual(["", "a", "a/b"]);
  });

  test("are removed with all below them, but not through a symlink", () => {
    const tree = treeOf({ "a/b/c": "", "a/d": "", link: "-> a" });
    expect(tree.remove("a/b")).toBe(true);
    expect([tree.remove("a/b"), tree.remove("link/d"), tree.remove("no/such")]).toEqual([false, false, false]);
    expect(tree.remove("link")).toBe(true);
    expect(paths(tree)).toEqual(["", "a", "a/d"]);
  });
});

describe("a walk", () => {
  test("gives each directory before its entries, these in the order of their bytes", () => {
    const tree = treeOf({ b: "", "a.b": "", "a/z": "", "a/B": "", "\xff": "", "a/sub/x": "", Z: "" });
    expect(paths(tree)).toEqual(["", "Z", "a", "a/B", "a/sub", "a/sub/x", "a/z", "a.b", "b", "\xff"]);
  });

  test("does not depend on the order in which entries were made", () => {
    const forward = treeOf({ a: "", b: "", c: "" });
    const backward = treeOf({ c: "", b: "", a: "" });
    expect(paths(forward)).toEqual(paths(backward));
  });

  test("shows a hard link under each of its names, as one node", () => {
    const tree = treeOf({ "a/one": "content", b: "-> a" });
    const node = tree.get("a/one") as Node;
    tree.set("two", node);
    const nodes = [...tree.walk()].filter((entry) => entry.node === node);
    expect(nodes.map(({ path }) => path)).toEqual(["a/one", "two"]);
    node.permissions = 0o600;
    expect(tree.get("two")).toMatchObject({ permissions: 0o600 });
    tree.remove("a/one");
    expect(tree.get("two")).toBe(node);
  });

  test("goes as deep as a path can", () => {
    const tree = new Tree();
    tree.setWithParents("d/".repeat(2000), file());
    expect(paths(tree)).toHaveLength(2001);
  });
});

describe("symlinks are followed as the kernel does", () => {
  const tree = treeOf({
    "usr/lib/modules/x": "module",
    "usr/bin/sh": "shell",
    lib: "-> usr/lib",
    bin: "-> /usr/bin",
    "usr/up": "-> ..",
    "usr/chain1": "-> chain2",
    "usr/chain2": "-> ./chain3",
    "usr/chain3": "-> /lib/modules",
    "usr/beyond": "-> ../../../../usr/bin/sh",
    "usr/slashed": "-> bin/",
    "usr/file-slash": "-> bin/sh/",
    "usr/file-dot": "-> bin/sh/.",
    "usr/file-up": "-> bin/sh/../sh",
    "usr/root": "-> /",
    dangling: "-> usr/nothing",
    empty: "-> ",
    self: "-> self",
    ping: "-> pong",
    pong: "-> /ping",
    growing: "-> growing/growing",
  });
  const real = (path: string) => tree.realPath(path)?.path;

  test.each([
    ["lib/modules/x", "usr/lib/modules/x"],
    ["bin/sh", "usr/bin/sh"],
    ["/bin/sh", "usr/bin/sh"],
    ["bin", "usr/bin"],
    ["bin/", "usr/bin"],
    ["usr/up", ""],
    ["usr/up/bin/../lib", "usr/lib"],
    ["lib/../bin/sh", "usr/bin/sh"],
    ["usr/lib/../../usr", "usr"],
    ["../../usr", "usr"],
    ["usr/chain1/x", "usr/lib/modules/x"],
    ["usr/beyond", "usr/bin/sh"],
    ["usr/slashed/sh", "usr/bin/sh"],
    ["usr/slashed", "usr/bin"],
    ["usr/root", ""],
    ["usr/root/bin/sh", "usr/bin/sh"],
    ["", ""],
    ["/", ""],
    ["..", ""],
    [".", ""],
  ])("%j is %j", (path, expected) => {
    expect(real(path)).toBe(expected);
    expect(tree.resolve(path)).toBe(tree.get(expected));
  });

  test.each([
    ["nothing is there", "usr/nothing"],
    ["nothing is there", "dangling"],
    ["a file is no directory", "usr/bin/sh/x"],
    ["a file has no parent of that kind", "usr/bin/sh/.."],
    ["a file is no directory, though only a dot follows", "usr/bin/sh/."],
    ["a file is no directory, though only a slash follows", "usr/bin/sh/"],
    ["the same in a target", "usr/file-slash"],
    ["the same in a target", "usr/file-dot"],
    ["the same in a target", "usr/file-up"],
    ["a symlink without a target leads nowhere", "empty"],
    ["a circle", "self"],
    ["a circle", "ping"],
    ["a circle that grows", "growing"],
    ["what cannot be found has no parent either", "usr/nothing/.."],
  ])("%s: %s", (_, path) => {
    expect([tree.realPath(path), tree.resolve(path)]).toEqual([undefined, undefined]);
  });

  test("40 in one look-up, not 41", () => {
    const chain = new Tree();
    chain.set("0", file("end"));
    for (let link = 1; link <= 41; link++) chain.set(String(link), symlink(String(link - 1)));
    expect(chain.resolve("40")).toBe(chain.get("0"));
    expect(chain.resolve("41")).toBeUndefined();
  });

  test("a target that no kernel takes leads nowhere, and does no harm", () => {
    const hostile = treeOf({ "d/file": "" });
    hostile.set("longest", symlink(`${"/".repeat(4094)}d`));
    hostile.set("too-long", symlink(`${"/".repeat(4095)}d`));
    hostile.set("huge", symlink("d/../".repeat(1_000_000)));
    expect(["longest", "too-long", "huge"].map((path) => hostile.realPath(path)?.path)).toEqual([
      "d",
      undefined,
      undefined,
    ]);
  });
});

describe("nodes", () => {
  test("have the usual metadata unless told otherwise", () => {
    expect(metadata(0o640)).toEqual({ permissions: 0o640, uid: 0, gid: 0, mtime: 0, xattrs: new Map() });
    expect(symlink("x", { uid: 7 })).toMatchObject({ permissions: 0o777, uid: 7, target: "x" });
    const bytes = Uint8Array.of(1, 2);
    expect(regularFile(bytes).content.read(0, 2)).toEqual(bytes);
    const source = new MemorySource(bytes);
    expect(regularFile(source).content).toBe(source);
  });

  test("each kind has its mode, and each mode its kind", () => {
    const nodes: readonly [Node, number][] = [
      [{ kind: "fifo", ...metadata(0o600) }, 0o010600],
      [{ kind: "character-device", major: 1, minor: 3, ...metadata(0o666) }, 0o020666],
      [directory({ permissions: 0o1777 }), 0o041777],
      [{ kind: "block-device", major: 8, minor: 0, ...metadata(0o660) }, 0o060660],
      [regularFile(new Uint8Array(), { permissions: 0o4755 }), 0o104755],
      [symlink("x"), 0o120777],
      [{ kind: "socket", ...metadata(0o700) }, 0o140700],
    ];
    for (const [node, mode] of nodes) {
      expect(modeOf(node)).toBe(mode);
      expect(kindOfMode(mode)).toBe(node.kind);
    }
    for (const mode of [0, 0o755, 0o030000, 0o160000, 0o170000]) expect(kindOfMode(mode)).toBeUndefined();
  });

  test("a path's components are its names", () => {
    expect(componentsOf("//a/./b/../c/")).toEqual(["a", "b", "..", "c"]);
    expect(componentsOf("/")).toEqual([]);
  });
});
