import { fatClusterAt, fatClusterBytes, fatClusterStart, lastOfFatRun, nextFatCluster, openFat } from "./fat-chain";
import * as kernel from "./kernel";
import { because, problem } from "./report";
import { Text } from "./text";

// <linux/fiemap.h>
const FS_IOC_FIEMAP: u32 = 0xc020660b;
const FIEMAP_START: usize = 0;
const FIEMAP_LENGTH: usize = 8;
const FIEMAP_MAPPED: usize = 20;
const FIEMAP_COUNT: usize = 24;
const FIEMAP_HEADER: i32 = 32;
const FIEMAP_EXTENT: i32 = 56;
const EXTENT_LOGICAL: usize = 0;
const EXTENT_PHYSICAL: usize = 8;
const EXTENT_LENGTH: usize = 16;
const EXTENT_FLAGS: usize = 40;
/** UNKNOWN, DELALLOC, ENCODED, DATA_ENCRYPTED, NOT_ALIGNED, DATA_INLINE, DATA_TAIL, UNWRITTEN: the disk has other bytes. */
const UNUSABLE: u32 = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800;

// <linux/fs.h>, for file systems (FAT) that have nothing better
const FIBMAP: u32 = 1;
const FIGETBSZ: u32 = 2;

/** As many as the table of a mapped device has room for (device-mapper.ts). */
const MOST_EXTENTS: i32 = 384;
const BUFFER_SIZE: i32 = FIEMAP_HEADER + MOST_EXTENTS * FIEMAP_EXTENT;

const buffer = memory.data(21536);
const number = memory.data(8);
const starts = new StaticArray<i64>(MOST_EXTENTS);
const lengths = new StaticArray<i64>(MOST_EXTENTS);
let count = 0;

/** How many pieces `readExtents` found. */
export function extentCount(): i32 {
  return count;
}

/** Where the piece stands on the device. Bytes. */
export function extentStart(index: i32): i64 {
  return unchecked(starts[index]);
}

export function extentLength(index: i32): i64 {
  return unchecked(lengths[index]);
}

/**
 * Finds out where on its device `size` bytes at `offset` of an opened file stand; says why not where that cannot be told.
 * @param device the opened device
 */
export function readExtents(file: i32, device: i32, name: Text, offset: i64, size: i64): bool {
  count = 0;
  memory.fill(buffer, 0, FIEMAP_HEADER);
  store<i64>(buffer, offset, FIEMAP_START);
  store<i64>(buffer, size, FIEMAP_LENGTH);
  store<i32>(buffer, MOST_EXTENTS, FIEMAP_COUNT);
  const result = kernel.ioctl(file, FS_IOC_FIEMAP, buffer, BUFFER_SIZE);
  if (result == -kernel.EOPNOTSUPP || result == -kernel.ENOTTY) return readClusters(file, device, name, offset, size);
  if (result < 0) return because(problem("cannot tell where ").text(name).literal(" stands on its device"), result);
  let at = offset;
  const mapped = load<i32>(buffer, FIEMAP_MAPPED);
  for (let i = 0; i < mapped && at < offset + size; i++) {
    const extent = buffer + FIEMAP_HEADER + i * FIEMAP_EXTENT;
    const logical = load<i64>(extent, EXTENT_LOGICAL);
    if (logical > at || (load<u32>(extent, EXTENT_FLAGS) & UNUSABLE) != 0) return refuse(name, at);
    const skipped = at - logical;
    const length = min<i64>(load<i64>(extent, EXTENT_LENGTH) - skipped, offset + size - at);
    if (length > 0 && !add(name, load<i64>(extent, EXTENT_PHYSICAL) + skipped, length)) return false;
    at += max<i64>(length, 0);
  }
  if (at == offset + size) return true;
  return mapped == MOST_EXTENTS ? tooMany(name) : refuse(name, at);
}

/** Of FAT the kernel says where a file begins; the rest stands in the table of clusters. */
function readClusters(file: i32, device: i32, name: Text, offset: i64, size: i64): bool {
  let result = kernel.ioctl(file, FIGETBSZ, number, 8);
  const blockSize = <i64>load<i32>(number);
  store<i32>(number, 0);
  if (result >= 0) result = kernel.ioctl(file, FIBMAP, number, 8);
  if (result < 0) return because(problem("cannot tell where ").text(name).literal(" stands on its device"), result);
  if (!openFat(device)) return refuse(name, 0);
  const clusterBytes = fatClusterBytes();
  const end = offset + size;
  let cluster = fatClusterAt(<i64>load<u32>(number) * blockSize);
  for (let at: i64 = 0; at < end; ) {
    if (cluster < 2) return refuse(name, at);
    const last = lastOfFatRun(cluster, (end - at - 1) / clusterBytes);
    const from = max(at, offset);
    const behind = at + (last - cluster + 1) * clusterBytes;
    if (behind > from && !add(name, fatClusterStart(cluster) + from - at, min(behind, end) - from)) return false;
    at = behind;
    cluster = nextFatCluster(last);
  }
  return true;
}

/** Adds a piece, to the last one where it follows that. */
function add(name: Text, start: i64, length: i64): bool {
  if (count > 0 && unchecked(starts[count - 1] + lengths[count - 1]) == start) {
    unchecked((lengths[count - 1] += length));
    return true;
  }
  if (count == MOST_EXTENTS) return tooMany(name);
  unchecked((starts[count] = start));
  unchecked((lengths[count] = length));
  count++;
  return true;
}

function tooMany(name: Text): bool {
  problem("").text(name).literal(" is in more than ").number(MOST_EXTENTS).literal(" pieces");
  return false;
}

function refuse(name: Text, at: i64): bool {
  problem("").text(name).literal(" does not stand on its device as it is, from byte ").number(at).literal(" on");
  return false;
}
