import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ByteSource, MemorySink, MemorySource } from "../../src/bytes/index.ts";
import {
  cutFile,
  type ErofsPlan,
  encodeErofs,
  extentsOf,
  findEqualFiles,
  type HotRange,
  openErofs,
  planErofs,
  readErofs,
  readOrder,
} from "../../src/formats/erofs/index.ts";
import type { Profile } from "../../src/profile/index.ts";
import { type Node, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { planCompressed, prose, settingsOf, UUID } from "../support/erofs-compress.ts";
import { laidOut } from "../support/erofs-order.ts";
import { factsOf, noise } from "../support/erofs-trees.ts";

const BLOCK = 4096;
const KIB = 1024;

const hot = (start: number, end: number, rank = 0): HotRange => ({ start: start * BLOCK, end: end * BLOCK, rank });
const partsIn = (blocks: number, ranges: readonly HotRange[], minColdBlocks: number): (number | undefined)[][] =>
  cutFile(blocks * BLOCK, ranges, { minColdBytes: minColdBlocks * BLOCK, readAroundBytes: 0 }).map(
    ({ start, end, rank }) => [start / BLOCK, end / BLOCK, rank],
  );

describe("cutting a file", () => {
  test.each([
    ["nothing is read", 10, [], [[0, 10, undefined]]],
    ["all is read", 10, [hot(0, 10, 3)], [[0, 10, 3]]],
    [
      "a part is read",
      100,
      [hot(40, 50, 3)],
      [
        [0, 40, undefined],
        [40, 50, 3],
        [50, 100, undefined],
      ],
    ],
    ["what is not read is short", 20, [hot(7, 13, 3)], [[0, 20, 3]]],
    [
      "parts are near each other",
      100,
      [hot(50, 60, 2), hot(40, 43, 5)],
      [
        [0, 40, undefined],
        [40, 60, 2],
        [60, 100, undefined],
      ],
    ],
    [
      "parts overlap",
      100,
      [hot(0, 90, 7), hot(10, 20, 1)],
      [
        [0, 90, 1],
        [90, 100, undefined],
      ],
    ],
    [
      "parts are far from each other",
      100,
      [hot(0, 10, 1), hot(90, 100, 0)],
      [
        [0, 10, 1],
        [10, 90, undefined],
        [90, 100, 0],
      ],
    ],
    [
      "ranges lie behind the end",
      20,
      [hot(10, 900, 1), hot(50, 60, 0)],
      [
        [0, 10, undefined],
        [10, 20, 1],
      ],
    ],
  ] as const)("%s", (_, blocks, ranges, expected) => {
    expect(partsIn(blocks, ranges, 8)).toEqual(expected);
  });

  test("parts begin at pages, whatever was asked for", () => {
    const policy = { minColdBytes: BLOCK, readAroundBytes: 0 };
    expect(cutFile(100_001, [{ start: 50_001, end: 50_002, rank: 1 }], policy)).toEqual([
      { start: 0, end: 12 * BLOCK, rank: undefined },
      { start: 12 * BLOCK, end: 13 * BLOCK, rank: 1 },
      { start: 13 * BLOCK, end: 100_001, rank: undefined },
    ]);
    expect(cutFile(0, [{ start: 0, end: 1, rank: 1 }])).toEqual([{ start: 0, end: 0, rank: undefined }]);
  });

  test("what the kernel reads around a page belongs to its part", () => {
    expect(cutFile(100 * BLOCK, [hot(50, 51, 1)], { minColdBytes: 0, readAroundBytes: 8 * BLOCK })).toEqual([
      { start: 0, end: 42 * BLOCK, rank: undefined },
      { start: 42 * BLOCK, end: 59 * BLOCK, rank: 1 },
      { start: 59 * BLOCK, end: 100 * BLOCK, rank: undefined },
    ]);
  });

  test("parts are the whole file, each byte that is read is in one that is, and none is short without reason", () => {
    const ranges = fc.array(fc.tuple(fc.nat(500_000), fc.nat(50_000), fc.nat(100)), { maxLength: 12 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500_000 }), ranges, (size, list) => {
        const all = list.map(([start, length, rank]) => ({ start, end: start + length, rank }));
        const parts = cutFile(size, all);
        expect(parts[0]?.start).toBe(0);
        expect(parts.at(-1)?.end).toBe(size);
        for (const [index, { start, end, rank }] of parts.entries()) {
          expect(start).toBe(parts[index - 1]?.end ?? 0);
          expect(start % BLOCK).toBe(0);
          expect(end).toBeGreaterThan(start);
          if (rank === undefined && parts.length > 1) expect(end - start).toBeGreaterThanOrEqual(32 * KIB);
        }
        for (const { start, end } of all) {
          for (const part of parts) {
            if (end > start && part.end > start && part.start < Math.min(end, size)) expect(part.rank).toBeDefined();
          }
        }
      }),
    );
  });
});

