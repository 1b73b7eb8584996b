import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BlockStore,
  knowsInlineTails,
  requireDecompression,
  threadCompressor,
} from "../../src/build/compress/index.ts";
import { startThreads } from "../../src/build/threads/index.ts";
import { MemorySink, UsageError } from "../../src/bytes/index.ts";
import type { Lz4Level } from "../../src/codec/index.ts";
import { ScratchFile } from "../../src/host/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { compressibles, joined, newLz4Encoder, planCompressed, prose, settingsOf } from "../support/erofs-compress.ts";
import { noise } from "../support/erofs-trees.ts";
import { decodeStrictly } from "../support/lz4-strict.ts";
import { tempFolder } from "../support/temp.ts";

const LEVELS: readonly Lz4Level[] = ["fast", "high"];
const encoder = newLz4Encoder();

/** Every block decodes to its part of the input, and all of them together are the input. */
function checkBlocks(input: Uint8Array, room: number, level: Lz4Level): number {
  encoder.load(input);
  let blocks = 0;
  for (let offset = 0; offset < input.length; blocks++) {
    const { bytes, consumed } = encoder.encode(offset, room, level);
    expect(bytes.length).toBeLessThanOrEqual(room);
    expect(bytes[0]).not.toBe(0);
    const decoded = decodeStrictly(bytes, consumed);
    expect(Buffer.compare(decoded, input.subarray(offset, offset + consumed))).toBe(0);
    offset += consumed;
  }
  return blocks;
}

describe.each(LEVELS)("LZ4 blocks of a fixed size, %s", (level) => {
  test("keep the rules for a block's end, wherever the room ends", () => {
    const parts = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.tuple(fc.nat(255), fc.nat(3000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
        fc.tuple(fc.nat(4000), fc.nat(20)).map(([length, seed]) => prose(length, seed)),
        fc.tuple(fc.nat(1500), fc.nat(20)).map(([length, seed]) => noise(length, seed)),
      ),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(parts, fc.integer({ min: 1024, max: 1400 }), (all, room) => {
        checkBlocks(joined(...all), room, level);
      }),
      { numRuns: 300 },
    );
  });

  test("are full when there is more input than fits", () => {
    encoder.load(prose(400_000));
    const { bytes, consumed } = encoder.encode(0, 4096, level);
    expect(bytes.length).toBeGreaterThan(4096 - 16);
    expect(consumed).toBeGreaterThan(6000);
  });

  test("hold at most 2 MiB", () => {
    expect(checkBlocks(new Uint8Array(4 << 20), 65536, level)).toBe(2);
  });

  test("hold what does not shrink as it is", () => {
    encoder.load(noise(70_000));
    const { consumed } = encoder.encode(0, 65536, level);
    expect(consumed).toBeGreaterThan(65_000);
    expect(consumed).toBeLessThan(65_536);
  });

  test("do not depend on earlier inputs", () => {
    const input = prose(100_000, 3);
    const digest = (): string => {
      encoder.load(input);
      return createHash("sha256")
        .update(encoder.encode(0, 16384, level).bytes)
        .digest("hex");
    };
    const first = digest();
    checkBlocks(joined(noise(50_000), prose(50_000, 4)), 4096, level);
    expect(digest()).toBe(first);
  });
});

test("the careful level packs more than the fast one", () => {
  const input = prose(300_000);
  expect(checkBlocks(input, 4096, "high")).toBeLessThan(checkBlocks(input, 4096, "fast"));
});

test("inputs and rooms that are too large or too small are refused", () => {
  expect(() => encoder.load(new Uint8Array(encoder.maxInputBytes + 1))).toThrow(RangeError);
  encoder.load(new Uint8Array(100));
  for (const [offset, room] of [
    [100, 4096],
    [0, 100],
    [0, 2 << 20],
    [0, Number.NaN],
  ] as const) {
    expect(() => encoder.encode(offset, room, "fast")).toThrow(RangeError);
  }
});

async function digestOf(tree: Tree, ...[settings, options, means]: Tail<Parameters<typeof planCompressed>>) {
  const sink = new MemorySink();
  (await planCompressed(tree, settings, options, means)).emit(sink);
  return createHash("sha256").update(sink.bytes()).digest("hex");
}
type Tail<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never;

