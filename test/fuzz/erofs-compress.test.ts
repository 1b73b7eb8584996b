import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError, MemorySink, MemorySource } from "../../src/bytes/index.ts";
import { type ErofsOptions, openErofs, planErofs } from "../../src/formats/erofs/index.ts";
import { encodeProfile, parseProfile } from "../../src/profile/index.ts";
import { regularFile, type Tree } from "../../src/tree/index.ts";
import { joined, planCompressed, prose, settingsOf, UUID } from "../support/erofs-compress.ts";
import { anyProfile, laidOut } from "../support/erofs-order.ts";
import { factsOf, noise, trees } from "../support/erofs-trees.ts";

/** Content that changes between what shrinks and what does not at any place. */
const contents = fc
  .array(fc.tuple(fc.constantFrom("prose", "noise", "zeros"), fc.oneof(fc.nat(300), fc.nat(90_000)), fc.nat(50)), {
    maxLength: 5,
  })
  .map((parts) =>
    joined(
      ...parts.map(([kind, length, seed]) => {
        if (kind === "zeros") return new Uint8Array(length);
        return kind === "prose" ? prose(length, seed) : noise(length, seed);
      }),
    ),
  );

/** Some files stand in the tree twice: as themselves and as others with equal content. */
const compressibleTrees = fc.tuple(trees, fc.array(contents, { maxLength: 8 })).map(([tree, files]) => {
  for (const [index, content] of files.entries()) {
    tree.set(`file ${index}`, regularFile(content));
    if (index % 3 === 0) tree.set(`twin ${index}`, regularFile(content, { mtime: index }));
  }
  return tree;
});

const methods = fc.constantFrom("none", "lz4", "lz4hc", "zstd");

async function imageOf(tree: Tree, method: string, options: Partial<ErofsOptions>, kib: number): Promise<Uint8Array> {
  const sink = new MemorySink();
  const plan =
    method === "none"
      ? planErofs(tree, { uuid: UUID, ...options })
      : await planCompressed(tree, settingsOf(method as "lz4", method === "zstd" ? kib * 2 : kib), options);
  plan.emit(sink);
  const image = sink.bytes();
  expect(image.length).toBe(plan.sizeBytes);
  return image;
}

test("any tree that is laid out by any profile is read as it was written", async () => {
  await fc.assert(
    fc.asyncProperty(
      compressibleTrees,
      fc.nat(),
      methods,
      fc.constantFrom(4, 16, 64),
      async (tree, seed, method, kib) => {
        const image = await imageOf(tree, method, laidOut(tree, anyProfile(tree, seed)), kib);
        expect(factsOf((await openErofs(new MemorySource(image))).tree())).toEqual(factsOf(tree));
      },
    ),
    { numRuns: 150 },
  );
});

test("a profile of another tree does no harm", async () => {
  await fc.assert(
    fc.asyncProperty(compressibleTrees, compressibleTrees, fc.nat(), async (tree, other, seed) => {
      const image = await imageOf(tree, "lz4", laidOut(tree, anyProfile(other, seed)), 64);
      expect(factsOf((await openErofs(new MemorySource(image))).tree())).toEqual(factsOf(tree));
    }),
    { numRuns: 30 },
  );
});

test("any change to a profile's text is refused or harmless", () => {
  fc.assert(
    fc.property(trees, fc.nat(), fc.nat(), fc.nat(255), (tree, seed, place, byte) => {
      const text = Buffer.from(encodeProfile(anyProfile(tree, seed)));
      text[place % text.length] = byte;
      for (const damaged of [text, text.subarray(0, place % text.length)]) {
        try {
          const profile = parseProfile(damaged);
          expect(parseProfile(encodeProfile(profile))).toEqual(profile);
          laidOut(tree, profile);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }
    }),
    { numRuns: 500 },
  );
});