const profileOf = (...entries: (readonly [path: string, first?: number, count?: number])[]): Profile => ({
  entries: entries.map(([path, first = 0, count = 0]) => ({
    path,
    start: first * BLOCK,
    end: (first + count) * BLOCK,
  })),
});

describe("the order of a profile", () => {
  const tree = new Tree();
  tree.setWithParents("usr/lib/real", regularFile(noise(9000)));
  tree.set("usr/lib/name", symlink("real"));
  tree.set("lib", symlink("usr/lib"));
  tree.set("other", regularFile(noise(5000)));
  const named = (node: Node): string | undefined => [...tree.walk()].find((entry) => entry.node === node)?.path;

  test("puts directories and symlinks that lead to something before it", () => {
    const { nodes } = readOrder(tree, profileOf(["usr/lib/real"], ["missing"]));
    expect(nodes.map(named)).toEqual(["", "usr", "lib", "usr/lib", "usr/lib/name", "usr/lib/real"]);
  });

  test("follows symlinks in paths, and knows those that are named themselves", () => {
    expect(readOrder(tree, profileOf(["lib/real"])).nodes.map(named)).toContain("usr/lib/real");
    expect(readOrder(tree, profileOf(["lib"])).nodes.map(named)).toEqual(["", "lib"]);
  });
});

async function placesOf(plan: ErofsPlan, path: string): Promise<{ start: number; block: number }[]> {
  const sink = new MemorySink();
  plan.emit(sink);
  const image = await openErofs(new MemorySource(sink.bytes()));
  const node = image.tree().get(path);
  const extents = node?.kind === "file" ? extentsOf(node.content) : undefined;
  return (extents ?? []).map(({ start, offset }) => ({ start: start / BLOCK, block: (offset ?? 0) / BLOCK }));
}

