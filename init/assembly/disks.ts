import { DirectoryReader, exists } from "./files";
import { PartitionTable } from "./gpt";
import * as kernel from "./kernel";
import { forgetDevices, loadNextDriver } from "./steps/coldplug";
import { PATH_MAX, Text, Writer, path } from "./text";
import { waitForUevent } from "./uevents";

/** Not every change is announced (a disk that becomes ready between two events): look again at least this often. */
const LONGEST_WAIT_MS: i32 = 500;
const NANOSECONDS_IN_MS: i64 = 1_000_000;

const blockDevices = new DirectoryReader();
const table = new PartitionTable();
const scratch = new Writer(PATH_MAX);
const seen = new Writer(400);
let disk: i32 = -1;

/** Begins to go through the disks that the kernel shows. */
export function beginDisks(): void {
  seen.reset();
  endDisks();
  if (blockDevices.open(kernel.AT_FDCWD, path("/sys/class/block")) < 0) seen.literal("none");
}

/** Goes to the next disk that has a partition table: that table, or null at the end. */
export function nextDisk(): PartitionTable | null {
  closeDisk();
  while (blockDevices.descriptor >= 0 && blockDevices.next()) {
    scratch.reset().literal("/sys/class/block/").bytes(blockDevices.name, blockDevices.nameLength).literal("/partition");
    if (exists(scratch.path())) continue;
    scratch.reset().literal("/dev/").bytes(blockDevices.name, blockDevices.nameLength);
    disk = kernel.openat(kernel.AT_FDCWD, scratch.path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
    if (disk < 0) continue; // an empty drive, or a disk that is just being made
    if (seen.length > 0) seen.literal(", ");
    seen.bytes(blockDevices.name, blockDevices.nameLength);
    if (table.open(disk)) return table;
    seen.literal(" (no GPT)");
    closeDisk();
  }
  if (seen.length == 0) seen.literal("none");
  return null;
}

/** Ends going through the disks before the last one. */
export function endDisks(): void {
  closeDisk();
  if (blockDevices.descriptor >= 0) blockDevices.close();
}

function closeDisk(): void {
  if (disk >= 0) kernel.close(disk);
  disk = -1;
}

/** Whether the kernel shows the partition that the table is at; its node is then in `node`. */
export function findNode(node: Writer): bool {
  const length = blockDevices.nameLength;
  node.reset().literal("/dev/").bytes(blockDevices.name, length);
  // The kernel's rule (block/genhd.c): a "p" keeps the number apart from a digit before it, as in nvme0n1p2.
  if (isDigit(load<u8>(blockDevices.name + length - 1))) node.byte(0x70);
  node.number(table.number);
  if (exists(node.path())) return true;
  // Either the kernel has not come to it yet, or it does not believe the table: a disk that was cut off.
  seen.literal(" (its table has it, but the kernel does not show it)");
  return false;
}

/** The devices that were gone through, for a report. */
export function disksSeen(): Text {
  if (seen.length == 0) seen.literal("none");
  return seen.toText();
}

/** The same, to add to. */
export function seenDevices(): Writer {
  return seen;
}

/** Looks once at every disk for the partition with this GUID; true leaves its node in `node`. */
export function findPartition(guid: usize, node: Writer): bool {
  beginDisks();
  for (let table = nextDisk(); table !== null; table = nextDisk()) {
    while (table.next()) {
      if (!table.hasGuid(guid)) continue;
      if (findNode(node)) {
        endDisks();
        return true;
      }
      break;
    }
  }
  return false;
}

/** Brings more devices: loads the next driver, or waits until something changes. False when `deadline` has passed. */
export function moreDevices(deadline: i64): bool {
  if (loadNextDriver()) return true;
  const leftMs = (deadline - kernel.clock()) / NANOSECONDS_IN_MS;
  if (leftMs <= 0) return false;
  waitForUevent(<i32>min<i64>(leftMs, LONGEST_WAIT_MS));
  forgetDevices();
  return true;
}

/** The moment when a wait of so many milliseconds that begins now is over. */
export function deadlineAfter(milliseconds: i32): i64 {
  return kernel.clock() + <i64>milliseconds * NANOSECONDS_IN_MS;
}

@inline
function isDigit(byte: u8): bool {
  return byte >= 0x30 && byte <= 0x39;
}
