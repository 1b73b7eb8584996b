import { describe, expect, test } from "vitest";
import { MemorySink } from "../../src/bytes/index.ts";
import { planFat } from "../../src/formats/fat/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { FAT32_BYTES } from "../support/fat-trees.ts";
import type { ErrnoName } from "../support/simulated-kernel/index.ts";
import { failEachCall, failureOf, goodBoot } from "./first-stage/faults.ts";
import { BLOCK } from "./first-stage/image.ts";
import { IMAGE, logOf, planFor, type Story, tell } from "./first-stage/machine.ts";

const { disk: image, dataOffset, hashOffset, blocks, rootHash, salt } = IMAGE;
const used = image.length - dataOffset;
const size = used - (used % BLOCK);
const FILE = "/images/a.raw";

/** Where the pieces of the image's file stand on its volume. Bytes, in the order of the file. */
type Pieces = readonly (readonly [physical: number, length: number, flags?: number])[];

const ONE: Pieces = [[64 * BLOCK, image.length]];
/** The second half comes first. */
const HALF = 8 * BLOCK;
const TWO: Pieces = [
  [512 * BLOCK, HALF],
  [64 * BLOCK, image.length - HALF],
];

interface Volume {
  readonly type?: string;
  readonly pieces?: Pieces;
  readonly superblock?: (volume: Uint8Array) => void;
  readonly name?: string;
}

function volumeOf({ pieces = ONE, superblock }: Volume): Uint8Array {
  const volume = new Uint8Array(640 * BLOCK);
  let at = 0;
  for (const [physical, length] of pieces) {
    volume.set(image.subarray(at, at + length), physical);
    at += length;
  }
  superblock?.(volume);
  return volume;
}

const text = (at: number, label: string) => (volume: Uint8Array) => volume.set(Buffer.from(label, "latin1"), at);
const hex = (at: number, digits: string) => (volume: Uint8Array) => volume.set(Buffer.from(digits, "hex"), at);
const all =
  (...changes: ((volume: Uint8Array) => void)[]) =>
  (volume: Uint8Array) => {
    for (const change of changes) change(volume);
  };

const UUID = "00112233-4455-6677-8899-aabbccddeeff";
const UUID_HEX = UUID.replaceAll("-", "");
const EXT4 = all(hex(0x438, "53ef"), hex(0x468, UUID_HEX), text(0x478, "boot part"));
const XFS = all(text(0, "XFSB"), hex(32, UUID_HEX), text(108, "boot part"));
const BTRFS = all(text(0x10040, "_BHRfS_M"), hex(0x10020, UUID_HEX), text(0x1012b, "boot part"), hex(0x10088, "01"));

/** A whole disk that is one volume, and a plan that boots from a file on it. */
function onVolume(
  key: string,
  given: Volume & { opens?: string; hasImage?: boolean; isInTruth?: string; more?: Volume } = {},
): Story {
  const { type = "ext4", opens = "map", hasImage = true } = given;
  const hashStart = (hashOffset - dataOffset) / BLOCK + 1;
  const device = opens === "map" ? "device=place " : "";
  const steps = [
    `modules loop ${type}`,
    "coldplug pci virtio",
    `device place ${key} holds=/other.raw,${FILE} type=${type} options=x timeout=1s`,
    `mount place /lazyrd/place ${type} options=x`,
    `${opens} image /lazyrd/place${FILE} ${device}offset=${dataOffset} size=${size}`,
    `verity root data=image hash=image data-blocks=${blocks} root-hash=${rootHash} salt=${salt} hash-start=${hashStart} on-corruption=panic`,
    "mount root /lazyrd/image erofs",
    "unmount /lazyrd/place",
  ];
  const plan = planFor(IMAGE).flatMap((line) => {
    if (line.startsWith("verity ")) return steps;
    return /^(device|coldplug|mount) /.test(line) ? [] : [line];
  });
  return {
    plan,
    image: IMAGE,
    disk: { content: volumeOf(given) },
    hardware: ({ fileSystems, blockDevices }) => {
      let logical = 0;
      const extents = (given.pieces ?? ONE).map(([physical, length, flags = 0]) => {
        logical += length;
        return { logical: logical - length, physical, length, flags };
      });
      fileSystems.addVolume("vda", {
        type: given.isInTruth ?? type,
        files: hasImage ? { [FILE.slice(1)]: extents } : {},
      });
      if (given.more === undefined) return;
      blockDevices.addDisk({ name: "sda", content: volumeOf(given.more) });
      fileSystems.addVolume("sda", { type, files: {} });
    },
  };
}

