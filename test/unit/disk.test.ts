import { describe, expect, test } from "vitest";
import { MemorySource, type PositionedSink } from "../../src/bytes/index.ts";
import {
  type Boot,
  type DiskOptions,
  encodeLoaderEntry,
  espTree,
  planDisk,
  rootPartitionGuid,
  writeDisk,
} from "../../src/disk/index.ts";
import { planDdi, readDdi, writeDdi } from "../../src/formats/ddi/index.ts";
import { describeFat, fatTree, readFat } from "../../src/formats/fat/index.ts";
import { partitionSource, readGpt } from "../../src/formats/gpt/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import { MIB } from "../support/fat-trees.ts";

const source = (text: string) => new MemorySource(Buffer.from(text));
const loader = source("the loader");
const uki = source("the image");

const menu: Boot = {
  kind: "loader-entry",
  id: "lazyrd-0123",
  loader,
  kernel: source("kernel"),
  firstStage: source("first stage"),
  entry: { title: "Linux 6.12 (lazyrd)", version: "6.12", architecture: "x64", options: "quiet root=/dev/vda" },
};

function filesOf(tree: Tree): Record<string, string> {
  return Object.fromEntries(
    [...tree.walk()].flatMap(({ path, node }) =>
      node.kind === "file" ? [[path, Buffer.from(node.content.read(0, node.content.size)).toString()]] : [],
    ),
  );
}

describe("the EFI system partition", () => {
  test("has nothing but the unified kernel image where the firmware looks", () => {
    expect(filesOf(espTree({ kind: "uki", uki }))).toEqual({ "EFI/BOOT/BOOTX64.EFI": "the image" });
  });

  test("has systemd-boot and a unified kernel image (type #2)", () => {
    expect(filesOf(espTree({ kind: "loader-uki", id: "lazyrd-0123", loader, uki }))).toEqual({
      "EFI/BOOT/BOOTX64.EFI": "the loader",
      "EFI/systemd/systemd-bootx64.efi": "the loader",
      "EFI/Linux/lazyrd-0123.efi": "the image",
      "loader/loader.conf": "default lazyrd-0123.efi\ntimeout 3\n",
    });
  });

  test("has systemd-boot and an entry (type #1)", () => {
    expect(filesOf(espTree(menu))).toEqual({
      "EFI/BOOT/BOOTX64.EFI": "the loader",
      "EFI/systemd/systemd-bootx64.efi": "the loader",
      "lazyrd/lazyrd-0123/vmlinuz": "kernel",
      "lazyrd/lazyrd-0123/first-stage.cpio": "first stage",
      "loader/loader.conf": "default lazyrd-0123.conf\ntimeout 3\n",
      "loader/entries.srel": "type1\n",
      "loader/entries/lazyrd-0123.conf": [
        "title        Linux 6.12 (lazyrd)",
        "version      6.12",
        "sort-key     lazyrd",
        "architecture x64",
        "linux        /lazyrd/lazyrd-0123/vmlinuz",
        "initrd       /lazyrd/lazyrd-0123/first-stage.cpio",
        "options      quiet root=/dev/vda",
        "",
      ].join("\n"),
    });
  });

  test("an entry without a command line has no options; one with a line break is refused", () => {
    const entry = {
      title: "t",
      version: "1",
      sortKey: "s",
      architecture: "x64",
      linux: "/l",
      initrd: "/i",
      options: "",
    };
    expect(encodeLoaderEntry(entry)).not.toContain("options");
    expect(() => encodeLoaderEntry({ ...entry, options: "quiet\nlinux /evil" })).toThrow("to a loader entry (options)");
  });
});

/** A sink into memory, zero where nothing is written. */
function memoryDisk(sizeBytes: number): PositionedSink & { readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(sizeBytes);
  return { bytes, writeAt: (offset, piece) => bytes.set(piece, offset) };
}

function sampleDdi(): Uint8Array {
  const data = new Uint8Array(16 * 4096).fill(0x5a);
  const plan = planDdi({
    designator: "root",
    architecture: "x86-64",
    data: { sizeBytes: data.length, emit: (sink) => sink.write(data) },
    verity: { salt: new Uint8Array(32), uuid: "00000000-1111-2222-3333-444444444444" },
  });
  const disk = memoryDisk(plan.sizeBytes);
  writeDdi(plan, disk);
  return disk.bytes;
}

const ddi = sampleDdi();
const sampleImage = new MemorySource(ddi);
const sample: DiskOptions = {
  seed: new Uint8Array(32).fill(1),
  boot: menu,
  image: sampleImage,
  espBytes: 8 * MIB,
};

