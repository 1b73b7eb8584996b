import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError, MemorySource } from "../../src/bytes/index.ts";
import { VerityHasher, VeritySuperblock, verifyVerity } from "../../src/formats/verity/index.ts";

const UUID = "145abf5b-6a0f-4ed6-a9fb-0123456789ab";

const parameters = fc.record({
  algorithm: fc.constantFrom("sha256" as const, "sha512" as const),
  dataBlockSize: fc.constantFrom(512, 1024, 4096),
  hashBlockSize: fc.constantFrom(512, 1024, 4096),
  salt: fc.uint8Array({ maxLength: 256 }),
});

const trees = fc
  .record({ parameters, blocks: fc.integer({ min: 1, max: 40 }), seed: fc.integer({ min: 1, max: 255 }) })
  .map(({ parameters: chosen, blocks, seed }) => {
    const data = Uint8Array.from({ length: blocks * chosen.dataBlockSize }, (_, index) => (index * seed) >> 3);
    const hasher = new VerityHasher({ ...chosen, uuid: UUID });
    hasher.write(data);
    return { data, ...hasher.finish() };
  });

test("data of any size and any parameters verifies, however it is cut into pieces", () => {
  fc.assert(
    fc.property(trees, fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 20 }), (tree, cuts) => {
      const hasher = new VerityHasher(tree);
      let at = 0;
      for (const cut of cuts) {
        hasher.write(tree.data.subarray(at, at + cut));
        at += cut;
      }
      hasher.write(tree.data.subarray(at));
      const again = hasher.finish();
      expect(Buffer.from(again.hashArea).equals(tree.hashArea)).toBe(true);
      const info = verifyVerity(new MemorySource(tree.data), new MemorySource(again.hashArea), again.rootHash);
      expect(info).toMatchObject({ dataBlocks: tree.dataBlocks, salt: tree.salt, algorithm: tree.algorithm });
    }),
  );
});

test("a change of any byte that verity covers is found", () => {
  fc.assert(
    fc.property(trees, fc.nat(), fc.integer({ min: 1, max: 255 }), (tree, place, mask) => {
      const treeStart = Math.max(VeritySuperblock.size, tree.hashBlockSize);
      const covered = tree.data.length + tree.hashArea.length - treeStart;
      const at = place % covered;
      const [data, hashArea] = [tree.data.slice(), tree.hashArea.slice()];
      const [target, offset] = at < data.length ? [data, at] : [hashArea, at - data.length + treeStart];
      target[offset] = (target[offset] ?? 0) ^ mask;
      expect(() => verifyVerity(new MemorySource(data), new MemorySource(hashArea), tree.rootHash)).toThrow(
        FormatError,
      );
    }),
  );
});

test("a changed superblock ends in an error, or names the same tree", () => {
  fc.assert(
    fc.property(trees, fc.integer({ min: 0, max: 511 }), fc.integer({ min: 1, max: 255 }), (tree, at, mask) => {
      const hashArea = tree.hashArea.slice();
      hashArea[at] = (hashArea[at] ?? 0) ^ mask;
      try {
        const info = verifyVerity(new MemorySource(tree.data), new MemorySource(hashArea), tree.rootHash);
        expect(info).toMatchObject({ dataBlocks: tree.dataBlocks, salt: tree.salt, algorithm: tree.algorithm });
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
  );
});
