import { type ByteSink, chunksOf, FormatError, MemorySink } from "../../bytes/index.ts";
import type { Tree } from "../../tree/index.ts";
import { writeZeroes } from "../gpt/index.ts";
import { encodeChains, isFixedRoot, type Placed, placeItems, usedClusters } from "./allocate.ts";
import { encodeReservedSectors, type VolumeIdentity } from "./boot-sector.ts";
import { collectItems } from "./collect.ts";
import { encodeDirectory } from "./directory.ts";
import type { FatGeometry } from "./geometry.ts";
import { FORMAT } from "./layout.ts";
import { planVolume, type VolumeOptions, type WritableGeometry } from "./plan-volume.ts";

export interface FatOptions extends VolumeOptions {
  /** 32 bits, from the caller, who derives it from the content. */
  readonly volumeId: number;
  /** At most 11 of A-Z, 0-9, space, "-" and "_". Default: none. */
  readonly label?: string | undefined;
  /** Where the volume's partition starts on its disk: whole sectors; default 0. */
  readonly partitionOffset?: number | undefined;
}

/** A volume that is laid out but not yet written. */
export interface FatPlan {
  readonly type: 16 | 32;
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly freeBytes: number;
  /** Writes the volume from first to last byte; file contents are read in pieces while it goes. */
  emit(sink: ByteSink): void;
}

/**
 * Lays out a volume with `tree` in it: FAT32, or FAT16 where it is too small for that. Every file is in one piece.
 * The result depends on nothing but the arguments. Owners, permissions (but for "nobody may write") and extended
 * attributes have no place in FAT and are left out; times outside of 1980 to 2107 become the nearest one inside.
 * @throws FormatError for what FAT cannot hold, naming the path, and when the volume is too small.
 */
export function planFat(tree: Tree, options: FatOptions): FatPlan {
  const geometry = planVolume(options);
  const identity = identityOf(options, geometry);
  const placed = placeItems(collectItems(tree), geometry, identity.label !== undefined);
  return {
    type: geometry.type,
    sizeBytes: options.sizeBytes,
    clusterBytes: geometry.clusterBytes,
    freeBytes: (geometry.clusterCount - usedClusters(placed)) * geometry.clusterBytes,
    emit: (sink) => emit(sink, geometry, identity, placed),
  };
}

/** The whole volume in memory: for tests. */
export function encodeFat(tree: Tree, options: FatOptions): Uint8Array {
  const sink = new MemorySink();
  planFat(tree, options).emit(sink);
  return sink.bytes();
}

const LABEL = /^[A-Z0-9_-](?:[A-Z0-9 _-]{0,9}[A-Z0-9_-])?$/;

function identityOf(
  { volumeId, label, partitionOffset = 0 }: FatOptions,
  { sectorBytes }: FatGeometry,
): VolumeIdentity {
  if (label !== undefined && !LABEL.test(label)) {
    throw new FormatError(
      `Cannot label a volume ${JSON.stringify(label)}: expected at most 11 of A-Z, 0-9, space, "-" and "_"`,
      { format: FORMAT },
    );
  }
  return { volumeId, label, hiddenSectors: partitionOffset / sectorBytes };
}

function emit(sink: ByteSink, geometry: WritableGeometry, identity: VolumeIdentity, placed: readonly Placed[]): void {
  const { clusterBytes, fatCount, fatSectors, sectorBytes } = geometry;
  const used = usedClusters(placed);
  sink.write(encodeReservedSectors(geometry, identity, used));
  const chains = encodeChains(placed, geometry);
  for (let copy = 0; copy < fatCount; copy++) {
    sink.write(chains);
    writeZeroes(sink, fatSectors * sectorBytes - chains.length);
  }
  const firstClusters = new Map(placed.map(({ item, firstCluster }) => [item, firstCluster]));
  const context = { label: identity.label, firstClusterOf: (item: Placed["item"]) => firstClusters.get(item) ?? 0 };
  for (const { item, clusters, sizeBytes } of placed) {
    if ("entries" in item) sink.write(encodeDirectory(item, context));
    else for (const chunk of chunksOf(item.node.content)) sink.write(chunk);
    const room = isFixedRoot(item, geometry) ? geometry.dataOffset - geometry.rootOffset : clusters * clusterBytes;
    writeZeroes(sink, room - sizeBytes);
  }
  writeZeroes(sink, geometry.sectorCount * sectorBytes - geometry.dataOffset - used * clusterBytes);
}
