import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  type ByteSink,
  FormatError,
  MemorySink,
  MemorySource,
  type PositionedSink,
  toHex,
} from "../../src/bytes/index.ts";
import {
  type DdiOptions,
  derivedGuid,
  dumpDdi,
  encodeVeritySignature,
  guidsOfRootHash,
  parseVeritySignature,
  planDdi,
  readDdi,
  rootHashOfGuids,
  type WrittenDdi,
  writeDdi,
} from "../../src/formats/ddi/index.ts";
import { hasAttribute, planGpt, writeGpt } from "../../src/formats/gpt/index.ts";
import { verifyVerity } from "../../src/formats/verity/index.ts";

const BLOCK = 4096;
const PKCS7 = Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x05);

/** A file in memory, full of old content, that refuses to be written twice at one place. */
class OldFile implements PositionedSink {
  readonly bytes: Uint8Array;
  readonly order: number[] = [];
  readonly #written: Uint8Array;

  constructor(size: number, old: number) {
    this.bytes = new Uint8Array(size).fill(old);
    this.#written = new Uint8Array(size);
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    const range = this.#written.subarray(offset, offset + bytes.length);
    if (range.length !== bytes.length || range.some((flag) => flag !== 0)) throw new Error(`Bad write at ${offset}`);
    range.fill(1);
    this.bytes.set(bytes, offset);
    this.order.push(offset);
  }
}

function optionsFor(blocks: number, more: Partial<DdiOptions> = {}): DdiOptions {
  return {
    designator: "root",
    architecture: "x86-64",
    data: {
      sizeBytes: blocks * BLOCK,
      emit(sink: ByteSink) {
        for (let block = 0; block < blocks; block++) sink.write(new Uint8Array(BLOCK).fill(block + 1));
      },
    },
    verity: { salt: Uint8Array.of(1, 2, 3), uuid: "145abf5b-6a0f-4ed6-a9fb-0123456789ab" },
    ...more,
  };
}

function build(options: DdiOptions, old = 0xa5): { file: OldFile; written: WrittenDdi } {
  const plan = planDdi(options);
  const file = new OldFile(plan.sizeBytes, old);
  return { file, written: writeDdi(plan, file) };
}

const read = (bytes: Uint8Array) => readDdi(new MemorySource(bytes));
const sign = () => ({ pkcs7: PKCS7, certificateFingerprint: new Uint8Array(32).fill(9) });

describe.each([
  [1, 512],
  [2, 512],
  [129, 512],
  [1, 4096],
  [200, 4096],
])("a DDI of %i blocks with %i-byte sectors", (blocks, sectorSize) => {
  const { file, written } = build(optionsFor(blocks, { sectorSize, sign }));
  const ddi = read(file.bytes);
  const [tree] = ddi.trees;

  test("is read as it was written, without warnings", () => {
    expect(ddi.warnings).toEqual([]);
    expect(ddi.gpt.sectorSize).toBe(sectorSize);
    expect(tree).toMatchObject({ designator: "root", architecture: "x86-64" });
    expect(tree?.verity?.rootHash).toEqual(written.tree.rootHash);
    expect(tree?.verity?.info.dataBlocks).toBe(blocks);
    expect(tree?.signature?.content).toEqual({ ...sign(), rootHash: written.tree.rootHash });
    expect(ddi.gpt.partitions.map((partition) => partition.name)).toEqual([
      "root-x86-64",
      "root-x86-64-verity",
      "root-x86-64-verity-sig",
    ]);
    expect(ddi.gpt.partitions.every((partition) => hasAttribute(partition.attributes, "read-only"))).toBe(true);
  });

  test("holds data that verifies", () => {
    if (tree?.verity === undefined) throw new Error("No verity partition");
    expect(tree.data.source.size).toBe(blocks * BLOCK);
    expect(() =>
      verifyVerity(tree.data.source, tree.verity?.source ?? tree.data.source, written.tree.rootHash),
    ).not.toThrow();
  });

  test("does not depend on what was in the file before", () => {
    expect(Buffer.from(build(optionsFor(blocks, { sectorSize, sign }), 0).file.bytes).equals(file.bytes)).toBe(true);
  });
});

test("the first sectors are written last, so that an interrupted image has no partition table", () => {
  const { file } = build(optionsFor(3));
  expect(file.order.at(-1)).toBe(0);
  expect(file.order.slice(0, -1)).not.toContain(0);
});

test("a DDI is pinned", () => {
  const { file, written } = build(optionsFor(129, { designator: "usr", architecture: "arm64" }));
  expect(toHex(written.tree.rootHash)).toMatchInlineSnapshot(
    `"f30284b74be1fdb62bc8dca8b6b9cd61906fbb345010e1ae63a6a9544f9559e9"`,
  );
  expect(createHash("sha256").update(file.bytes).digest("hex")).toMatchInlineSnapshot(
    `"781c59ecd979b23bd41f6a095f78b8034bd287ceb51dc43d6adcddb311d81bc1"`,
  );
});

