import { closeSync, copyFileSync, ftruncateSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Generation } from "../../src/build/index.ts";
import { type ByteSource, fromText } from "../../src/bytes/index.ts";
import { type DdiTree, readDdi } from "../../src/formats/ddi/index.ts";
import { readErofs } from "../../src/formats/erofs/index.ts";
import { encodeGpt, planGpt, readGpt } from "../../src/formats/gpt/index.ts";
import { FileSource } from "../../src/host/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import type { Disk, DiskBus } from "../../src/vm/index.ts";
import { tempFolder } from "./temp.ts";

export function imageDisk(generation: Generation, bus: DiskBus = "virtio-blk"): Disk {
  return { path: generation.path("image"), bus, readOnly: true };
}

const EMPTY_DISK_BYTES = 8 << 20;

/** A disk of zeros, without a partition table. */
export function emptyDisk(bus: DiskBus): Disk {
  const path = join(tempFolder(), "empty.raw");
  const file = openSync(path, "w");
  ftruncateSync(file, EMPTY_DISK_BYTES);
  closeSync(file);
  return { path, bus, readOnly: true };
}

/** A copy of the image in which the lowest bit of these bytes is the other way round. */
export function damagedImage(generation: Generation, ...offsets: readonly number[]): Disk {
  return changedImage(generation, (file) => {
    const byte = Buffer.alloc(1);
    for (const offset of offsets) {
      readSync(file, byte, 0, 1, offset);
      writeSync(file, Buffer.of(byte.readUInt8() ^ 1), 0, 1, offset);
    }
  });
}

/** A copy of the first `bytes` of the image. */
export function cutImage(generation: Generation, bytes: number): Disk {
  return changedImage(generation, (file) => ftruncateSync(file, bytes));
}

/** A copy of the image with another content of the partition for its signature. */
export function resignedImage(generation: Generation, content: Uint8Array): Disk {
  const source = new FileSource(generation.path("image"), "the image");
  const signature = onlyTree(source).signature?.partition;
  if (signature === undefined) throw new Error("The image has no partition for a signature");
  const whole = new Uint8Array(signature.sizeBytes);
  whole.set(content);
  return changedImage(generation, (file) => writeSync(file, whole, 0, whole.length, signature.offsetBytes));
}

/** A copy of the image, or of a disk that was made of it, whose partitions' labels have another version. */
export function relabelledImage(generation: Generation, version: string, disk = imageDisk(generation)): Disk {
  const gpt = readGpt(new FileSource(disk.path, "the image"));
  const partitions = gpt.partitions.map((partition) => ({
    ...partition,
    name: partition.name.replace(/_[^_]+(?=$|_verity)/, `_${version}`),
  }));
  const { diskGuid } = gpt;
  const diskSizeBytes = statSync(disk.path).size;
  const { head, tail, tailOffset } = encodeGpt(planGpt({ diskGuid, partitions, diskSizeBytes, alignment: 4096 }));
  return changedDisk(disk.path, (file) => {
    writeSync(file, head, 0, head.length, 0);
    writeSync(file, tail, 0, tail.length, tailOffset);
  });
}

/** One disk with the partitions of all of these. */
export function slotsDisk(...disks: readonly Disk[]): Disk {
  const slots = disks.flatMap(({ path }) => {
    const source = new FileSource(path, "the image");
    const { diskGuid, partitions } = readGpt(source);
    return partitions.map((partition) => ({ source, diskGuid, partition }));
  });
  const gpt = planGpt({
    diskGuid: slots[0]?.diskGuid ?? "",
    partitions: slots.map(({ partition: { typeGuid, partitionGuid, name, sizeBytes } }) => {
      return { typeGuid, partitionGuid, name, sizeBytes };
    }),
  });
  const path = join(tempFolder(), "slots.raw");
  const file = openSync(path, "w");
  for (const [index, { source, partition }] of slots.entries()) {
    const content = source.read(partition.offsetBytes, partition.sizeBytes);
    writeSync(file, content, 0, content.length, gpt.partitions[index]?.offsetBytes ?? 0);
  }
  const { head, tail, tailOffset } = encodeGpt(gpt);
  writeSync(file, head, 0, head.length, 0);
  writeSync(file, tail, 0, tail.length, tailOffset);
  closeSync(file);
  return { path, bus: "virtio-blk", readOnly: true };
}

function changedImage(generation: Generation, change: (file: number) => void): Disk {
  return changedDisk(generation.path("image"), change);
}

function changedDisk(original: string, change: (file: number) => void): Disk {
  const path = join(tempFolder(), "image.raw");
  copyFileSync(original, path);
  const file = openSync(path, "r+");
  change(file);
  closeSync(file);
  return { path, bus: "virtio-blk", readOnly: true };
}

/** Notes where somebody reads. */
class WatchedSource implements ByteSource {
  readonly #source: ByteSource;
  /** The latest ranges, in bytes of the source. */
  readonly ranges: { readonly offset: number; readonly length: number }[] = [];

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get size(): number {
    return this.#source.size;
  }

  read(offset: number, length: number): Uint8Array {
    this.ranges.push({ offset, length });
    return this.#source.read(offset, length);
  }
}

/** Where things stand on the image's disk, in bytes. */
export interface ImageMap {
  /** The image's first byte. */
  readonly data: number;
  /** The block at the top of the tree of hashes, and the first one of its lowest level. */
  readonly topHashes: number;
  readonly lowestHashes: number;
  /** A byte in the middle of a file. */
  readonly middleOf: (path: string) => number;
  readonly startOf: (path: string) => number;
}

export function mapImage(generation: Generation): ImageMap {
  const source = new WatchedSource(new FileSource(generation.path("image"), "the image"));
  const { data, verity, startOf } = onlyTree(source);
  const levels = verity?.info.geometry.levels ?? [];
  const hashes = startOf(verity);
  const tree = readErofs(data.source).tree();
  const placeOf = (path: string, part: number): number => {
    const node = tree.resolve(fromText(path));
    if (node?.kind !== "file") throw new Error(`The image has no file ${path}`);
    source.ranges.length = 0;
    node.content.read(Math.floor(node.content.size * part), 1);
    const range = source.ranges.at(-1);
    if (range === undefined) throw new Error(`Nothing of the image was read for ${path}`);
    return range.offset;
  };
  return {
    data: startOf(data),
    topHashes: hashes + (levels[0]?.offset ?? 0),
    lowestHashes: hashes + (levels.at(-1)?.offset ?? 0),
    middleOf: (path) => placeOf(path, 1 / 2),
    startOf: (path) => placeOf(path, 0),
  };
}

/** What the image holds, as lazyrd itself reads it back. */
export function treeOfImage(generation: Generation): Tree {
  return readErofs(onlyTree(new FileSource(generation.path("image"), "the image")).data.source).tree();
}

function onlyTree(source: ByteSource): DdiTree & { startOf: (part: DdiTree["data"] | undefined) => number } {
  const { trees } = readDdi(source);
  const [tree] = trees;
  if (tree === undefined) throw new Error("The image has no tree");
  return { ...tree, startOf: (part) => part?.partition.offsetBytes ?? Number.NaN };
}
