import { addDevice } from "../devices";
import { DirectoryReader, exists } from "../files";
import { parseGuid, partitionByGuid } from "../gpt";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { outcome, problem } from "../report";
import { PATH_MAX, Writer, path } from "../text";
import { listenForUevents, waitForUevent } from "../uevents";
import { forgetDevices, loadNextDriver } from "./coldplug";
import { modulesLoaded } from "./modules";

const DEFAULT_TIMEOUT_MS: i32 = 10_000;

/** Not every change is announced (a disk that becomes ready between two events): look again at least this often. */
const LONGEST_WAIT_MS: i32 = 500;

const NANOSECONDS_IN_MS: i64 = 1_000_000;

const blockDevices = new DirectoryReader();
const guid = memory.data(16);
const node = new Writer(PATH_MAX);
const scratch = new Writer(PATH_MAX);
const seen = new Writer(400);

/**
 * `device NAME partuuid=UUID timeout=Ns`: loads drivers until the partition is there, waits for it when none is left to
 * load, and gives it a name.
 */
export function deviceStep(step: Step): bool {
  const name = step.word(1);
  const uuid = step.option("partuuid");
  if (uuid === null || !parseGuid(uuid, guid)) {
    problem("the plan names no valid partuuid=");
    return false;
  }
  const timeoutMs = step.milliseconds("timeout", DEFAULT_TIMEOUT_MS);
  const deadline = kernel.clock() + <i64>timeoutMs * NANOSECONDS_IN_MS;
  const modulesBefore = modulesLoaded();
  listenForUevents();
  while (!findPartition()) {
    if (loadNextDriver()) continue;
    const leftMs = (deadline - kernel.clock()) / NANOSECONDS_IN_MS;
    if (leftMs <= 0) {
      const report = problem("no partition with PARTUUID ").text(uuid).literal(" after ").number(timeoutMs / 1000);
      report.literal(" s; disks seen: ").text(seen.toText());
      return false;
    }
    waitForUevent(<i32>min<i64>(leftMs, LONGEST_WAIT_MS));
    forgetDevices();
  }
  const device = addDevice(name, node.toText());
  outcome().text(name).literal(" is ").text(device.node);
  const loaded = modulesLoaded() - modulesBefore;
  if (loaded > 0) outcome().literal(", ").number(loaded).literal(" modules loaded");
  return true;
}

/** Looks once at every disk; true leaves the partition's node in `node`. */
function findPartition(): bool {
  seen.reset();
  if (blockDevices.open(kernel.AT_FDCWD, path("/sys/class/block")) < 0) return false;
  while (blockDevices.next()) {
    const name = blockDevices.name;
    const length = blockDevices.nameLength;
    scratch.reset().literal("/sys/class/block/").bytes(name, length).literal("/partition");
    if (exists(scratch.path())) continue;
    const number = partitionOnDisk(name, length);
    if (number <= 0) continue;
    node.reset().literal("/dev/").bytes(name, length);
    // The kernel's rule (block/genhd.c): a "p" keeps the number apart from a digit before it, as in nvme0n1p2.
    if (isDigit(load<u8>(name + length - 1))) node.byte(0x70);
    node.number(number);
    if (exists(node.path())) {
      blockDevices.close();
      return true;
    }
    // Either the kernel has not come to it yet, or it does not believe the table: a disk that was cut off.
    seen.literal(" (its table has it, but the kernel does not show it)");
  }
  if (seen.length == 0) seen.literal("none");
  return false;
}

/** The number of the wanted partition on this disk, or less than 1; notes the disk for the report. */
function partitionOnDisk(name: usize, length: i32): i32 {
  scratch.reset().literal("/dev/").bytes(name, length);
  const disk = kernel.openat(kernel.AT_FDCWD, scratch.path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (disk < 0) return -1; // an empty drive, or a disk that is just being made
  const number = partitionByGuid(disk, guid);
  kernel.close(disk);
  if (seen.length > 0) seen.literal(", ");
  seen.bytes(name, length);
  if (number < 0) seen.literal(" (no GPT)");
  return number;
}

@inline
function isDigit(byte: u8): bool {
  return byte >= 0x30 && byte <= 0x39;
}
