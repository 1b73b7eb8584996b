import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { byteStringFrom, FormatError, UsageError } from "../../src/bytes/index.ts";
import { decompress, detectCompression } from "../../src/formats/compression/index.ts";
import { encodeKmodIndex, parseKmodIndex } from "../../src/formats/kmod-index/index.ts";
import { parsePathPattern } from "../../src/transform/glob.ts";
import { describeTransformations, type TransformationWishes, transformTree } from "../../src/transform/index.ts";
import { type Node, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { sampleInitrdTree } from "../support/build-inputs.ts";
import { factsOf } from "../support/erofs-trees.ts";

const NOTHING: TransformationWishes = {
  drop: [],
  modules: undefined,
  fileContexts: undefined,
  capabilities: undefined,
  base: undefined,
};
const transform = (tree: Tree, wishes: Partial<TransformationWishes>) =>
  transformTree(tree, { ...NOTHING, ...wishes }, "/init");

const file = (text: string | Uint8Array) => regularFile(Buffer.from(text));
const textOf = (node: Node | undefined): string =>
  node?.kind === "file" ? byteStringFrom(node.content.read(0, node.content.size)) : `no file: ${node?.kind}`;
const paths = (tree: Tree): string[] => [...tree.walk()].slice(1).map(({ path }) => path);

describe("a pattern for paths", () => {
  test.each([
    ["usr/share/doc", ["usr/share/doc"], ["usr/share", "usr/share/doc/a", "usr/share/docs"]],
    ["/usr//share/./doc/", ["usr/share/doc"], ["usr/share/doc/a"]],
    ["usr/share/doc/**", ["usr/share/doc/a", "usr/share/doc/.b/c"], ["usr/share/doc", "usr/share/docs/a"]],
    ["**/*.py", ["a.py", "usr/lib/.x/b.py"], ["a.pyc", "a.py/b"]],
    ["usr/**/doc", ["usr/doc", "usr/a/b/doc"], ["usr/a", "doc"]],
    ["*.ko", ["a.ko", ".ko"], ["b/a.ko"]],
    ["a?c", ["abc", "a\xe4c"], ["ac", "a/c", "abbc"]],
    ["[a-c]x", ["ax", "cx"], ["dx", "/x"]],
    ["[!a-c]x", ["dx", "^x"], ["ax", "/x"]],
    ["[]-]x", ["]x", "-x"], ["ax"]],
    ["[\\^]x", ["\\x", "^x"], ["ax"]],
    ["a\\*b", ["a*b"], ["acb"]],
    ["a.b+(c)|{d}$^", ["a.b+(c)|{d}$^"], ["axb+(c)|{d}$^"]],
    ["ä*", ["\xc3\xa4", "\xc3\xa4x"], ["a"]],
    ["**", ["a", "a/b"], []],
  ])("%s", (pattern, meant, others) => {
    const { matches } = parsePathPattern(pattern);
    expect(meant.filter((path) => !matches(path))).toEqual([]);
    expect(others.filter(matches)).toEqual([]);
  });

  test.each([
    ["", /names no path/],
    ["/", /names no path/],
    ["a/../b", /no \.\./],
    ["a**", /\*\* must stand alone/],
    ["[a", /\[ has no \]/],
    ["a\\", /needs a character/],
    ["[z-a]", /no set of characters/],
  ])("%s is refused", (pattern, message) => {
    expect(() => parsePathPattern(pattern)).toThrow(UsageError);
    expect(() => parsePathPattern(pattern)).toThrow(message);
  });
});

describe("leaving out", () => {
  test("takes directories with all that is in them, counts, and leaves the given tree as it is", async () => {
    const tree = sampleInitrdTree();
    tree.setWithParents("usr/share/doc/a/b", file("1234"));
    tree.setWithParents("usr/share/doc/c", file("56"));
    const before = factsOf(tree);
    const result = await transform(tree, { drop: ["usr/share/doc/*", "dev"] });
    expect(paths(result.tree).filter((path) => path.startsWith("usr/share"))).toEqual([
      "usr/share",
      "usr/share/doc",
      "usr/share/filler",
    ]);
    expect(result.transformations).toMatchObject([
      { setting: "drop", purpose: "leaves out usr/share/doc/*", entries: 3 },
      { purpose: "leaves out dev", entries: 1 },
    ]);
    const [first] = result.transformations;
    expect((first?.bytesBefore ?? 0) - (first?.bytesAfter ?? 0)).toBe(6);
    expect(factsOf(tree)).toEqual(before);
    expect(describeTransformations(result.transformations)).toContain("leaves out usr/share/doc/*: 3 entries, files");
    expect(describeTransformations([])).toBe("");
  });

  test("a file that has another name left still takes its room", async () => {
    const tree = sampleInitrdTree();
    const hard = file("1234");
    for (const name of ["one", "two"]) tree.set(name, hard);
    const { transformations } = await transform(tree, { drop: ["one", "two"] });
    expect(transformations.map(({ bytesBefore, bytesAfter }) => bytesBefore - bytesAfter)).toEqual([0, 4]);
  });

  test("what a pattern does not mean is a warning, with the place behind a symlink", async () => {
    const tree = sampleInitrdTree();
    tree.set("lib", symlink("usr/lib"));
    const { warnings, transformations } = await transform(tree, { drop: ["lib/firmware/**", "lib/systemd/*"] });
    expect(transformations).toEqual([]);
    expect(warnings).toEqual([
      "the pattern lib/firmware/** of image.drop means nothing in the image",
      "the pattern lib/systemd/* of image.drop means nothing in the image: /lib/systemd is /usr/lib/systemd there",
    ]);
  });

  test.each([
    ["init", /\/init, which is \/usr\/lib\/systemd\/systemd/],
    ["usr/lib/systemd/**", /leave out usr\/lib\/systemd\/\*\*: the boot needs \/init/],
    ["**/systemd", /needs/],
    ["usr", /needs/],
    ["etc/*", /needs \/etc\/initrd-release/],
  ])("%s is refused: the boot needs it", async (pattern, message) => {
    const dropped = transform(sampleInitrdTree(), { drop: ["dev", pattern] });
    await expect(dropped).rejects.toThrow(UsageError);
    await expect(dropped).rejects.toThrow(message);
  });

  test("the interpreter of a script is needed, wherever it is", async () => {
    const tree = new Tree();
    tree.set("init", regularFile(Buffer.from("#! /bin/sh -e\n"), { permissions: 0o755 }));
    tree.set("bin", symlink("usr/bin"));
    tree.setWithParents("usr/bin/busybox", file(""));
    tree.set("usr/bin/sh", symlink("busybox"));
    await expect(transform(tree, { drop: ["usr/bin/busybox"] })).rejects.toThrow(/needs \/bin\/sh, which is \/usr/);
  });
});

const FOLDER = "usr/lib/modules/6.12";
const MODULES_DEP = "kernel/a.ko.gz: kernel/b.ko.gz\nkernel/b.ko.gz:\nkernel/c.ko:\ngone.ko.gz:\n";

function modulesTree(): Tree {
  const tree = sampleInitrdTree();
  tree.set("lib", symlink("usr/lib"));
  const set = (path: string, node: Node): void => tree.setWithParents(`${FOLDER}/${path}`, node);
  set("kernel/a.ko.gz", file(gzipSync("module a")));
  set("kernel/b.ko.gz", file(gzipSync("module b")));
  set("kernel/c.ko", file("module c"));
  set("weak/a.ko.gz", symlink("../kernel/a.ko.gz"));
  set("weak/again.ko.gz", symlink("/lib/modules/6.12/weak/a.ko.gz"));
  set("modules.dep", file(MODULES_DEP));
  set("modules.order", file("kernel/a.ko\nkernel/b.ko.gz\n"));
  set(
    "modules.dep.bin",
    file(
      encodeKmodIndex([
        { key: "a", values: [{ priority: 1, value: "kernel/a.ko.gz: kernel/b.ko.gz" }] },
        { key: "b", values: [{ priority: 2, value: "kernel/b.ko.gz:" }] },
      ]),
    ),
  );
  tree.setWithParents("opt/extra.ko.gz", file(gzipSync("no module of a kernel")));
  tree.set("pointer", symlink("lib/modules/6.12/kernel/b.ko.gz"));
  return tree;
}

const unpack = {
  purpose: "unpacks",
  prepare: async (bytes: Uint8Array) =>
    detectCompression(bytes) === undefined ? bytes : (await decompress(bytes)).output,
};

describe("unpacking modules", () => {
  test("changes the files, their names, and all that names them", async () => {
    const original = modulesTree();
    const before = factsOf(original);
    const { tree, warnings, transformations } = await transform(original, { modules: unpack });
    expect(warnings).toEqual([]);
    expect(paths(tree).filter((path) => path.includes(".ko"))).toEqual([
      "opt/extra.ko.gz",
      `${FOLDER}/kernel/a.ko`,
      `${FOLDER}/kernel/b.ko`,
      `${FOLDER}/kernel/c.ko`,
      `${FOLDER}/weak/a.ko`,
      `${FOLDER}/weak/again.ko`,
    ]);
    expect(textOf(tree.resolve(`${FOLDER}/weak/again.ko`))).toBe("module a");
    expect(textOf(tree.resolve("pointer"))).toBe("module b");
    expect(textOf(tree.get(`${FOLDER}/modules.dep`))).toBe(
      "kernel/a.ko: kernel/b.ko\nkernel/b.ko:\nkernel/c.ko:\ngone.ko.gz:\n",
    );
    expect(textOf(tree.get(`${FOLDER}/modules.order`))).toBe("kernel/a.ko\nkernel/b.ko\n");
    expect(parseKmodIndex(Buffer.from(textOf(tree.get(`${FOLDER}/modules.dep.bin`)), "latin1"))).toEqual([
      { key: "a", values: [{ priority: 1, value: "kernel/a.ko: kernel/b.ko" }] },
      { key: "b", values: [{ priority: 2, value: "kernel/b.ko:" }] },
    ]);
    expect(transformations).toMatchObject([
      {
        setting: "modules",
        purpose: "unpacks",
        entries: 3,
        details: [
          "4 names without .xz, .zst or .gz",
          "3 symlinks changed to lead to them",
          `/${FOLDER}/modules.dep changed to name them`,
          `/${FOLDER}/modules.dep.bin changed to name them`,
          `/${FOLDER}/modules.order changed to name them`,
        ],
      },
    ]);
    expect(factsOf(original)).toEqual(before);
  });

  test("does nothing more the second time", async () => {
    const once = await transform(modulesTree(), { modules: unpack });
    const twice = await transform(once.tree, { modules: unpack });
    expect(factsOf(twice.tree)).toEqual(factsOf(once.tree));
    expect(twice.transformations[0]?.details).toEqual([]);
  });

  test("leaves a module whose new name is taken", async () => {
    const tree = modulesTree();
    tree.set(`${FOLDER}/kernel/c.ko.gz`, file(gzipSync("another c")));
    const result = await transform(tree, { modules: unpack });
    expect(result.warnings).toEqual([`/${FOLDER}/kernel/c.ko.gz stays as it is: there is also /${FOLDER}/kernel/c.ko`]);
    expect(textOf(result.tree.get(`${FOLDER}/kernel/c.ko`))).toBe("module c");
    expect(textOf(result.tree.get(`${FOLDER}/kernel/c.ko.gz`))).toBe(gzipSync("another c").toString("latin1"));
  });

  test.each(["kernel/a.ko.gz", "modules.dep.bin"])("a damaged %s is named", async (name) => {
    const tree = modulesTree();
    tree.set(`${FOLDER}/${name}`, file(Buffer.from("\x1f\x8bdamaged", "latin1")));
    const broken = transform(tree, { modules: unpack });
    await expect(broken).rejects.toThrow(FormatError);
    await expect(broken).rejects.toThrow(`/${FOLDER}/${name}: `);
  });
});
