import { alignUp, divideUp, FormatError, type Guid, isPowerOfTwo, NIL_GUID } from "../../bytes/index.ts";
import {
  DEFAULT_ALIGNMENT,
  DEFAULT_ENTRY_COUNT,
  DEFAULT_SECTOR_SIZE,
  FORMAT,
  GptEntry,
  MAX_ENTRY_COUNT,
  MAX_NAME_UNITS,
  PRIMARY_HEADER_LBA,
  SECTOR_SIZES,
} from "./layout.ts";

/** The extent of a partition to be made. Bytes. */
export interface PartitionExtent {
  /** Rounded up to whole sectors. */
  readonly sizeBytes: number;
  /** A multiple of the sector size; by default the next aligned place behind the partition before. */
  readonly offsetBytes?: number | undefined;
}

/** A partition to be made. */
export interface NewPartition extends PartitionExtent {
  readonly typeGuid: Guid;
  readonly partitionGuid: Guid;
  /** At most 36 UTF-16 code units. */
  readonly name?: string | undefined;
  /** See `attributesOf`. */
  readonly attributes?: bigint | undefined;
}

/** What can be chosen about a disk. Sizes in bytes. */
export interface DiskOptions {
  /** 512, 1024, 2048 or 4096; default 512. */
  readonly sectorSize?: number | undefined;
  /** Where partitions start: multiples of this; default 1 MiB. */
  readonly alignment?: number | undefined;
  /** The size of the whole disk; by default just enough for the partitions, rounded up to the alignment. */
  readonly diskSizeBytes?: number | undefined;
  readonly entryCount?: number | undefined;
}

