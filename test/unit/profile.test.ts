import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ByteString, FormatError } from "../../src/bytes/index.ts";
import { defaultProfile, encodeProfile, mergeProfiles, type Profile, parseProfile } from "../../src/profile/index.ts";
import { regularFile, symlink, Tree } from "../../src/tree/index.ts";

const UNIT = 4096;
const HEADER = "lazyrd-profile 1\n";

const entry = (path: ByteString, first = 0, count = 0) => ({
  path,
  start: first * UNIT,
  end: (first + count) * UNIT,
});
const profile = (...entries: Profile["entries"]): Profile => ({ entries });

describe("the text of a profile", () => {
  test("names paths, ranges and look-ups", () => {
    const text = `${HEADER}/usr/bin/a 0+3\n/usr/lib\n/\n/usr/bin/a 7+1\n`;
    const value = profile(entry("usr/bin/a", 0, 3), entry("usr/lib"), entry(""), entry("usr/bin/a", 7, 1));
    expect(parseProfile(text)).toEqual(value);
    expect(encodeProfile(value)).toBe(text);
  });

  test("shows any byte of a path", () => {
    const text = encodeProfile(profile(entry("a b\\c\n\xff#", 1, 1), entry("#")));
    expect(text).toBe(`${HEADER}/a\\x20b\\x5cc\\x0a\\xff# 1+1\n/#\n`);
    expect(parseProfile(text).entries[0]?.path).toBe("a b\\c\n\xff#");
  });

  test("may have remarks and empty lines", () => {
    expect(parseProfile(`${HEADER}# one 0+1\n\n/two 0+1\n`)).toEqual(profile(entry("two", 0, 1)));
  });

  test("has ranges of whole units", () => {
    expect(encodeProfile(profile({ path: "a", start: 5000, end: 8193 }))).toBe(`${HEADER}/a 1+2\n`);
  });

  test.each([
    ["", 1, /expected "lazyrd-profile 1"/],
    ["lazyrd-profile 2\n", 1, /expected "lazyrd-profile 1"/],
    [`${HEADER}/a 0+1`, 2, /cut off/],
    [`${HEADER}/a 0+1\nb 0+1\n`, 3, /expected "\/PATH"/],
    [`${HEADER}/a 0-1\n`, 2, /expected "\/PATH"/],
    [`${HEADER}/a 0+1 \n`, 2, /expected "\/PATH"/],
    [`${HEADER}/a b 0+1\n`, 2, /expected "\/PATH"/],
    [`${HEADER}/a 0+0\n`, 2, /at least one unit/],
    [`${HEADER}/a 99999999999+1\n`, 2, /within/],
    [`${HEADER}/a\\q 0+1\n`, 2, /two hexadecimal digits/],
    [`${HEADER}/a\\xF 0+1\n`, 2, /two hexadecimal digits/],
  ])("%j is refused", (text, line, problem) => {
    expect(() => parseProfile(text)).toThrow(FormatError);
    expect(() => parseProfile(Buffer.from(text))).toThrow(new RegExp(`line ${line} of a profile: .*${problem.source}`));
  });
});

