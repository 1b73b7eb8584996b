import { DirectoryEntry, type FatType, FIRST_CLUSTER, MIN_FAT16_CLUSTERS, MIN_FAT32_CLUSTERS } from "./layout.ts";

/** Where the parts of a volume stand. Offsets and sizes in bytes unless they say otherwise. */
export interface FatGeometry {
  readonly type: FatType;
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly sectorCount: number;
  readonly reservedSectors: number;
  readonly fatCount: number;
  /** Of one FAT. */
  readonly fatSectors: number;
  /** Room in the root directory of FAT12 and FAT16; 0 on FAT32. */
  readonly rootEntries: number;
  readonly clusterCount: number;
  /** Of the first FAT. */
  readonly fatOffset: number;
  /** Of FAT12's and FAT16's root directory. */
  readonly rootOffset: number;
  /** Of the first cluster, number 2. */
  readonly dataOffset: number;
}

/** What a boot sector says of a volume's parts. */
export type FatParts = Pick<
  FatGeometry,
  "sectorBytes" | "clusterBytes" | "sectorCount" | "reservedSectors" | "fatCount" | "fatSectors" | "rootEntries"
>;

/** Where the parts stand; `clusterCount` is negative where they do not even fit. */
export function placeParts(parts: FatParts): Omit<FatGeometry, "type"> {
  const { sectorBytes, clusterBytes } = parts;
  const fatOffset = parts.reservedSectors * sectorBytes;
  const rootOffset = fatOffset + parts.fatCount * parts.fatSectors * sectorBytes;
  const rootSectors = Math.ceil((parts.rootEntries * DirectoryEntry.size) / sectorBytes);
  const dataOffset = rootOffset + rootSectors * sectorBytes;
  const clusterCount = Math.floor((parts.sectorCount * sectorBytes - dataOffset) / clusterBytes);
  return { ...parts, fatOffset, rootOffset, dataOffset, clusterCount };
}

/** fatgen103, "FAT Type Determination". */
export function fatTypeOf(clusterCount: number): FatType {
  if (clusterCount < MIN_FAT16_CLUSTERS) return 12;
  return clusterCount < MIN_FAT32_CLUSTERS ? 16 : 32;
}

/** Bytes that a FAT needs for so many clusters. */
export function fatBytes(type: FatType, clusterCount: number): number {
  return Math.ceil(((clusterCount + FIRST_CLUSTER) * type) / 8);
}

/** Where a cluster stands in the volume. */
export function clusterOffset(geometry: FatGeometry, cluster: number): number {
  return geometry.dataOffset + (cluster - FIRST_CLUSTER) * geometry.clusterBytes;
}