function sample(): Tree {
  const tree = new Tree();
  tree.set("text", regularFile(prose(300_000)));
  tree.set("mixed", regularFile(joined(prose(100_000), noise(50_000), prose(3000))));
  tree.set("small", regularFile(prose(2000)));
  tree.set("noise", regularFile(noise(9000)));
  return tree;
}

describe("compressed images", () => {
  test.each([
    ["lz4", 64, "e141a508c4977b1691b8c3024bbd99eac14ee3a0f036a9eabafafaa6c2404979"],
    ["lz4hc", 64, "5e5763491fc19671cc489926903410eacf8606a8e4325dbf3e69e2bb95272f86"],
    ["zstd", 128, "1dbfd92a049032b72961f4c305458dd04608a6ebc608721c35847c00649597e7"],
  ] as const)("with %s have always the same bytes", async (method, kib, digest) => {
    expect(await digestOf(sample(), settingsOf(method, kib))).toBe(digest);
  });

  test.each([1, 2, 3])("are the same with %i threads as without any", async (threads) => {
    const settings = settingsOf("lz4", 64);
    const tree = compressibles();
    const workforce = startThreads(threads);
    try {
      const compressor = threadCompressor(workforce, settings);
      expect(await digestOf(tree, settings, {}, { compressor })).toBe(await digestOf(tree, settings));
    } finally {
      await workforce.close();
    }
  });

  test.each([0, 100_000])("are the same when what exceeds %i bytes of memory waits in a file", async (budget) => {
    const settings = settingsOf("lz4", 64);
    const tree = compressibles();
    const folder = tempFolder();
    const store = new BlockStore(() => new ScratchFile(join(folder, "scratch")), budget);
    const workforce = startThreads(2);
    try {
      const compressor = threadCompressor(workforce, settings);
      expect(await digestOf(tree, settings, {}, { compressor, store })).toBe(await digestOf(tree, settings));
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      await workforce.close();
      store.close();
    }
  });

  test("of more than will ever fit into memory are not held there at all", () => {
    const place = (contentBytes: number): unknown => {
      const folder = tempFolder();
      const store = new BlockStore(() => new ScratchFile(join(folder, "scratch")), 1000);
      store.expect(contentBytes);
      const reserved = store.reserve(10);
      store.close();
      return reserved;
    };
    expect(place(4000)).toBeUndefined();
    expect(place(4001)).toMatchObject({ offset: 0 });
  });

  test("have no features of compression when nothing shrinks", async () => {
    const tree = new Tree();
    tree.set("noise", regularFile(noise(100_000)));
    expect(await digestOf(tree, settingsOf("lz4", 64))).toBe(await digestOf(tree, settingsOf("zstd", 128)));
  });

  test("fail with what the thread failed with", async () => {
    const settings = settingsOf("lz4", 0);
    const workforce = startThreads(1);
    const compressor = threadCompressor(workforce, settings);
    await expect(planCompressed(sample(), settings, {}, { compressor })).rejects.toThrow(/into 0 bytes/);
    await workforce.close();
  });
});

describe("kernels", () => {
  const withLz4 = Buffer.from("\0LZ4_decompress_safe_partial\0");
  test.each([
    ["lz4", "5.13.0", withLz4, undefined],
    ["lz4", "6.1.0-56-amd64", undefined, undefined],
    ["lz4hc", "5.12.9", withLz4, /Linux reads it from 5.13 on/],
    ["lz4", "6.12.1", Buffer.from("none"), /lacks CONFIG_EROFS_FS_ZIP$/],
    ["zstd", "6.9.3", undefined, /Linux reads it from 6.10 on/],
    ["zstd", "6.12.1", withLz4, /lacks CONFIG_EROFS_FS_ZIP_ZSTD$/],
    ["zstd", "7.0.0", Buffer.from("zstd_decompress_stream"), undefined],
    ["lz4", "custom", undefined, undefined],
  ] as const)("for %s, %s", (method, release, erofsModule, refusal) => {
    const ask = (): void => requireDecompression(method, { release, erofsModule });
    if (refusal === undefined) return ask();
    expect(ask).toThrow(UsageError);
    expect(ask).toThrow(refusal);
  });

  test("know inline tails since 5.17", () => {
    expect(knowsInlineTails("5.16.20")).toBe(false);
    expect(knowsInlineTails("5.17.0")).toBe(true);
  });
});