test("the size can be made a multiple of something, and the table's copy is at the end all the same", () => {
  const { file, written } = build(optionsFor(129, { sizeMultiple: 2 << 20 }));
  expect([written.sizeBytes, file.bytes.length]).toEqual([2 << 20, 2 << 20]);
  expect(Buffer.from(file.bytes.subarray(-512, -504)).toString("latin1")).toBe("EFI PART");
  expect(read(file.bytes).warnings).toEqual([]);
});

test("labels and the disk GUID can be chosen", () => {
  const diskGuid = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
  const { gpt } = read(build(optionsFor(1, { diskGuid, labels: { data: "os_1.2" } })).file.bytes);
  expect(gpt.diskGuid).toBe(diskGuid);
  expect(gpt.partitions.map((partition) => partition.name)).toEqual(["os_1.2", "root-x86-64-verity"]);
});

describe("writing refuses", () => {
  test.each([0, 4095, 4097])("data of %i bytes", (sizeBytes) => {
    expect(() => planDdi(optionsFor(1, { data: { sizeBytes, emit: () => undefined } }))).toThrow(FormatError);
  });

  test.each([1, 3])("an emitter that announces two blocks and writes %i", (blocks) => {
    const data = { sizeBytes: 2 * BLOCK, emit: (sink: ByteSink) => sink.write(new Uint8Array(blocks * BLOCK)) };
    expect(() => build(optionsFor(1, { data }))).toThrow(/expected 8192 bytes/);
  });

  test("a signature that is larger than its partition", () => {
    expect(() => build(optionsFor(1, { sign: () => ({ pkcs7: new Uint8Array(16384) }) }))).toThrow(
      /Cannot store a signature/,
    );
  });
});

describe("GUIDs", () => {
  const rootHash = Uint8Array.from({ length: 32 }, (_, index) => index);

  test("of partitions are the halves of the root hash, as written", () => {
    const guids = guidsOfRootHash(rootHash);
    expect(guids).toEqual({
      data: "00010203-0405-0607-0809-0a0b0c0d0e0f",
      verity: "10111213-1415-1617-1819-1a1b1c1d1e1f",
    });
    expect(rootHashOfGuids(guids.data, guids.verity)).toEqual(rootHash);
    expect(() => guidsOfRootHash(rootHash.subarray(1))).toThrow(FormatError);
  });

  test("that are derived are stable, differ, and are marked as version 8", () => {
    const guids = [derivedGuid(rootHash, "disk"), derivedGuid(rootHash, "signature-partition")];
    expect(guids).toMatchInlineSnapshot(`
      [
        "ad4280ca-d360-83b7-aa5d-e13f3a99251c",
        "ac395a6f-d48b-81ec-88d0-991ea3e2844c",
      ]
    `);
    for (const guid of guids) expect(guid).toMatch(/^.{8}-.{4}-8.{3}-[89ab].{3}-.{12}$/);
  });
});