function expectBoot(story: Story): ReturnType<typeof tell> {
  const boot = tell(story);
  expect(boot.end, logOf(boot).join("\n")).toEqual({ kind: "exec", path: "/init" });
  expect(boot.kernel.files.text("/init")).toContain("systemd");
  return boot;
}

describe("a device is found by", () => {
  test.each([
    ["the UUID of ext4", `uuid=${UUID}`, { superblock: EXT4 }],
    ["its label, with a blank in it", "label=boot\\x20part", { superblock: EXT4 }],
    ["the UUID of XFS, in capitals", `uuid=${UUID.toUpperCase()}`, { superblock: XFS, type: "xfs" }],
    ["the label of XFS", "label=boot\\x20part", { superblock: XFS, type: "xfs" }],
    ["the UUID of btrfs", `uuid=${UUID}`, { superblock: BTRFS, type: "btrfs", opens: "loop" }],
    ["the label of btrfs", "label=boot\\x20part", { superblock: BTRFS, type: "btrfs", opens: "loop" }],
    ["its name", "node=vda", {}],
  ])("%s", (_name, key, given) => {
    expectBoot(onVolume(key, given));
  });

  test("its label, when another one with the same label does not hold the image", () => {
    const boot = expectBoot(onVolume("label=boot\\x20part", { superblock: EXT4, more: { superblock: EXT4 } }));
    expect(logOf(boot).join("\n")).toMatch(/device place is \/dev\/vda/);
  });

  test.each([
    [
      "nothing has the label",
      "label=home",
      {},
      /^no file system with LABEL home that holds \/other.raw,\/images\/a.raw after 1 s; disks seen: vda$/,
    ],
    [
      "it does not hold the image",
      "node=vda",
      { hasImage: false },
      /^no device vda that holds .* \(\/dev\/vda does not hold it\)$/,
    ],
    [
      "it is of another type",
      `uuid=${UUID}`,
      { superblock: XFS, isInTruth: "xfs" },
      /^no file system with UUID .*vda \(\/dev\/vda cannot be mounted as ext4\)$/,
    ],
    [
      "it is a btrfs over two disks",
      `uuid=${UUID}`,
      { superblock: all(BTRFS, hex(0x10088, "02")), type: "btrfs" },
      /is a btrfs over 2 devices/,
    ],
    ["the plan's UUID is none", "uuid=123", {}, /^the plan names no device, or not as it must/],
    ["the plan names nothing", "timeout=1s", {}, /^the plan names no device/],
  ])("not when %s", (_name, key, given, message) => {
    const boot = tell(onVolume(key, given));
    expect(boot.end.kind).toBe("reboot");
    expect(failureOf(boot)).toMatchObject({ verb: "device", message: expect.stringMatching(message) });
  });
});