function written(options: Partial<DiskOptions> = {}): Uint8Array {
  const plan = planDisk({ ...sample, ...options });
  const disk = memoryDisk(plan.sizeBytes);
  writeDisk(plan, disk);
  return disk.bytes;
}

describe("a disk", () => {
  test("has the ESP first, and then the image's partitions with their own GUIDs", () => {
    const disk = new MemorySource(written());
    const { partitions, warnings } = readGpt(disk);
    const own = readGpt(sampleImage).partitions;
    expect(warnings).toEqual([]);
    expect(partitions.map(({ typeName }) => typeName)).toEqual(["esp", "root-x86-64", "root-x86-64-verity"]);
    expect(partitions.map(({ offsetBytes }) => offsetBytes % MIB)).toEqual([0, 0, 0]);
    const identity = ({ partitionGuid, name, attributes }: (typeof own)[number]) => ({
      partitionGuid,
      name,
      attributes,
    });
    expect(partitions.slice(1).map(identity)).toEqual(own.map(identity));
    // The tree belongs to the data still.
    expect(readDdi(disk).trees[0]?.verity?.rootHash).toEqual(readDdi(sampleImage).trees[0]?.verity?.rootHash);
  });

  test("has an ESP that knows its place, and holds what the boot needs", () => {
    const disk = new MemorySource(written());
    const [esp] = readGpt(disk).partitions;
    if (esp === undefined) throw new Error("no partition");
    const volume = readFat(partitionSource(disk, esp));
    expect(describeFat(volume)).toMatchObject({ type: "FAT16", label: "ESP", hiddenSectors: esp.firstLba });
    expect(filesOf(fatTree(volume))).toEqual(filesOf(espTree(menu)));
  });

  test("follows from its seed: the same one gives the same bytes, another one other GUIDs", () => {
    expect(Buffer.compare(written(), written())).toBe(0);
    const [one, other] = [written(), written({ seed: new Uint8Array(32).fill(2) })].map((bytes) =>
      readGpt(new MemorySource(bytes)),
    );
    expect(one?.diskGuid).not.toBe(other?.diskGuid);
    expect(one?.partitions[0]?.partitionGuid).not.toBe(other?.partitions[0]?.partitionGuid);
    expect(one?.partitions[1]?.partitionGuid).toBe(other?.partitions[1]?.partitionGuid);
  });

  test("has the root file system last, to be grown or only read", () => {
    const partitionGuid = rootPartitionGuid(new Uint8Array(32));
    for (const [isReadOnly, bit] of [
      [true, 60n],
      [false, 59n],
    ] as const) {
      const content = new MemorySource(new Uint8Array(5000).fill(9));
      const disk = new MemorySource(written({ root: { sizeBytes: 5000, content, partitionGuid, isReadOnly } }));
      const root = readGpt(disk).partitions.at(-1);
      expect(root).toMatchObject({ typeName: "linux-generic", partitionGuid, attributes: 1n << bit, sizeBytes: 5120 });
      expect([...disk.read(root?.offsetBytes ?? 0, 5120)].filter((byte) => byte === 9)).toHaveLength(5000);
    }
  });

  test("has the size that was asked for, in whole sectors, with room at its end", () => {
    const plan = planDisk({ ...sample, diskBytes: 100 * MIB + 511 });
    expect(plan.sizeBytes).toBe(100 * MIB);
    expect(plan.gpt.layout.backupHeaderLba).toBe((100 * MIB) / 512 - 1);
    expect(plan.usedBytes).toBeLessThan(30 * MIB);
  });

  test("is refused when its partitions do not fit", () => {
    expect(() => planDisk({ ...sample, diskBytes: 9 * MIB })).toThrow(
      /^Cannot make a disk of 9437184 bytes: its partitions take \d+$/,
    );
    expect(() => planDisk({ ...sample, espBytes: 1 })).toThrow("fat: Cannot make a volume of 1048576 bytes");
    const large: Boot = { kind: "uki", uki: new MemorySource(new Uint8Array(9 * MIB)) };
    expect(() => planDisk({ ...sample, boot: large })).toThrow("fat: Cannot write the tree: it takes");
  });

  test("without its last write is no disk at all", () => {
    const plan = planDisk(sample);
    const writes: number[] = [];
    writeDisk(plan, { writeAt: (offset) => writes.push(offset) });
    expect(writes.at(-1)).toBe(0);
    expect(writes.filter((offset) => offset < MIB)).toHaveLength(1);
  });
});

test("the root partition's GUID follows from its content", () => {
  expect(rootPartitionGuid(new Uint8Array(32))).toMatchInlineSnapshot(`"09b9d0d7-00b6-8cf7-83a9-fc27f5cbd3c5"`);
});