describe("reading", () => {
  const { file, written } = build(optionsFor(129, { sign }));
  const [data, verity, signature] = written.gpt.partitions;

  function changed(at: number): Uint8Array {
    const bytes = file.bytes.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  }

  test("refuses a disk without root or usr", () => {
    const plan = planGpt({ diskGuid: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", partitions: [] });
    const sink = new MemorySink();
    writeGpt(plan, [], sink);
    expect(() => read(sink.bytes())).toThrow(/Cannot find a root or usr partition/);
  });

  test("does not pair a tree with data that has another GUID", () => {
    const ddi = read(changed((verity?.offsetBytes ?? 0) + BLOCK));
    expect(ddi.trees[0]?.verity).toBeUndefined();
    expect(ddi.trees[0]?.signature).toBeUndefined();
    expect(ddi.warnings).toEqual([
      "Partition 2 (verity) belongs to no data partition",
      "Partition 3 (verity-sig) belongs to no data partition",
    ]);
  });

  test("warns of a damaged superblock and a damaged signature, and goes on", () => {
    expect(read(changed(verity?.offsetBytes ?? 0)).warnings[0]).toMatch(
      /Partition 2 \(verity\) is not usable: verity: Cannot/,
    );
    const ddi = read(changed(signature?.offsetBytes ?? 0));
    expect(ddi.warnings).toEqual([expect.stringMatching(/Partition 3 \(verity-sig\) is not usable: ddi: Cannot/)]);
    expect(ddi.trees[0]?.verity?.rootHash).toEqual(written.tree.rootHash);
  });

  test("pairs each of two trees with its own partitions", () => {
    const other = build(optionsFor(7)).written;
    const place = written.gpt.partitions.map(({ offsetBytes: _, ...partition }) => partition);
    const otherPlace = other.gpt.partitions.map(({ offsetBytes: _, ...partition }) => partition);
    const emit = (from: Uint8Array, blocks: number) => (sink: ByteSink) => {
      optionsFor(blocks).data.emit({ write: (bytes) => sink.write(bytes) });
      expect(from.length).toBeGreaterThan(0);
    };
    const [firstData, firstTree] = place;
    const [secondData, secondTree] = otherPlace;
    if (!firstData || !firstTree || !secondData || !secondTree) throw new Error("Partitions are missing");
    const plan = planGpt({
      diskGuid: written.gpt.diskGuid,
      partitions: [secondTree, firstData, secondData, firstTree],
      alignment: BLOCK,
    });
    const sink = new MemorySink();
    const trees = [new MemorySource(other.tree.hashArea), new MemorySource(written.tree.hashArea)] as const;
    writeGpt(plan, [trees[0], emit(file.bytes, 129), emit(file.bytes, 7), trees[1]], sink);
    const ddi = read(sink.bytes());
    expect(ddi.warnings).toEqual([]);
    expect(ddi.trees.map((tree) => [tree.data.partition.number, tree.verity?.partition.number])).toEqual([
      [2, 4],
      [3, 1],
    ]);
  });

  test("of a truncated image ends in an error or a warning, never in a crash", () => {
    for (let length = 0; length < file.bytes.length; length += 1021) {
      try {
        expect(read(file.bytes.subarray(0, length)).warnings).not.toEqual([]);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
    expect(data?.sizeBytes).toBe(129 * BLOCK);
  });
});

describe("the signature partition", () => {
  const rootHash = new Uint8Array(32).fill(0xab);
  const bytes = (text: string) => Buffer.from(text, "utf8");

  test("is JSON and zeroes", () => {
    const partition = encodeVeritySignature({ rootHash, pkcs7: PKCS7 });
    expect(partition.length).toBe(16384);
    expect(Buffer.from(partition).toString("latin1").replace(/\0+$/, "")).toBe(
      `{"rootHash":"${"ab".repeat(32)}","signature":"MAMCAQU="}`,
    );
    expect(parseVeritySignature(partition)).toEqual({ rootHash, pkcs7: PKCS7, certificateFingerprint: undefined });
  });

  test.each([
    ["nothing", bytes("")],
    ["no JSON", bytes("{")],
    ["no object", bytes("null")],
    ["no root hash", bytes('{"signature":""}')],
    ["no signature", bytes('{"rootHash":"ab"}')],
    ["a number", bytes('{"rootHash":1,"signature":""}')],
    ["half a byte", bytes('{"rootHash":"abc","signature":""}')],
    ["bad base64", bytes('{"rootHash":"ab","signature":"MA*="}')],
    ["bytes behind the end", bytes('{"rootHash":"ab","signature":""}\0x')],
    ["too much", new Uint8Array(4 * 1024 * 1024 + 1)],
  ])("is refused with %s", (_, partition) => {
    expect(() => parseVeritySignature(partition)).toThrow(FormatError);
  });
});

test("the dump shows how partitions belong together", () => {
  expect(`\n${dumpDdi(new MemorySource(build(optionsFor(2, { sign })).file.bytes))}`).toMatchInlineSnapshot(`
    "
    root for x86-64
      data          partition 1, 8192 bytes
      verity        partition 2
      root hash     a33841f565d7a05d708d58471c42a12b690d1ee0b93316e7e043d4570f66fd7e
      signature     partition 3
    gpt, primary table, 512-byte sectors
      disk guid     f7eabde1-fb9e-81b7-83c0-0a5f5fc633c9
      usable        sectors 34 to 110
    partition 1
      name          root-x86-64
      type          root-x86-64 4f68bce3-e8cd-4db1-96e7-fbcaf984b709
      guid          a33841f5-65d7-a05d-708d-58471c42a12b
      attributes    read-only
    partition 2
      name          root-x86-64-verity
      type          root-x86-64-verity 2c7357ed-ebd2-46d9-aec1-23d437ec2bf5
      guid          690d1ee0-b933-16e7-e043-d4570f66fd7e
      attributes    read-only
    partition 3
      name          root-x86-64-verity-sig
      type          root-x86-64-verity-sig 41092b05-9fc8-4523-994f-2def0408b176
      guid          277bfa0b-6ce2-88c0-8f1a-d07c3b194529
      attributes    read-only
    bytes
               0x0..0x200        protective mbr
             0x200..0x400        primary header
             0x400..0x4400       primary entries
            0x4400..0x5000       unused
            0x5000..0x7000       partition 1
            0x7000..0x9000       partition 2
            0x9000..0xd000       partition 3
            0xd000..0xde00       unused
            0xde00..0x11e00      backup entries
           0x11e00..0x12000      backup header
    dm-verity hash area
      algorithm        sha256
      uuid             145abf5b-6a0f-4ed6-a9fb-0123456789ab
      data             2 blocks of 4096 bytes
      hash block size  4096
      salt             010203
               0x0..0x200        superblock
             0x200..0x1000       padding
            0x1000..0x2000       level 0: 1 hash blocks, 2 digests
    "
  `);
});