describe("an image on a boot partition", () => {
  test("is read from the device, whose file system is closed before the next stage begins", () => {
    const { kernel, calls } = expectBoot(onVolume("node=vda"));
    expect(kernel.loopDevices.bound).toBe(1);
    // The image's own, and nobody else's: the disk itself is free.
    expect(kernel.deviceMapper.devices.size).toBe(1);
    expect(calls.filter(({ name, args }) => name === "mount" && args[0] === "/dev/vda")).toHaveLength(2);
    kernel.leaveRoot();
    expect(kernel.loopDevices.bound).toBe(0);
  });

  test("is put together from its pieces", () => {
    const { kernel } = expectBoot(onVolume("node=vda", { pieces: TWO }));
    expect([...kernel.deviceMapper.devices.keys()]).toEqual(["image", "root"]);
    kernel.leaveRoot();
    expect(kernel.deviceMapper.devices.size).toBe(0);
    expect(kernel.loopDevices.bound).toBe(0);
  });

  test.each([
    ["unwritten", 0x800],
    ["encoded", 0x8],
    ["inline", 0x200],
  ])("of which a piece is %s is read through its file system, and that is said", (_name, flags) => {
    const boot = expectBoot(onVolume("node=vda", { pieces: [[64 * BLOCK, image.length, flags]] }));
    expect(logOf(boot).join("\n")).toMatch(/map image is \/dev\/loop0, .* which keeps its file system in use: /);
  });

  /** A FAT volume with the image, and where that begins. */
  function fatVolume(sizeBytes: number): { readonly content: Buffer; readonly physical: number } {
    const tree = new Tree();
    // So that the image's clusters are on both sides of a block of the table.
    tree.setWithParents("other", regularFile(new Uint8Array(sizeBytes === FAT32_BYTES ? 600_000 : 5000)));
    tree.setWithParents(FILE.slice(1), regularFile(image));
    const sink = new MemorySink();
    planFat(tree, { sizeBytes, volumeId: 0x1a2b3c4d, label: "BOOT PART" }).emit(sink);
    const content = Buffer.from(sink.bytes());
    return { content, physical: content.indexOf(image.subarray(0, 512)) };
  }

  const fatStory = ({ content, physical }: ReturnType<typeof fatVolume>, key = "uuid=1A2B-3C4D"): Story => ({
    ...onVolume(key, { type: "vfat" }),
    disk: { content },
    hardware: ({ fileSystems }) =>
      fileSystems.addVolume("vda", {
        type: "vfat",
        files: { [FILE.slice(1)]: [{ logical: 0, physical, length: image.length }] },
      }),
  });

  const FAT_TYPES = [
    ["FAT16", 16 << 20],
    ["FAT32", FAT32_BYTES],
  ] as const;

  test.each(FAT_TYPES)("on %s is found in the table of clusters", (_, sizeBytes) => {
    const volume = fatVolume(sizeBytes);
    expect(logOf(expectBoot(fatStory(volume))).join("\n")).toMatch(/in 1 piece/);
    expectBoot(fatStory(volume, "label=BOOT\\x20PART"));
  });

  test.each(FAT_TYPES)("on %s is put together from its pieces", (_, sizeBytes) => {
    const volume = fatVolume(sizeBytes);
    moveCluster(volume, image.length / 2);
    expect(logOf(expectBoot(fatStory(volume))).join("\n")).toMatch(/in 3 pieces/);
  });

  test("on FAT32 is put together where its entries are in two blocks of the table", () => {
    const { content, physical } = fatVolume(FAT32_BYTES);
    const { table, first, entryBytes, clusterBytes } = geometryOf({ content, physical });
    const inTable = (cluster: number): number => table + cluster * entryBytes;
    const boundary = first + (Math.ceil(inTable(first) / BLOCK) * BLOCK - inTable(first)) / entryBytes;
    expect((boundary - first) * clusterBytes).toBeLessThan(image.length);
    for (const cluster of [boundary - 1, boundary, boundary + 1]) {
      const volume = { content: Buffer.from(content), physical };
      moveCluster(volume, (cluster - first) * clusterBytes);
      expect(logOf(expectBoot(fatStory(volume))).join("\n"), `cluster ${cluster}`).toMatch(/in 3 pieces/);
    }
  });

  test.each(FAT_TYPES)("on %s whose chain ends too soon is read through its file system", (_, sizeBytes) => {
    const volume = fatVolume(sizeBytes);
    moveCluster(volume, image.length / 2, 0);
    expect(logOf(expectBoot(fatStory(volume))).join("\n")).toMatch(/does not stand on its device as it is/);
  });
});

interface FatVolume {
  readonly content: Buffer;
  /** Where the file begins. */
  readonly physical: number;
}

/** What the boot sector says (see the FAT specification), and the file's first cluster. */
function geometryOf({ content, physical }: FatVolume) {
  const sectorBytes = content.readUInt16LE(11);
  const clusterBytes = sectorBytes * content.readUInt8(13);
  const table = sectorBytes * content.readUInt16LE(14);
  const short = content.readUInt16LE(22);
  const tableSectors = short === 0 ? content.readUInt32LE(36) : short;
  const dataStart = table + sectorBytes * tableSectors * content.readUInt8(16) + 32 * content.readUInt16LE(17);
  const first = (physical - dataStart) / clusterBytes + 2;
  return { clusterBytes, table, dataStart, first, entryBytes: short === 0 ? 4 : 2 };
}

/**
 * Moves the cluster at a byte of the file to the end of the volume, where nothing is.
 * @param next what its entry says then; by default the cluster that followed before
 */
function moveCluster(volume: FatVolume, byte: number, next?: number): void {
  const { content } = volume;
  const { clusterBytes, table, dataStart, first, entryBytes } = geometryOf(volume);
  const index = Math.floor(byte / clusterBytes);
  const last = Math.floor((content.length - dataStart) / clusterBytes) + 1;
  const placeOf = (cluster: number): number => dataStart + (cluster - 2) * clusterBytes;
  const setNext = (cluster: number, value: number) =>
    content.writeUIntLE(value, table + entryBytes * cluster, entryBytes);
  content.copy(content, placeOf(last), placeOf(first + index), placeOf(first + index + 1));
  content.fill(0, placeOf(first + index), placeOf(first + index + 1));
  setNext(first + index - 1, last);
  setNext(last, next ?? first + index + 1);
}

describe("each system call of a boot from a boot partition fails once", () => {
  const good = goodBoot(onVolume(`uuid=${UUID}`, { superblock: EXT4, pieces: TWO }));
  const errnos: readonly ErrnoName[] = ["EIO", "EBUSY"];

  test.each(errnos)("with %s", (errno) => {
    failEachCall(good, errno);
  });
});
