import { createHmac } from "node:crypto";
import {
  alignUp,
  type ByteSink,
  type ByteSource,
  customGuid,
  GUID_SIZE,
  type Guid,
  type PositionedSink,
  sequentialSink,
  UsageError,
} from "../bytes/index.ts";
import { type FatPlan, planFat } from "../formats/fat/index.ts";
import {
  attributesOf,
  DEFAULT_ALIGNMENT,
  encodeGpt,
  type GptPlan,
  type NewPartition,
  type PartitionContent,
  partitionSource,
  partitionTypeGuid,
  planGpt,
  readGpt,
  writeContent,
} from "../formats/gpt/index.ts";
import type { ImagePlace } from "../plan/index.ts";
import { type Boot, espTree } from "./esp.ts";
import { addImageFile, isOnEsp, planFilePartition } from "./file-partition.ts";

/** A root file system that goes onto the disk. */
export interface RootFileSystem {
  readonly sizeBytes: number;
  readonly content: PartitionContent;
  /** From `rootPartitionGuid`. */
  readonly partitionGuid: Guid;
  /** Others are marked to be grown to the size of their partition. */
  readonly isReadOnly: boolean;
}

/** A disk to be made. Sizes in bytes. */
export interface DiskOptions {
  /** A digest of everything that makes up the disk: its GUIDs follow from it. */
  readonly seed: Uint8Array;
  readonly boot: Boot;
  /** A whole DDI, if the disk is to hold one. */
  readonly image: ByteSource | undefined;
  /** Where the first stage looks for it; default: its partitions stand on the disk with their GUIDs. */
  readonly place?: ImagePlace | undefined;
  readonly root?: RootFileSystem | undefined;
  /** Rounded up to whole MiB. */
  readonly espBytes: number;
  /** Rounded down to whole sectors; by default just enough. What is left is free, behind the last partition. */
  readonly diskBytes?: number | undefined;
}

/** A disk that is laid out but not yet written. */
export interface DiskPlan {
  readonly gpt: GptPlan;
  readonly sizeBytes: number;
  /** At most so much of it is not zero. */
  readonly usedBytes: number;
  readonly esp: FatPlan;
  /** Of each partition, in order. */
  readonly contents: readonly PartitionContent[];
}

const SECTOR_BYTES = 512;
const ESP_NAME = "esp";
const ROOT_NAME = "root";
const ESP_LABEL = "ESP";
/** Primary table, backup table, FAT's own tables: a round figure above all of it. */
const TABLES_BYTES = 16 << 20;

/**
 * Lays out a disk: EFI system partition, the image's partitions, root file system.
 * @throws UsageError when it does not fit the size that was asked for, FormatError when the image is no DDI.
 */
export function planDisk(options: DiskOptions): DiskPlan {
  const { seed, image, root } = options;
  // With nothing in front of the first partition but the table, it starts at the first aligned place.
  const esp = planEsp(options);
  const imageParts = image === undefined ? [] : partsOf(image, options);
  const parts: Part[] = [
    { partition: espPartition(seed, esp), content: (sink: ByteSink) => esp.emit(sink) },
    ...imageParts,
    ...(root === undefined ? [] : [{ partition: rootPartition(root), content: root.content }]),
  ];
  const partitions = parts.map(({ partition }) => partition);
  const table = { diskGuid: derivedGuid(seed, "disk"), partitions, sectorSize: SECTOR_BYTES };
  const smallest = planGpt(table);
  const gpt =
    options.diskBytes === undefined
      ? smallest
      : planGpt({ ...table, diskSizeBytes: diskSize(options.diskBytes, smallest) });
  return {
    gpt,
    sizeBytes: gpt.layout.sizeBytes,
    usedBytes: esp.sizeBytes - esp.freeBytes + (image?.size ?? 0) + (root?.sizeBytes ?? 0) + TABLES_BYTES,
    esp,
    contents: parts.map(({ content }) => content),
  };
}

interface Part {
  readonly partition: NewPartition;
  readonly content: PartitionContent;
}