describe("an image that is laid out by a profile", () => {
  const tree = new Tree();
  for (const name of ["a", "b", "c"]) tree.setWithParents(`files/${name}`, regularFile(noise(40 * BLOCK, 3)));
  tree.set("files/long", regularFile(noise(300 * BLOCK, 9)));
  tree.set("files/text", regularFile(prose(300 * BLOCK, 9)));
  const profile = profileOf(
    ["files/long", 200, 10],
    ["files/b", 0, 40],
    ["files/text", 100, 50],
    ["files/long", 20, 1],
  );

  for (const method of ["none", "lz4"] as const) {
    test(`has what is read in front, in that order, ${method}`, async () => {
      const order = readOrder(tree, profile);
      const plan =
        method === "none"
          ? planErofs(tree, { uuid: UUID, order })
          : await planCompressed(tree, settingsOf("lz4", 64), { order });
      const front = (plan.frontBytes ?? 0) / BLOCK;
      const long = await placesOf(plan, "files/long");
      const blockAt = (start: number): number => long.find((extent) => extent.start === start)?.block ?? Number.NaN;
      const b = (await placesOf(plan, "files/b"))[0]?.block ?? Number.NaN;
      const text = (await placesOf(plan, "files/text")).find(({ start }) => start === 92)?.block;
      expect([b - blockAt(192), (text ?? 0) - b]).toEqual([26, 40]);
      expect(blockAt(12)).toBe(front - 17);
      const cold = [blockAt(0), blockAt(29), blockAt(218), (await placesOf(plan, "files/a"))[0]?.block ?? 0];
      expect(Math.min(...cold)).toBeGreaterThanOrEqual(front);
      expect(plan.hasChunks).toBe(true);
    });
  }

  test("has in front of the front the inodes, maps and tails of what is looked up, and of nothing else", async () => {
    for (const plan of [
      planErofs(tree, { uuid: UUID, order: readOrder(tree, profile) }),
      await planCompressed(tree, settingsOf("lz4", 64), laidOut(tree, profile)),
    ]) {
      const sink = new MemorySink();
      plan.emit(sink);
      const inodes = (await openErofs(new MemorySource(sink.bytes())))
        .regions()
        .filter(({ kind }) => kind !== "content");
      const inFront = inodes.filter(({ end }) => end <= (plan.frontMetadataBytes ?? 0));
      const paths = new Set(inFront.map(({ owner }) => owner?.path));
      expect(paths).toEqual(new Set([undefined, "", "files", "files/long", "files/b", "files/text"]));
      expect(plan.frontMetadataBytes).toBeLessThan(4 * BLOCK);
    }
    expect(planErofs(tree, { uuid: UUID }).frontMetadataBytes).toBeUndefined();
  });

  test("stores equal files once, in front when one of them is read", async () => {
    const twins = new Tree();
    twins.set("cold", regularFile(noise(100 * BLOCK)));
    twins.set("hot", regularFile(noise(100 * BLOCK)));
    twins.set("last", regularFile(noise(BLOCK, 3)));
    const options = laidOut(twins, profileOf(["hot", 50, 10], ["last", 0, 1]));
    for (const plan of [
      planErofs(twins, { uuid: UUID, ...options }),
      await planCompressed(twins, settingsOf("lz4", 64), options),
    ]) {
      expect(plan.sizeBytes / BLOCK).toBeLessThan(110);
      expect(await placesOf(plan, "cold")).toEqual(await placesOf(plan, "hot"));
      const front = (plan.frontBytes ?? 0) / BLOCK;
      expect((await placesOf(plan, "hot")).find(({ start }) => start === 42)?.block).toBe(front - 27);
    }
  });

  test("needs nothing of the kernel when no file is cut", () => {
    const order = readOrder(tree, profileOf(["files/b", 0, 40], ["files/a"]));
    expect(planErofs(tree, { uuid: UUID, order }).hasChunks).toBe(false);
  });

  test("keeps ends of files that are not read away from inodes that are", () => {
    const small = new Tree();
    for (let index = 0; index < 200; index++) small.set(`${index}`, regularFile(noise(2000, index)));
    const lookUps = readOrder(small, profileOf(...[...small.walk()].map(({ path }) => [path] as const)));
    const { frontBytes = 0 } = planErofs(small, { uuid: UUID, order: lookUps });
    // The root's entries and 200 inodes of 32 bytes.
    expect(frontBytes).toBeLessThan(5 * BLOCK);
    expect(factsOf(readErofs(new MemorySource(encodeErofs(small, { uuid: UUID, order: lookUps }))).tree())).toEqual(
      factsOf(small),
    );
  });
});

describe("equal files", () => {
  test("are found by content, and only files of equal size are read", () => {
    const tree = new Tree();
    const counted = (content: Uint8Array): { source: ByteSource; reads: number[] } => {
      const reads: number[] = [];
      const source = {
        size: content.length,
        read: (offset: number, length: number): Uint8Array => {
          reads.push(length);
          return content.subarray(offset, offset + length);
        },
      };
      return { source, reads };
    };
    const contents = [noise(9000), noise(9000), noise(9000, 5), noise(9001), new Uint8Array(0), new Uint8Array(0)];
    const sources = contents.map(counted);
    const files = sources.map(({ source }) => regularFile(source));
    for (const [index, file] of files.entries()) tree.set(`${index}`, file);
    tree.set("link", files[1] as Node);
    expect([...findEqualFiles(tree)]).toEqual([[files[1], files[0]]]);
    expect(sources.map(({ reads }) => reads.length > 0)).toEqual([true, true, true, false, false, false]);
    expect(sources[2]?.reads).toEqual([4096]);
  });
});