const names = fc.uint8Array({ minLength: 1, maxLength: 5 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const paths = fc
  .array(
    names.map((name) => name.replaceAll("/", "_")).filter((name) => name !== "."),
    { maxLength: 3 },
  )
  .map((components) => components.join("/"));
const profiles = fc
  .array(fc.tuple(paths, fc.nat(50), fc.nat(9)), { maxLength: 30 })
  .map((list) => profile(...list.map(([path, first, count]) => entry(path, count === 0 ? 0 : first, count))));

test("any profile is read as it was written", () => {
  fc.assert(
    fc.property(profiles, (value) => {
      expect(parseProfile(encodeProfile(value))).toEqual(value);
    }),
  );
});

/** The units of each path, and whether it is listed at all. */
function unitsOf(all: readonly Profile[]): Map<ByteString, Set<number>> {
  const units = new Map<ByteString, Set<number>>();
  for (const { path, start, end } of all.flatMap(({ entries }) => entries)) {
    const set = units.get(path) ?? new Set();
    for (let at = start; at < end; at += UNIT) set.add(at / UNIT);
    units.set(path, set);
  }
  return units;
}

describe("merging", () => {
  test("keeps the first order, and adds what is new", () => {
    const first = profile(entry("b", 0, 4), entry("a", 2, 2));
    const second = profile(entry("c"), entry("b", 2, 4), entry("a", 0, 1));
    expect(mergeProfiles([first, second])).toEqual(
      profile(entry("b", 0, 4), entry("a", 2, 2), entry("c"), entry("b", 4, 2), entry("a", 0, 1)),
    );
  });

  test("joins what was read in one go", () => {
    expect(mergeProfiles([profile(entry("a", 0, 1), entry("a", 1, 1), entry("a"), entry("a", 5, 1))])).toEqual(
      profile(entry("a", 0, 2), entry("a", 5, 1)),
    );
  });

  test("loses nothing and repeats nothing", () => {
    fc.assert(
      fc.property(fc.array(profiles, { maxLength: 4 }), (all) => {
        const merged = mergeProfiles(all);
        expect(unitsOf([merged])).toEqual(unitsOf(all));
        const bytes = merged.entries.reduce((sum, { start, end }) => sum + (end - start) / UNIT, 0);
        expect(bytes).toBe([...unitsOf(all).values()].reduce((sum, { size }) => sum + size, 0));
        expect(mergeProfiles([merged])).toEqual(merged);
      }),
    );
  });
});

describe("without a recorded boot", () => {
  const treeOf = (paths: Readonly<Record<string, string | undefined>>): Tree => {
    const tree = new Tree();
    for (const [path, target] of Object.entries(paths)) {
      tree.setWithParents(path, target === undefined ? regularFile(Buffer.from(path)) : symlink(target));
    }
    return tree;
  };
  const file = undefined;
  const orderOf = (tree: Tree): ByteString[] => mergeProfiles([defaultProfile(tree)]).entries.map(({ path }) => path);

  test("systemd comes first, modules and firmware do not", () => {
    const tree = treeOf({
      init: "usr/lib/systemd/systemd",
      lib: "usr/lib",
      "usr/bin/zz": file,
      "usr/bin/bash": file,
      "usr/lib/firmware/a.bin": file,
      "usr/lib/modules/6.1/kernel/a.ko": file,
      "usr/lib/modules/6.1/modules.dep.bin": file,
      "usr/lib/systemd/system/a.service": file,
      "usr/lib/systemd/systemd": file,
      "usr/lib/udev/rules.d/60-a.rules": file,
      "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": file,
      "usr/lib/x86_64-linux-gnu/libc.so.6": file,
      "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": file,
    });
    expect(orderOf(tree)).toEqual([
      "usr/lib/systemd/systemd",
      "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
      "usr/lib/x86_64-linux-gnu/libc.so.6",
      "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so",
      "usr/lib/systemd/system/a.service",
      "usr/bin/bash",
      "usr/lib/udev/rules.d/60-a.rules",
      "usr/lib/modules/6.1/modules.dep.bin",
      "usr/bin/zz",
    ]);
  });

  test("it is the same with /lib64, without a merged /usr, and with scripts", () => {
    const tree = treeOf({
      "bin/busybox": file,
      "bin/sh": "busybox",
      "conf/initramfs.conf": file,
      init: file,
      "lib/modules/6.1/kernel/a.ko": file,
      "lib64/ld-linux-x86-64.so.2": file,
      "lib64/libc.so.6": file,
      "lib64/libz.so.1": file,
      "lib64/other.so": file,
      "scripts/functions": file,
    });
    expect(orderOf(tree)).toEqual([
      "init",
      "lib64/ld-linux-x86-64.so.2",
      "lib64/libc.so.6",
      "lib64/libz.so.1",
      "bin/busybox",
      "conf/initramfs.conf",
      "scripts/functions",
      "lib64/other.so",
    ]);
  });
});
