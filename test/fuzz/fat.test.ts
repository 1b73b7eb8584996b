import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError, MemorySource } from "../../src/bytes/index.ts";
import { BootSector32, dumpFat, encodeFat, fatTree, readFat } from "../../src/formats/fat/index.ts";
import { FAT_IDENTITY, FAT16_BYTES, FAT32_BYTES, fatFacts, fatTrees, sampleVolume } from "../support/fat-trees.ts";

test("what is written is read", () => {
  fc.assert(
    fc.property(fatTrees, fc.constantFrom(FAT16_BYTES, FAT32_BYTES), (tree, sizeBytes) => {
      const content = readFat(new MemorySource(encodeFat(tree, { ...FAT_IDENTITY, sizeBytes })));
      expect(content.warnings).toEqual([]);
      expect(fatFacts(fatTree(content))).toEqual(fatFacts(tree));
    }),
    { numRuns: 50 },
  );
});

const volumes = [FAT16_BYTES, FAT32_BYTES].map((sizeBytes) => {
  const bytes = sampleVolume(sizeBytes);
  const { volume, usedClusters } = readFat(new MemorySource(bytes));
  const { geometry } = volume;
  return { bytes, usedBytes: geometry.dataOffset + usedClusters * geometry.clusterBytes, geometry };
});

/** Reads all of a volume in which bytes are changed: that succeeds, or throws a FormatError. */
function readChanged(bytes: Uint8Array, changes: readonly (readonly [at: number, value: number])[]): void {
  // In place: a copy of 34 MB for every byte would take minutes.
  const before = changes.map(([at]) => [at, bytes[at] ?? 0] as const);
  for (const [at, value] of changes) bytes[at] = value;
  try {
    const source = new MemorySource(bytes);
    for (const { node } of fatTree(readFat(source)).walk()) {
      if (node.kind === "file") node.content.read(0, node.content.size);
    }
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
  } finally {
    for (const [at, value] of before.reverse()) bytes[at] = value;
  }
}

test("a volume that was cut off is refused, at every length", () => {
  for (const { bytes } of volumes) {
    for (let length = 0; length < 2048; length++) {
      expect(() => readFat(new MemorySource(bytes.subarray(0, length)))).toThrow(FormatError);
    }
    for (let length = bytes.length - 1; length > 0; length -= 99_991) {
      expect(() => readFat(new MemorySource(bytes.subarray(0, length)))).toThrow(FormatError);
    }
  }
});

test("every bit of the boot sector can be wrong", () => {
  for (const { bytes } of volumes) {
    for (let bit = 0; bit < BootSector32.size * 8; bit++) {
      const at = bit >> 3;
      readChanged(bytes, [[at, (bytes[at] ?? 0) ^ (1 << (bit & 7))]]);
    }
  }
});

const ALL_DIRECTORIES_BYTES = 32 * 1024;

test("a damaged volume is read, perhaps with warnings, or refused; nothing else happens", () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 30 });
  const where = fc.constantFrom("anywhere", "tables", "directories");
  fc.assert(
    fc.property(fc.constantFrom(...volumes), changes, where, ({ bytes, usedBytes, geometry }, places, part) => {
      const parts = {
        anywhere: [0, usedBytes],
        tables: [geometry.fatOffset, 400],
        directories: [geometry.rootOffset, ALL_DIRECTORIES_BYTES],
      } as const;
      const [start, length] = parts[part];
      readChanged(
        bytes,
        places.map(([place, value]) => [start + (place % length), value]),
      );
    }),
    { numRuns: 300 },
  );
});

test("the dump of a damaged volume accounts for it, or it is refused", () => {
  const [{ bytes, usedBytes }] = volumes as [(typeof volumes)[number]];
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 255 }), (place, value) => {
      const damaged = bytes.slice();
      damaged[place % usedBytes] = value;
      try {
        expect(dumpFat(new MemorySource(damaged))).toContain("boot sector");
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
    { numRuns: 30 },
  );
});
