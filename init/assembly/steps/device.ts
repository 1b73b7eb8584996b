import { addDevice } from "../devices";
import { BY_NODE, BY_PARTITION, DeviceKey } from "../device-key";
import { beginDisks, deadlineAfter, disksSeen, endDisks, findNode, moreDevices, nextDisk, seenDevices } from "../disks";
import { DirectoryReader, exists } from "../files";
import { holdsWhatIsWanted } from "../holding";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { outcome, problem } from "../report";
import { Superblock } from "../superblocks";
import { PATH_MAX, path, Text, Writer } from "../text";
import { listenForUevents } from "../uevents";
import { modulesLoaded } from "./modules";

export const DEFAULT_TIMEOUT_MS: i32 = 10_000;

const key = new DeviceKey();
const node = new Writer(PATH_MAX);
const devices = new DirectoryReader();
const superblock = new Superblock();

/**
 * `device NAME KEY=VALUE [holds=FILE,... type=TYPE [options=…]] [timeout=Ns]`: loads drivers until the device is there,
 * waits for it when none is left to load, and gives it a name.
 */
export function deviceStep(step: Step): bool {
  const name = step.word(1);
  if (!key.read(step)) {
    problem("the plan names no device, or not as it must: partuuid=, parttype=, partlabel=, uuid=, label= or node=");
    return false;
  }
  const timeoutMs = step.milliseconds("timeout", DEFAULT_TIMEOUT_MS);
  const deadline = deadlineAfter(timeoutMs);
  const modulesBefore = modulesLoaded();
  listenForUevents();
  while (!find(step)) {
    if (moreDevices(deadline)) continue;
    const report = key.describe(problem("no "));
    const files = step.option("holds");
    if (files !== null) report.literal(" that holds ").text(files);
    report.literal(" after ").number(timeoutMs / 1000).literal(" s; disks seen: ").text(disksSeen());
    return false;
  }
  const device = addDevice(name, node.toText());
  outcome().text(name).literal(" is ").text(device.node);
  const loaded = modulesLoaded() - modulesBefore;
  if (loaded > 0) outcome().literal(", ").number(loaded).literal(" modules loaded");
  return true;
}

/** Looks once at everything that there is; true leaves the device's node in `node`. */
function find(step: Step): bool {
  if (key.kind == BY_PARTITION) return findPartition(step);
  return key.kind == BY_NODE ? findByName(step) : findFileSystem(step);
}

function findPartition(step: Step): bool {
  beginDisks();
  for (let table = nextDisk(); table !== null; table = nextDisk()) {
    while (table.next()) {
      if (!key.isPartition(table) || !findNode(node) || !holdsWhatIsWanted(step, node)) continue;
      endDisks();
      return true;
    }
  }
  return false;
}

function findByName(step: Step): bool {
  seenDevices().reset();
  return exists(node.reset().literal("/dev/").text(key.value).path()) && holdsWhatIsWanted(step, node);
}

/** A file system may be on a partition or on a whole disk. */
function findFileSystem(step: Step): bool {
  const seen = seenDevices().reset();
  if (devices.open(kernel.AT_FDCWD, path("/sys/class/block")) < 0) return false;
  while (devices.next()) {
    node.reset().literal("/dev/").bytes(devices.name, devices.nameLength);
    const device = kernel.openat(kernel.AT_FDCWD, node.path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
    if (device < 0) continue; // an empty drive, or a disk that is just being made
    superblock.read(device);
    kernel.close(device);
    if (seen.length > 0) seen.literal(", ");
    seen.bytes(devices.name, devices.nameLength);
    if (!key.isSuperblock(superblock) || !holdsWhatIsWanted(step, node)) continue;
    devices.close();
    return true;
  }
  return false;
}
