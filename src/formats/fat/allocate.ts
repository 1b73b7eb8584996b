import { divideUp, FormatError } from "../../bytes/index.ts";
import { type CollectedItem, directoryEntryCount } from "./collect.ts";
import { fatBytes } from "./geometry.ts";
import { DirectoryEntry, ENTRY_VALUES, FIRST_CLUSTER, FORMAT, MEDIA_FIXED } from "./layout.ts";
import type { WritableGeometry } from "./plan-volume.ts";

/** Where an item's content stands: clusters in one piece. */
export interface Placed {
  readonly item: CollectedItem;
  /** 0 for what has no cluster: an empty file, and FAT16's root directory. */
  readonly firstCluster: number;
  readonly clusters: number;
  /** Without what fills the last cluster. */
  readonly sizeBytes: number;
}

/**
 * Gives every item its clusters, one behind the other, from the first one on.
 * @throws FormatError when they do not fit.
 */
export function placeItems(items: readonly CollectedItem[], geometry: WritableGeometry, hasLabel: boolean): Placed[] {
  const { clusterBytes, clusterCount } = geometry;
  let end = FIRST_CLUSTER;
  const placed = items.map((item): Placed => {
    const isDirectory = "entries" in item;
    const sizeBytes = isDirectory ? directoryEntryCount(item, hasLabel) * DirectoryEntry.size : item.node.content.size;
    if (isFixedRoot(item, geometry)) {
      checkFixedRoot(sizeBytes, geometry);
      return { item, firstCluster: 0, clusters: 0, sizeBytes };
    }
    // A directory has a cluster even when nothing is in it.
    const clusters = divideUp(isDirectory ? Math.max(sizeBytes, 1) : sizeBytes, clusterBytes);
    const firstCluster = clusters === 0 ? 0 : end;
    end += clusters;
    return { item, firstCluster, clusters, sizeBytes };
  });
  const used = end - FIRST_CLUSTER;
  if (used <= clusterCount) return placed;
  throw new FormatError(
    `Cannot write the tree: it takes ${used * clusterBytes} bytes, and the volume has room for ${clusterCount * clusterBytes}`,
    { format: FORMAT },
  );
}

/** Whether it has its place in front of the clusters. */
export function isFixedRoot(item: CollectedItem, { type }: WritableGeometry): boolean {
  return type !== 32 && "entries" in item && item.parent === undefined;
}

function checkFixedRoot(sizeBytes: number, { rootEntries }: WritableGeometry): void {
  const count = sizeBytes / DirectoryEntry.size;
  if (count <= rootEntries) return;
  throw new FormatError(
    `Cannot write /: its entries take ${count} places, and the root directory of FAT16 has ${rootEntries}`,
    { format: FORMAT },
  );
}

/** The start of a FAT: the two entries that stand for no cluster, and those of the clusters in use. */
export function encodeChains(placed: readonly Placed[], { type }: WritableGeometry): Uint8Array {
  const { mask } = ENTRY_VALUES[type];
  const used = usedClusters(placed);
  const entries = new Uint32Array(FIRST_CLUSTER + used);
  entries[0] = (mask & ~0xff) | MEDIA_FIXED;
  // Two of its bits say that the volume was unmounted cleanly and that no error was met.
  entries[1] = mask;
  for (const { firstCluster, clusters } of placed) {
    const last = firstCluster + clusters - 1;
    for (let cluster = firstCluster; cluster <= last; cluster++) entries[cluster] = cluster < last ? cluster + 1 : mask;
  }
  const bytes = new Uint8Array(fatBytes(type, used));
  const view = new DataView(bytes.buffer);
  const entryBytes = bytes.length / entries.length;
  const set = type === 32 ? view.setUint32 : view.setUint16;
  for (const [index, value] of entries.entries()) set.call(view, index * entryBytes, value, true);
  return bytes;
}

export function usedClusters(placed: readonly Placed[]): number {
  return placed.reduce((sum, { clusters }) => sum + clusters, 0);
}
