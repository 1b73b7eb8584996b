import type { FatContent } from "./read.ts";

/** A volume's facts as plain values. Sizes in bytes. */
export interface FatDescription {
  readonly type: "FAT12" | "FAT16" | "FAT32";
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly clusters: number;
  readonly usedClusters: number;
  readonly files: number;
  readonly directories: number;
  readonly contentBytes: number;
  /** Files that are not in one piece. */
  readonly fragmented: number;
  /** As tools show it: `1A2B-3C4D`. */
  readonly volumeId: string | null;
  readonly label: string | null;
  readonly madeBy: string;
  readonly hiddenSectors: number;
}

export function describeFat({ volume, entries, label, usedClusters }: FatContent): FatDescription {
  const { geometry } = volume;
  const files = entries.filter(({ kind }) => kind === "file");
  return {
    type: `FAT${geometry.type}`,
    sizeBytes: geometry.sectorCount * geometry.sectorBytes,
    sectorBytes: geometry.sectorBytes,
    clusterBytes: geometry.clusterBytes,
    clusters: geometry.clusterCount,
    usedClusters,
    files: files.length,
    directories: entries.length - files.length,
    contentBytes: files.reduce((sum, { size }) => sum + size, 0),
    fragmented: files.filter(({ runs }) => runs.length > 1).length,
    volumeId: volume.volumeId === undefined ? null : formatVolumeId(volume.volumeId),
    label: label ?? null,
    madeBy: volume.oemName,
    hiddenSectors: volume.hiddenSectors,
  };
}

/** A volume id as tools show it. */
export function formatVolumeId(volumeId: number): string {
  const digits = volumeId.toString(16).toUpperCase().padStart(8, "0");
  return `${digits.slice(0, 4)}-${digits.slice(4)}`;
}
