import * as kernel from "./kernel";

// Microsoft's FAT specification: the boot sector
const SECTOR_SIZE: usize = 11;
const CLUSTER_SECTORS: usize = 13;
const RESERVED: usize = 14;
const FAT_COUNT: usize = 16;
const ROOT_ENTRIES: usize = 17;
const SECTORS_16: usize = 19;
const FAT_SIZE_16: usize = 22;
const SECTORS_32: usize = 32;
const FAT_SIZE_32: usize = 36;
const ENTRY_SIZE: i64 = 32;
/** Fewer clusters are FAT12, whose entries are not whole bytes, and in which no image has room. */
const LEAST_CLUSTERS_16: i64 = 4085;
const LEAST_CLUSTERS_32: i64 = 65525;
const ENTRY_32_MASK: u32 = 0x0fffffff;

const WINDOW: i32 = 4096;

const boot = memory.data(512);
const window = memory.data(WINDOW);
let device: i32 = -1;
let windowStart: i64 = -1;
let tableStart: i64 = 0;
let dataStart: i64 = 0;
let clusterBytes: i64 = 0;
let clusters: i64 = 0;
let entryBytes: i64 = 0;

/** Reads the boot sector of an opened FAT volume; false when it is none that an image can be on. */
export function openFat(opened: i32): bool {
  device = opened;
  windowStart = -1;
  if (kernel.pread(device, boot, 512, 0) != 512) return false;
  const sector = <i64>load<u16>(boot, SECTOR_SIZE);
  clusterBytes = sector * load<u8>(boot, CLUSTER_SECTORS);
  if (clusterBytes == 0) return false;
  const short = <i64>load<u16>(boot, FAT_SIZE_16);
  const fatSize = short != 0 ? short : <i64>load<u32>(boot, FAT_SIZE_32);
  const all = load<u16>(boot, SECTORS_16);
  const sectors = all != 0 ? <i64>all : <i64>load<u32>(boot, SECTORS_32);
  tableStart = sector * load<u16>(boot, RESERVED);
  const root = (<i64>load<u16>(boot, ROOT_ENTRIES) * ENTRY_SIZE + sector - 1) / sector;
  dataStart = tableStart + sector * (fatSize * load<u8>(boot, FAT_COUNT) + root);
  clusters = (sectors * sector - dataStart) / clusterBytes;
  entryBytes = short != 0 && clusters < LEAST_CLUSTERS_32 ? 2 : 4;
  return clusters >= LEAST_CLUSTERS_16;
}

export function fatClusterBytes(): i64 {
  return clusterBytes;
}

export function fatClusterStart(cluster: i64): i64 {
  return dataStart + (cluster - 2) * clusterBytes;
}

export function fatClusterAt(byte: i64): i64 {
  return (byte - dataStart) / clusterBytes + 2;
}

/** The cluster that follows; below 2 at the end, and where the table cannot be read. */
export function nextFatCluster(cluster: i64): i64 {
  const at = tableStart + cluster * entryBytes;
  const start = at - (at % WINDOW);
  if (start != windowStart) {
    windowStart = -1;
    if (kernel.pread(device, window, WINDOW, start) != WINDOW) return 0;
    windowStart = start;
  }
  const entry = window + <usize>(at - start);
  const next = entryBytes == 2 ? <i64>load<u16>(entry) : <i64>(load<u32>(entry) & ENTRY_32_MASK);
  return next < clusters + 2 ? next : 0;
}

/** The last of the clusters from this one on that follow each other on the device, at most so many behind it. */
export function lastOfFatRun(cluster: i64, most: i64): i64 {
  const end = cluster + most;
  while (cluster < end && nextFatCluster(cluster) == cluster + 1) cluster = lastInWindow(cluster + 1, end);
  return cluster;
}

/**
 * The same for what stands in the window: a file of a gigabyte has a quarter of a million clusters, and this loop is all
 * that its boot has more to do.
 */
function lastInWindow(cluster: i64, end: i64): i64 {
  if (entryBytes != 4) return cluster;
  const last = min(min(end, clusters), (windowStart + WINDOW - tableStart) / 4);
  let entry = window + <usize>(tableStart + cluster * 4 - windowStart);
  while (cluster < last && <i64>(load<u32>(entry) & ENTRY_32_MASK) == cluster + 1) {
    cluster++;
    entry += 4;
  }
  return cluster;
}