/** Where one partition stands. */
export interface PlacedExtent {
  readonly firstLba: number;
  /** Inclusive. */
  readonly lastLba: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** Where everything on a disk stands. LBAs count sectors. */
export interface DiskLayout {
  readonly sectorSize: number;
  readonly sizeBytes: number;
  readonly entryCount: number;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  readonly backupEntriesLba: number;
  readonly backupHeaderLba: number;
  /** In the order in which they were given. */
  readonly extents: readonly PlacedExtent[];
}

/** A disk that `writeGpt` and `encodeGpt` can write. */
export interface GptPlan {
  readonly layout: DiskLayout;
  readonly diskGuid: Guid;
  readonly partitions: readonly (PlacedExtent &
    Required<Pick<NewPartition, "typeGuid" | "partitionGuid">> & {
      readonly name: string;
      readonly attributes: bigint;
    })[];
}

/**
 * Places partitions on a disk; needs their sizes only, so that it can be known before their content and GUIDs are.
 * @throws FormatError when partitions overlap, do not fit, or are too many.
 */
export function layoutDisk(partitions: readonly PartitionExtent[], options: DiskOptions = {}): DiskLayout {
  const sectorSize = options.sectorSize ?? DEFAULT_SECTOR_SIZE;
  const alignment = options.alignment ?? DEFAULT_ALIGNMENT;
  const entryCount = options.entryCount ?? DEFAULT_ENTRY_COUNT;
  if (!SECTOR_SIZES.includes(sectorSize)) {
    throw fault(`Cannot use sectors of ${sectorSize} bytes: expected one of ${SECTOR_SIZES.join(", ")}`);
  }
  if (!isPowerOfTwo(alignment) || alignment < sectorSize) {
    throw fault(`Cannot align to ${alignment} bytes: expected a power of two, at least the sector size ${sectorSize}`);
  }
  if (entryCount < DEFAULT_ENTRY_COUNT || entryCount > MAX_ENTRY_COUNT) {
    throw fault(`Cannot make ${entryCount} entries: expected ${DEFAULT_ENTRY_COUNT} to ${MAX_ENTRY_COUNT}`);
  }
  if (partitions.length > entryCount) {
    throw fault(`Cannot place ${partitions.length} partitions: the table has ${entryCount} entries`);
  }
  const entrySectors = divideUp(entryCount * GptEntry.size, sectorSize);
  const firstUsableLba = PRIMARY_HEADER_LBA + 1 + entrySectors;

  let end = firstUsableLba * sectorSize;
  const extents = partitions.map((partition) => {
    const extent = placed(partition, partition.offsetBytes ?? alignUp(end, alignment), sectorSize);
    end = Math.max(end, extent.offsetBytes + extent.sizeBytes);
    return extent;
  });
  const backupSectors = entrySectors + 1;
  const sizeBytes = options.diskSizeBytes ?? alignUp(end + backupSectors * sectorSize, alignment);
  if (sizeBytes % sectorSize !== 0 || !Number.isSafeInteger(sizeBytes)) {
    throw fault(`Cannot make a disk of ${sizeBytes} bytes: expected whole sectors of ${sectorSize} bytes, below 2^53`);
  }
  const sectors = sizeBytes / sectorSize;
  const backupEntriesLba = sectors - backupSectors;
  const layout: DiskLayout = {
    sectorSize,
    sizeBytes,
    entryCount,
    firstUsableLba,
    lastUsableLba: backupEntriesLba - 1,
    backupEntriesLba,
    backupHeaderLba: sectors - 1,
    extents,
  };
  checkPlaces(layout);
  return layout;
}

/**
 * A disk with its partitions, placed and checked.
 * @throws FormatError as `layoutDisk` does, and when a GUID is nil or stands twice, or a name is too long.
 */
export function planGpt(
  disk: { readonly diskGuid: Guid; readonly partitions: readonly NewPartition[] } & DiskOptions,
): GptPlan {
  const layout = layoutDisk(disk.partitions, disk);
  const seen = new Set<Guid>();
  const partitions = disk.partitions.map((partition, index) => {
    const { name = "", attributes = 0n } = partition;
    const [typeGuid, partitionGuid] = [partition.typeGuid.toLowerCase(), partition.partitionGuid.toLowerCase()];
    // Unused entries are told by their nil type, so a partition with it would not exist.
    if (typeGuid === NIL_GUID || partitionGuid === NIL_GUID)
      throw fault(`Cannot make partition ${index + 1}: its GUID is nil`);
    if (seen.has(partitionGuid)) throw fault(`Cannot make partition ${index + 1}: its GUID ${partitionGuid} is taken`);
    seen.add(partitionGuid);
    if (name.length > MAX_NAME_UNITS || name.includes("\0")) {
      throw fault(`Cannot name a partition ${JSON.stringify(name)}: expected at most ${MAX_NAME_UNITS} characters`);
    }
    // layoutDisk returns one extent for each partition, in order.
    return { ...(layout.extents[index] as PlacedExtent), typeGuid, partitionGuid, name, attributes };
  });
  return { layout, diskGuid: disk.diskGuid.toLowerCase(), partitions };
}

function placed(partition: PartitionExtent, offsetBytes: number, sectorSize: number): PlacedExtent {
  if (!Number.isSafeInteger(partition.sizeBytes) || partition.sizeBytes < 1) {
    throw fault(`Cannot place a partition of ${partition.sizeBytes} bytes: expected at least one`);
  }
  if (offsetBytes % sectorSize !== 0 || offsetBytes < 0) {
    throw fault(`Cannot place a partition at ${offsetBytes}: expected a multiple of the sector size ${sectorSize}`);
  }
  const sizeBytes = alignUp(partition.sizeBytes, sectorSize);
  const firstLba = offsetBytes / sectorSize;
  return { firstLba, lastLba: firstLba + sizeBytes / sectorSize - 1, offsetBytes, sizeBytes };
}

function checkPlaces(layout: DiskLayout): void {
  const byPlace = layout.extents
    .map((extent, index) => ({ extent, index }))
    .sort((a, b) => a.extent.firstLba - b.extent.firstLba);
  let end = layout.firstUsableLba;
  for (const { extent, index } of byPlace) {
    if (extent.firstLba < end) {
      throw fault(
        `Cannot place partition ${index + 1} at sector ${extent.firstLba}: everything before sector ${end} is taken`,
      );
    }
    if (extent.lastLba > layout.lastUsableLba) {
      throw fault(
        `Cannot place partition ${index + 1}: it ends at sector ${extent.lastLba}, the last usable one is ${layout.lastUsableLba}`,
      );
    }
    end = extent.lastLba + 1;
  }
}

function fault(message: string): FormatError {
  return new FormatError(message, { format: FORMAT });
}
