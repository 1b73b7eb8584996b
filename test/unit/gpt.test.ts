import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { FormatError, MemorySink, MemorySource, NIL_GUID, UsageError } from "../../src/bytes/index.ts";
import {
  attributeNames,
  attributesOf,
  dumpGpt,
  encodeGpt,
  GptEntry,
  GptHeader,
  type GptPlan,
  hasAttribute,
  layoutDisk,
  type NewPartition,
  type PartitionContent,
  ProtectiveMbr,
  partitionSource,
  partitionTypeGuid,
  partitionTypeName,
  planGpt,
  readGpt,
  verityPartitionType,
  writeGpt,
} from "../../src/formats/gpt/index.ts";

const DISK_GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const ROOT: NewPartition = {
  typeGuid: partitionTypeGuid("root-x86-64"),
  partitionGuid: "11111111-1111-1111-1111-111111111111",
  name: "Wurzel ü 🌱",
  attributes: attributesOf("read-only", "no-auto"),
  sizeBytes: 5000,
};
const ESP: NewPartition = {
  typeGuid: partitionTypeGuid("esp"),
  partitionGuid: "22222222-2222-2222-2222-222222222222",
  sizeBytes: 4096,
};
/** Keeps test disks small. */
const ALIGNMENT = 4096;

function write(plan: GptPlan, contents: readonly PartitionContent[]): Uint8Array {
  const sink = new MemorySink();
  writeGpt(plan, contents, sink);
  return sink.bytes();
}

function smallDisk(sectorSize = 512): { plan: GptPlan; bytes: Uint8Array } {
  const plan = planGpt({ diskGuid: DISK_GUID, partitions: [ROOT, ESP], sectorSize, alignment: ALIGNMENT });
  const root = new MemorySource(new Uint8Array(5000).fill(1));
  return { plan, bytes: write(plan, [root, (sink) => sink.write(new Uint8Array(4096).fill(2))]) };
}

const read = (bytes: Uint8Array) => readGpt(new MemorySource(bytes));

