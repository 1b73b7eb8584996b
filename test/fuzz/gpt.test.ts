import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError, guidFromTextOrder, MemorySink, MemorySource, NIL_GUID } from "../../src/bytes/index.ts";
import { dumpGpt, planGpt, readGpt, writeGpt } from "../../src/formats/gpt/index.ts";

const guid = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map(guidFromTextOrder)
  .filter((value) => value !== NIL_GUID);

const partition = fc.record({
  typeGuid: guid,
  partitionGuid: guid,
  name: fc.string({ unit: "grapheme", maxLength: 18 }).filter((name) => name.length <= 36 && !name.includes("\0")),
  attributes: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  sizeBytes: fc.integer({ min: 1, max: 20_000 }),
});

const disks = fc.record({
  diskGuid: guid,
  partitions: fc.uniqueArray(partition, { maxLength: 10, selector: (value) => value.partitionGuid }),
  sectorSize: fc.constantFrom(512, 1024, 2048, 4096),
  alignment: fc.constantFrom(4096, 8192),
  entryCount: fc.constantFrom(128, 130, 256),
});

test("what is written is read", () => {
  fc.assert(
    fc.property(disks, (disk) => {
      const plan = planGpt(disk);
      const sink = new MemorySink();
      const contents = plan.partitions.map((_, index) => new MemorySource(Uint8Array.of(index + 1)));
      writeGpt(plan, contents, sink);
      const bytes = sink.bytes();
      expect(bytes.length).toBe(plan.layout.sizeBytes);
      const gpt = readGpt(new MemorySource(bytes));
      expect(gpt).toMatchObject({
        sectorSize: disk.sectorSize,
        diskGuid: disk.diskGuid,
        table: "primary",
        warnings: [],
      });
      expect(gpt.partitions.map(({ number: _, typeName: __, ...rest }) => rest)).toEqual(plan.partitions);
      expect(gpt.partitions.map((found) => bytes[found.offsetBytes])).toEqual(
        plan.partitions.map((_, index) => index + 1),
      );
    }),
  );
});

test("a damaged disk is read, perhaps with warnings, or refused; nothing else happens", () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(disks, changes, fc.boolean(), (disk, places, onlyTables) => {
      const plan = planGpt(disk);
      const sink = new MemorySink();
      writeGpt(
        plan,
        plan.partitions.map(() => new MemorySource(new Uint8Array())),
        sink,
      );
      const bytes = sink.bytes();
      for (const [place, value] of places) bytes[place % (onlyTables ? 3 * disk.sectorSize : bytes.length)] = value;
      try {
        expect(dumpGpt(new MemorySource(bytes))).toContain("protective mbr");
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
  );
});
