import { describe, expect, test } from "vitest";
import { takeUsr } from "../../src/build/usr-tree.ts";
import { UsageError } from "../../src/bytes/index.ts";
import { directory, regularFile, symlink, Tree } from "../../src/tree/index.ts";

const text = (content: string) => regularFile(Buffer.from(content, "latin1"));

function debian(): Tree {
  const tree = new Tree();
  tree.setWithParents("usr/bin/sh", text("shell"));
  tree.setWithParents("usr/share/factory/etc/issue", text("of the package"));
  tree.setWithParents("etc/hostname", text("machine"));
  tree.setWithParents("var/lib/state", text("0"));
  tree.set("bin", symlink("usr/bin"));
  tree.set("lib64", symlink("/usr/lib64"));
  tree.set("tmp", directory({ permissions: 0o1777 }));
  for (const name of ["dev", "proc", "sys", "run"]) tree.set(name, directory());
  return tree;
}

const paths = (tree: Tree): string[] => [...tree.walk()].map(({ path }) => path).filter((path) => path !== "");

test("an operating system is taken apart", () => {
  const tree = debian();
  const before = paths(tree);
  const { usr, skeleton, warnings } = takeUsr(tree);
  expect(paths(usr)).toEqual([
    ...["bin", "bin/sh", "share", "share/factory"],
    ...["share/factory/etc", "share/factory/etc/hostname"],
    ...["share/factory/var", "share/factory/var/lib", "share/factory/var/lib/state"],
  ]);
  expect(paths(skeleton)).toEqual(["bin", "lib64", "tmp"]);
  expect(skeleton.get("tmp")?.permissions).toBe(0o1777);
  expect(warnings).toEqual([]);
  // The tree itself is as it was.
  expect(paths(tree)).toEqual(before);
});

test("what has no place in the result is named", () => {
  const tree = debian();
  tree.setWithParents("root/.profile", text(""));
  tree.setWithParents("opt/program/a", text(""));
  tree.set("vmlinuz", symlink("boot/vmlinuz"));
  const { skeleton, warnings } = takeUsr(tree);
  expect(warnings).toEqual([
    "left out, being outside of /usr, /etc and /var: /opt (1 entry), /root (1 entry), /vmlinuz",
  ]);
  expect(paths(skeleton)).toEqual(["bin", "lib64", "opt", "root", "tmp"]);
});

test("a link /init, as initrds have it, does not replace the first stage's program", () => {
  const tree = debian();
  tree.set("init", symlink("usr/lib/systemd/systemd"));
  const { skeleton, warnings } = takeUsr(tree);
  expect(paths(skeleton)).toEqual(["bin", "lib64", "tmp"]);
  expect(warnings).toEqual(["left out, being outside of /usr, /etc and /var: /init"]);
});

describe("a tree that cannot be taken apart", () => {
  test("has programs outside of /usr", () => {
    const tree = debian();
    tree.remove("bin");
    tree.setWithParents("bin/sh", text(""));
    expect(() => takeUsr(tree)).toThrow(UsageError);
    expect(() => takeUsr(tree)).toThrow(/"usr": \/bin is no link into \/usr/);
  });

  test.each([
    ["no /usr", undefined],
    ["a link as /usr", symlink("elsewhere")],
  ])("has %s", (_, node) => {
    const tree = debian();
    tree.remove("usr");
    if (node !== undefined) tree.set("usr", node);
    expect(() => takeUsr(tree)).toThrow(/the tree has no directory \/usr/);
  });
});