/** Changes one byte. */
function damaged(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

test("structs have the sizes of the specification", () => {
  expect([ProtectiveMbr.size, GptHeader.size, GptEntry.size]).toEqual([512, 92, 128]);
});

describe("placing", () => {
  test("starts at 1 MiB and keeps room for the backup", () => {
    const layout = layoutDisk([{ sizeBytes: 1 }, { sizeBytes: 3 << 20 }]);
    expect(layout.extents.map((extent) => [extent.firstLba, extent.lastLba])).toEqual([
      [2048, 2048],
      [4096, 10239],
    ]);
    expect(layout).toMatchObject({
      firstUsableLba: 34,
      lastUsableLba: 12254,
      backupEntriesLba: 12255,
      backupHeaderLba: 12287,
    });
  });

  test("with 4096-byte sectors needs four sectors for the entries", () => {
    const layout = layoutDisk([{ sizeBytes: 4096 }], { sectorSize: 4096 });
    expect(layout).toMatchObject({
      firstUsableLba: 6,
      backupEntriesLba: 507,
      backupHeaderLba: 511,
      lastUsableLba: 506,
    });
  });

  test.each([
    [
      "overlap",
      [
        { sizeBytes: 4096, offsetBytes: 1 << 20 },
        { sizeBytes: 4096, offsetBytes: (1 << 20) + 512 },
      ],
      {},
    ],
    ["lie in the table", [{ sizeBytes: 4096, offsetBytes: 33 * 512 }], {}],
    ["lie in the backup", [{ sizeBytes: 4096 }], { diskSizeBytes: (1 << 20) + 4096 + 32 * 512 }],
    ["start between sectors", [{ sizeBytes: 4096, offsetBytes: (1 << 20) + 1 }], {}],
    ["are empty", [{ sizeBytes: 0 }], {}],
    ["are too many", Array.from({ length: 129 }, () => ({ sizeBytes: 512 })), {}],
    ["have odd sectors", [{ sizeBytes: 512 }], { sectorSize: 513 }],
    ["have a bad alignment", [{ sizeBytes: 512 }], { alignment: 1000 }],
    ["need too many entries", [{ sizeBytes: 512 }], { entryCount: 5000 }],
    ["do not fill sectors", [{ sizeBytes: 512 }], { diskSizeBytes: (4 << 20) + 1 }],
  ])("refuses partitions that %s", (_, partitions, options) => {
    expect(() => layoutDisk(partitions, options)).toThrow(FormatError);
  });

  test("accepts a disk that is just large enough", () => {
    const layout = layoutDisk([{ sizeBytes: 4096 }], { diskSizeBytes: (1 << 20) + 4096 + 33 * 512 });
    expect(layout.lastUsableLba).toBe(layout.extents[0]?.lastLba);
  });

  test.each([
    ["a GUID twice", [ROOT, { ...ESP, partitionGuid: ROOT.partitionGuid }]],
    ["a nil type", [{ ...ROOT, typeGuid: NIL_GUID }]],
    ["a nil GUID", [{ ...ROOT, partitionGuid: NIL_GUID }]],
    ["a long name", [{ ...ROOT, name: "x".repeat(37) }]],
    ["a NUL in a name", [{ ...ROOT, name: "a\0b" }]],
  ])("refuses %s", (_, partitions) => {
    expect(() => planGpt({ diskGuid: DISK_GUID, partitions })).toThrow(FormatError);
  });
});

describe.each([512, 1024, 2048, 4096])("a disk with %i-byte sectors", (sectorSize) => {
  const { plan, bytes } = smallDisk(sectorSize);
  const gpt = read(bytes);

  test("is read as it was written", () => {
    expect(gpt).toMatchObject({ sectorSize, diskGuid: DISK_GUID, table: "primary", warnings: [] });
    expect(gpt.partitions).toEqual([
      { ...plan.partitions[0], number: 1, typeName: "root-x86-64" },
      { ...plan.partitions[1], number: 2, typeName: "esp", name: "" },
    ]);
  });

  test("holds the contents and zeroes behind them", () => {
    const [root, esp] = gpt.partitions.map((partition) => partitionSource(new MemorySource(bytes), partition));
    expect(root?.read(4999, 3)).toEqual(Uint8Array.of(1, 0, 0));
    expect(esp?.read(0, 4096).every((byte) => byte === 2)).toBe(true);
  });

  test("is read from its backup, with a warning, when the primary header or entries are damaged", () => {
    for (const at of [sectorSize + 60, 2 * sectorSize + 60]) {
      const rescued = read(damaged(bytes, at));
      expect(rescued.table).toBe("backup");
      expect(rescued.partitions).toEqual(gpt.partitions);
      expect(rescued.warnings).toEqual([
        expect.stringMatching(/primary partition table is damaged.*expected 0x.*crc32/),
      ]);
    }
    const erased = bytes.slice().fill(0, sectorSize, 2 * sectorSize);
    expect(read(erased).warnings).toEqual([expect.stringContaining("No header in sector 1")]);
  });

  test("is refused when both tables are damaged", () => {
    const both = damaged(damaged(bytes, sectorSize + 60), bytes.length - sectorSize + 60);
    expect(() => read(both)).toThrow(/Cannot find a usable partition table.*crc32.*crc32/);
  });

  test("is read with a warning when the backup is damaged", () => {
    const { warnings, table } = read(damaged(bytes, bytes.length - sectorSize + 60));
    expect(table).toBe("primary");
    expect(warnings).toEqual([expect.stringContaining("backup partition table is damaged")]);
  });
});

describe("reading", () => {
  const { plan, bytes } = smallDisk();
  const HEADER = 512;

  /** The disk with fields of the primary header changed, its checksum right again, and no backup. */
  function withHeader(values: Partial<GptHeader>): Uint8Array {
    const disk = bytes.slice(0, plan.layout.backupEntriesLba * 512);
    GptHeader.write(disk, HEADER, { ...values, header_crc32: 0 });
    GptHeader.write(disk, HEADER, { header_crc32: crcOf(disk.subarray(HEADER, HEADER + GptHeader.size)) });
    return disk;
  }

  test("leaves the bytes alone when they are a Buffer, whose slice is a view", () => {
    const buffer = Buffer.from(bytes);
    expect(read(buffer)).toEqual(read(bytes));
    expect(buffer.equals(bytes)).toBe(true);
  });

  test.each([
    ["revision", { revision: 0x20000 }],
    ["header_size", { header_size: 91 }],
    ["header_size", { header_size: 513 }],
    ["my_lba", { my_lba: 2n }],
    ["size_of_partition_entry", { size_of_partition_entry: 127 }],
    ["size_of_partition_entry", { size_of_partition_entry: 192 }],
    ["size_of_partition_entry", { size_of_partition_entry: 1 << 30 }],
    ["number_of_partition_entries", { number_of_partition_entries: 0xffffffff }],
    ["partition_entry_lba", { partition_entry_lba: 1n << 60n }],
    ["Cannot read", { partition_entry_lba: 1n << 40n }],
    ["partition_entry_array_crc32", { partition_entry_array_crc32: 5 }],
  ])("refuses a header with a wrong %s", (field, values) => {
    expect(() => read(withHeader(values))).toThrow(field);
  });

  test("refuses a disk without a protective MBR, as the kernel does", () => {
    expect(() => read(damaged(bytes, 510))).toThrow(/master boot record: expected 0xaa55/);
    expect(() => read(damaged(bytes, 446 + 4))).toThrow(/expected one of type 0xee, got 0x11/);
  });

  test("refuses partitions that lie outside of the disk", () => {
    const { entries, crc } = entriesWith({ ending_lba: 1n << 40n });
    const disk = withHeader({ partition_entry_array_crc32: crc });
    disk.set(entries, 1024);
    expect(() => read(disk)).toThrow(/Cannot use partition 1: it reaches from sector 40 to 1099511627776/);
  });

  test("warns of partitions that overlap", () => {
    const { entries, crc } = entriesWith({ ending_lba: 56n });
    const disk = withHeader({ partition_entry_array_crc32: crc });
    disk.set(entries, 1024);
    expect(read(disk).warnings).toContain("Partitions 1 and 2 overlap");
  });

  test("of a truncated disk ends in an error or a warning, never in a crash, at every length", () => {
    for (let length = 0; length < bytes.length; length += length < 2048 ? 1 : 61) {
      const cut = bytes.subarray(0, length);
      try {
        expect(read(cut).warnings).not.toEqual([]);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
  });

  function entriesWith(values: Partial<GptEntry>): { entries: Uint8Array; crc: number } {
    const entries = bytes.slice(1024, 1024 + 128 * GptEntry.size);
    GptEntry.write(entries, 0, values);
    return { entries, crc: crcOf(entries) };
  }
});

describe("writing", () => {
  test("is pinned", () => {
    expect(createHash("sha256").update(smallDisk().bytes).digest("hex")).toMatchInlineSnapshot(
      `"0cb96bf5fdf3dd295674c9a6e9e1a5acc329edacb345c0ce04ee7c9051eda49f"`,
    );
    expect(createHash("sha256").update(smallDisk(4096).bytes).digest("hex")).toMatchInlineSnapshot(
      `"b00d2e9039d665a71a7db75ec4f26a1f962e4f702918cd94acf7d3bd365eaf7a"`,
    );
  });

  test("gives a protective MBR that covers the disk, up to what its field can hold", () => {
    const mbrOf = (diskSizeBytes: number) => {
      const plan = planGpt({ diskGuid: DISK_GUID, partitions: [ESP], diskSizeBytes });
      return Buffer.from(encodeGpt(plan).head.subarray(446, 462)).toString("hex");
    };
    expect(mbrOf(4 << 20)).toBe("00000200eeffffff01000000ff1f0000");
    expect(mbrOf(3 * 2 ** 40)).toBe("00000200eeffffff01000000ffffffff");
  });

  test("follows the disk, not the table, when partitions are listed in another order", () => {
    const partitions = [
      { ...ROOT, offsetBytes: 65536 },
      { ...ESP, offsetBytes: 32768 },
    ];
    const plan = planGpt({ diskGuid: DISK_GUID, partitions, alignment: ALIGNMENT });
    const bytes = write(plan, [new MemorySource(Uint8Array.of(1)), new MemorySource(Uint8Array.of(2))]);
    expect([bytes[32768], bytes[65536]]).toEqual([2, 1]);
  });

  test("refuses content that is too large or missing", () => {
    const { plan } = smallDisk();
    const empty = new MemorySource(new Uint8Array());
    expect(() => write(plan, [empty, new MemorySource(new Uint8Array(4097))])).toThrow(/the partition has 4096/);
    expect(() => write(plan, [empty])).toThrow(/got 1 contents/);
  });
});

describe("types and attributes", () => {
  test("have systemd's names, both ways", () => {
    expect(partitionTypeName("77ff5f63-e7b6-4633-acf4-1565b864c0e6")).toBe("usr-x86-64-verity");
    expect(partitionTypeGuid("root-verity-sig", "arm64")).toBe("6db69de6-29f4-4758-a7a5-962190f00ce3");
    expect(partitionTypeGuid("root", "x86-64")).toBe(partitionTypeGuid("root-x86-64"));
    expect(partitionTypeGuid("esp", "arm64")).toBe("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    expect(verityPartitionType(partitionTypeGuid("usr-arm64-verity"))).toEqual({
      designator: "usr",
      architecture: "arm64",
      role: "verity",
    });
    expect(verityPartitionType(partitionTypeGuid("home"))).toBeUndefined();
    expect(partitionTypeName(DISK_GUID)).toBeUndefined();
    expect(() => partitionTypeGuid("rot")).toThrow(UsageError);
    expect(() => partitionTypeGuid("root")).toThrow(UsageError);
  });

  test("name every bit", () => {
    expect(attributesOf("read-only")).toBe(0x1000000000000000n);
    expect(attributeNames(attributesOf("no-auto", "required") | 8n)).toEqual(["required", "bit-3", "no-auto"]);
    expect(hasAttribute(attributesOf("grow-file-system"), "grow-file-system")).toBe(true);
    expect(hasAttribute(attributesOf("grow-file-system"), "read-only")).toBe(false);
  });
});

test("the dump accounts for every byte", () => {
  expect(`\n${dumpGpt(new MemorySource(smallDisk().bytes))}`).toMatchInlineSnapshot(`
    "
    gpt, primary table, 512-byte sectors
      disk guid     aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee
      usable        sectors 34 to 70
    partition 1
      name          Wurzel ü 🌱
      type          root-x86-64 4f68bce3-e8cd-4db1-96e7-fbcaf984b709
      guid          11111111-1111-1111-1111-111111111111
      attributes    read-only no-auto
    partition 2
      name          
      type          esp c12a7328-f81f-11d2-ba4b-00a0c93ec93b
      guid          22222222-2222-2222-2222-222222222222
      attributes    -
    bytes
               0x0..0x200        protective mbr
             0x200..0x400        primary header
             0x400..0x4400       primary entries
            0x4400..0x5000       unused
            0x5000..0x6400       partition 1
            0x6400..0x7000       unused
            0x7000..0x8000       partition 2
            0x8000..0x8e00       unused
            0x8e00..0xce00       backup entries
            0xce00..0xd000       backup header
    "
  `);
});

/** CRC-32 bit by bit, as the specification's polynomial says: independent of the code under test. */
function crcOf(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
