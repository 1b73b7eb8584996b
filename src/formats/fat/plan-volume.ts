import { alignUp, divideUp, FormatError, isPowerOfTwo } from "../../bytes/index.ts";
import { type FatGeometry, type FatParts, fatBytes, fatTypeOf, placeParts } from "./geometry.ts";
import {
  DirectoryEntry,
  type FatType,
  FORMAT,
  MAX_FAT32_CLUSTERS,
  MAX_SECTORS_PER_CLUSTER,
  MIN_FAT16_CLUSTERS,
  SECTOR_SIZES,
} from "./layout.ts";

/** What can be chosen about a volume. Sizes in bytes. */
export interface VolumeOptions {
  /** Of the whole volume: whole sectors. */
  readonly sizeBytes: number;
  /** 512, 1024, 2048 or 4096; default 512. Not less than the disk's. */
  readonly sectorBytes?: number | undefined;
  /** By default 4 KiB, less on small volumes and more above 8 GiB. */
  readonly clusterBytes?: number | undefined;
  /** The first cluster stands at a multiple of it, counted from the volume's start; default 4 KiB. */
  readonly alignment?: number | undefined;
}

/** A volume to be written. FAT12 is for volumes of two megabytes: lazyrd reads it but has no use for it. */
export type WritableGeometry = FatGeometry & { readonly type: 16 | 32 };

const DEFAULT_SECTOR_BYTES = 512;
/** The kernel's page: clusters that are one, at multiples of one, are read and written without going through parts of pages. */
const DEFAULT_ALIGNMENT = 4096;
const PREFERRED_CLUSTER_BYTES = 4096;
/** What every driver takes (fatgen103, "BPB_SecPerClus"). */
const MAX_CLUSTER_BYTES = 32 * 1024;
/** 8 GiB in clusters of 4 KiB: as Windows formats. A FAT with more entries takes long to search for free ones. */
const PREFERRED_MAX_CLUSTERS = 1 << 21;
/** fatgen103: stay so far away from the limits between types, because many drivers have them wrong by some. */
const SAFETY_CLUSTERS = 16;

const FAT_COUNT = 2;
/** FAT32 keeps the boot sector, FSInfo and copies of both, and by custom some more. */
const RESERVED_SECTORS: Readonly<Record<16 | 32, number>> = { 16: 1, 32: 32 };
/** What fatgen103 says for FAT16. */
const ROOT_ENTRIES = 512;

const MAX_SECTORS = 0xffffffff;
const MAX_RESERVED_SECTORS = 0xffff;

/**
 * Lays out a volume: FAT32 where it has room for enough clusters of at least one sector, FAT16 where it has not.
 * @throws FormatError when no such volume has this size, or an option is not usable.
 */
export function planVolume(options: VolumeOptions): WritableGeometry {
  const { sizeBytes } = options;
  const sectorBytes = options.sectorBytes ?? DEFAULT_SECTOR_BYTES;
  const alignment = options.alignment ?? DEFAULT_ALIGNMENT;
  if (!SECTOR_SIZES.includes(sectorBytes)) {
    fail(`Cannot use sectors of ${sectorBytes} bytes: expected one of ${SECTOR_SIZES.join(", ")}`);
  }
  if (!isPowerOfTwo(alignment) || alignment < sectorBytes) {
    fail(`Cannot align to ${alignment} bytes: expected a power of two, at least the sector size ${sectorBytes}`);
  }
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes % sectorBytes !== 0 || sizeBytes / sectorBytes > MAX_SECTORS) {
    fail(`Cannot make a volume of ${sizeBytes} bytes: expected at most ${MAX_SECTORS} whole sectors of ${sectorBytes}`);
  }
  const geometry = usable({ sizeBytes, sectorBytes, alignment }, clusterSizes(options, sectorBytes));
  if (geometry !== undefined) return geometry;
  fail(
    `Cannot make a volume of ${sizeBytes} bytes${options.clusterBytes === undefined ? "" : ` in clusters of ${options.clusterBytes}`}: ` +
      `expected room for ${MIN_FAT16_CLUSTERS + SAFETY_CLUSTERS} to ${MAX_FAT32_CLUSTERS} clusters`,
  );
}

/** All sizes in bytes. */
interface VolumeShape {
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly alignment: number;
}

/** In the order in which they are tried for each type. */
function clusterSizes({ sizeBytes, clusterBytes }: VolumeOptions, sectorBytes: number): number[] {
  if (clusterBytes !== undefined) {
    const most = Math.min(sectorBytes * MAX_SECTORS_PER_CLUSTER, MAX_CLUSTER_BYTES);
    if (isPowerOfTwo(clusterBytes) && clusterBytes >= sectorBytes && clusterBytes <= most) return [clusterBytes];
    fail(`Cannot use clusters of ${clusterBytes} bytes: expected a power of two from ${sectorBytes} to ${most}`);
  }
  let first = Math.max(PREFERRED_CLUSTER_BYTES, sectorBytes);
  while (sizeBytes / first > PREFERRED_MAX_CLUSTERS && first < MAX_CLUSTER_BYTES) first *= 2;
  const sizes: number[] = [];
  for (let size = first; size >= sectorBytes; size /= 2) sizes.push(size);
  return sizes;
}

function usable(volume: VolumeShape, sizes: readonly number[]): WritableGeometry | undefined {
  for (const type of [32, 16] as const) {
    for (const clusterBytes of sizes) {
      const parts = partsFor(type, clusterBytes, volume);
      const { clusterCount, ...places } = placeParts(parts);
      if (isSafe(type, clusterCount) && parts.reservedSectors <= MAX_RESERVED_SECTORS) {
        return { type, clusterCount, ...places };
      }
    }
  }
  return undefined;
}

/** Whether every driver takes a volume with so many clusters for one of this type. */
function isSafe(type: FatType, clusterCount: number): boolean {
  const types = [clusterCount - SAFETY_CLUSTERS, clusterCount, clusterCount + SAFETY_CLUSTERS].map(fatTypeOf);
  return types.every((found) => found === type) && clusterCount <= MAX_FAT32_CLUSTERS;
}

/** The FAT has entries for as many clusters as the volume had without its other parts: a few more than there are. */
function partsFor(type: 16 | 32, clusterBytes: number, { sizeBytes, sectorBytes, alignment }: VolumeShape): FatParts {
  const fatSectors = divideUp(fatBytes(type, Math.floor(sizeBytes / clusterBytes)), sectorBytes);
  const rootEntries = type === 32 ? 0 : ROOT_ENTRIES;
  const tables = FAT_COUNT * fatSectors + divideUp(rootEntries * DirectoryEntry.size, sectorBytes);
  const dataSector = alignUp(RESERVED_SECTORS[type] + tables, alignment / sectorBytes);
  return {
    sectorBytes,
    clusterBytes,
    sectorCount: sizeBytes / sectorBytes,
    reservedSectors: dataSector - tables,
    fatCount: FAT_COUNT,
    fatSectors,
    rootEntries,
  };
}

function fail(message: string): never {
  throw new FormatError(message, { format: FORMAT });
}
