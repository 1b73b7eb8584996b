import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError, MemorySource } from "../../src/bytes/index.ts";
import {
  encodeVeritySignature,
  guidsOfRootHash,
  parseVeritySignature,
  planDdi,
  readDdi,
  rootHashOfGuids,
  writeDdi,
} from "../../src/formats/ddi/index.ts";
import { verifyVerity } from "../../src/formats/verity/index.ts";

const BLOCK = 4096;

const images = fc
  .record({
    blocks: fc.integer({ min: 1, max: 10 }),
    seed: fc.integer({ min: 1, max: 255 }),
    designator: fc.constantFrom("root" as const, "usr" as const),
    architecture: fc.constantFrom("x86-64" as const, "arm64" as const),
    sectorSize: fc.constantFrom(512, 1024, 2048, 4096),
    salt: fc.uint8Array({ maxLength: 256 }),
    pkcs7: fc.option(fc.uint8Array({ maxLength: 3000 }), { nil: undefined }),
  })
  .map(({ blocks, seed, salt, pkcs7, ...rest }) => {
    const data = Uint8Array.from({ length: blocks * BLOCK }, (_, index) => (index * seed) >> 5);
    const plan = planDdi({
      ...rest,
      data: { sizeBytes: data.length, emit: (sink) => sink.write(data) },
      verity: { salt, uuid: "145abf5b-6a0f-4ed6-a9fb-0123456789ab" },
      sign: pkcs7 && (() => ({ pkcs7 })),
    });
    const bytes = new Uint8Array(plan.sizeBytes);
    const { tree } = writeDdi(plan, { writeAt: (offset, chunk) => bytes.set(chunk, offset) });
    return { ...rest, data, bytes, pkcs7, rootHash: tree.rootHash };
  });

test("what is written is read and verifies", () => {
  fc.assert(
    fc.property(images, ({ bytes, data, designator, architecture, pkcs7, rootHash }) => {
      const { trees, warnings } = readDdi(new MemorySource(bytes));
      expect(warnings).toEqual([]);
      expect(trees).toHaveLength(1);
      expect(trees[0]).toMatchObject({ designator, architecture, verity: { rootHash } });
      expect(trees[0]?.signature?.content.pkcs7).toEqual(pkcs7);
      const [tree] = trees;
      if (tree?.verity === undefined) throw new Error("No verity partition");
      expect(Buffer.from(tree.data.source.read(0, tree.data.source.size)).equals(data)).toBe(true);
      verifyVerity(tree.data.source, tree.verity.source, rootHash);
    }),
  );
});

test("a damaged image is read, perhaps with warnings, or refused; nothing else happens", () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(images, changes, fc.nat(), (image, places, cut) => {
      const bytes = image.bytes.slice(0, cut % 4 === 0 ? cut % image.bytes.length : image.bytes.length);
      for (const [place, value] of places) if (bytes.length > 0) bytes[place % bytes.length] = value;
      try {
        expect(readDdi(new MemorySource(bytes)).trees.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
  );
});

test("signature partitions go there and back, and garbage is refused", () => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const signatures = fc.record({
    rootHash: hash,
    pkcs7: fc.uint8Array({ maxLength: 5000 }),
    certificateFingerprint: fc.option(hash, { nil: undefined }),
  });
  fc.assert(
    fc.property(signatures, (signature) => {
      expect(parseVeritySignature(encodeVeritySignature(signature))).toEqual(signature);
    }),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        expect(() => parseVeritySignature(bytes)).toThrow(FormatError);
      },
    ),
  );
});

test("root hashes and pairs of GUIDs are the same thing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (rootHash) => {
      const { data, verity } = guidsOfRootHash(rootHash);
      expect(rootHashOfGuids(data, verity)).toEqual(rootHash);
    }),
  );
});