/** The partitions that an image takes: those of a DDI, or one that holds it as a file, or none of its own. */
function partsOf(image: ByteSource, { seed, place = { kind: "partitions" } }: DiskOptions): Part[] {
  if (place.kind === "file" && !isOnEsp(place)) {
    const other = { partitionGuid: derivedGuid(seed, "image"), volumeId: derive(seed, "image").readUInt32LE() };
    const { partition, fat } = planFilePartition(place, image, other);
    return [{ partition, content: (sink) => fat.emit(sink) }];
  }
  if (place.kind !== "partitions") return [];
  return readGpt(image).partitions.map((partition) => ({
    partition: { ...partition, offsetBytes: undefined },
    content: partitionSource(image, partition),
  }));
}

/** Lays out a disk that has nothing but a root file system, for a machine that is started from elsewhere. */
export function planRootDisk(root: RootFileSystem): Omit<DiskPlan, "esp"> {
  const diskGuid = derivedGuid(Buffer.from(root.partitionGuid, "latin1"), "disk");
  const gpt = planGpt({ diskGuid, partitions: [rootPartition(root)], sectorSize: SECTOR_BYTES });
  return {
    gpt,
    sizeBytes: gpt.layout.sizeBytes,
    usedBytes: root.sizeBytes + TABLES_BYTES,
    contents: [root.content],
  };
}

function diskSize(asked: number, smallest: GptPlan): number {
  const size = asked - (asked % SECTOR_BYTES);
  if (size >= smallest.layout.sizeBytes) return size;
  throw new UsageError(`Cannot make a disk of ${size} bytes: its partitions take ${smallest.layout.sizeBytes}`, {
    hint: "give a larger --size, a smaller --esp-size, or leave --size out",
  });
}

function planEsp({ seed, boot, espBytes, image, place }: DiskOptions): FatPlan {
  const tree = espTree(boot);
  if (image !== undefined && place?.kind === "file" && isOnEsp(place)) addImageFile(tree, place, image);
  return planFat(tree, {
    sizeBytes: alignUp(espBytes, DEFAULT_ALIGNMENT),
    volumeId: derive(seed, "esp-volume-id").readUInt32LE(),
    label: ESP_LABEL,
    partitionOffset: DEFAULT_ALIGNMENT,
  });
}

function espPartition(seed: Uint8Array, esp: FatPlan): NewPartition {
  return {
    typeGuid: partitionTypeGuid("esp"),
    partitionGuid: derivedGuid(seed, "esp"),
    name: ESP_NAME,
    sizeBytes: esp.sizeBytes,
    offsetBytes: DEFAULT_ALIGNMENT,
  };
}

/**
 * Not of the type "root": of that type is the image, which is root only until the initrd has found this one. Tools
 * that discover partitions by type (systemd-gpt-auto-generator) would have two to choose from.
 */
function rootPartition({ sizeBytes, partitionGuid, isReadOnly }: RootFileSystem): NewPartition {
  return {
    typeGuid: partitionTypeGuid("linux-generic"),
    partitionGuid,
    name: ROOT_NAME,
    sizeBytes,
    attributes: attributesOf(isReadOnly ? "read-only" : "grow-file-system"),
  };
}

/** The GUID of the partition of a root file system, which follows from the digest of its content. */
export function rootPartitionGuid(digest: Uint8Array): Guid {
  return derivedGuid(digest, "root");
}

function derivedGuid(seed: Uint8Array, purpose: "disk" | "esp" | "image" | "root"): Guid {
  return customGuid(derive(seed, purpose).subarray(0, GUID_SIZE));
}

function derive(seed: Uint8Array, purpose: string): Buffer {
  return createHmac("sha256", seed).update(`lazyrd-disk-${purpose}`, "latin1").digest();
}

/**
 * Writes a disk to an output that is zero where nothing is written: gaps and free space are left out. The primary
 * table comes last, so that a disk that was interrupted has none.
 */
export function writeDisk({ gpt, contents }: Pick<DiskPlan, "gpt" | "contents">, output: PositionedSink): void {
  for (const [index, { offsetBytes, sizeBytes }] of gpt.partitions.entries()) {
    // planDisk has one content for each partition.
    writeContent(contents[index] as PartitionContent, sizeBytes, sequentialSink(output, offsetBytes));
  }
  const { head, tail, tailOffset } = encodeGpt(gpt);
  output.writeAt(tailOffset, tail);
  output.writeAt(0, head);
}
