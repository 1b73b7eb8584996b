import { addTarget, beginTable, createDevice, loadTable, openDeviceMapper, resumeDevice } from "../device-mapper";
import { addDevice, Device, findDevice } from "../devices";
import { extentCount, extentLength, extentStart, readExtents } from "../extents";
import * as kernel from "../kernel";
import { attachLoop, LARGEST_BLOCK } from "../loop-device";
import { noteMapped } from "../mapped-devices";
import { Step } from "../plan";
import { because, currentProblem, outcome, problem } from "../report";
import { PATH_MAX, Text, Writer } from "../text";
import { isLargeEnough } from "./loop";

const SECTOR_SIZE: i32 = 512;

const file = new Writer(PATH_MAX);
const node = new Writer(PATH_MAX);
const parameters = new Writer(64);
const uuid = new Writer(64);

/**
 * `map NAME FILE device=DEVICE offset=BYTES size=BYTES`: a part of a file as a block device that reads the file's blocks
 * from DEVICE itself. The file system that tells where they are is then not needed any more: it can be unmounted, and
 * the next stage can mount it as it likes. A file of which that cannot be told (one with holes) is read as `loop` does,
 * and says so.
 */
export function mapStep(step: Step): bool {
  const name = step.word(1);
  const place = step.word(2);
  const deviceName = step.option("device");
  let device: Device | null = null;
  if (deviceName !== null) device = findDevice(deviceName);
  const offset = step.bytes("offset", -1);
  const size = step.bytes("size", -1);
  if (place.length == 0 || device === null || offset < 0 || size <= 0) {
    problem("the plan's line lacks an option, or names a device that no step before it found");
    return false;
  }
  const descriptor = kernel.openat(kernel.AT_FDCWD, file.reset().text(place).path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (descriptor < 0) return because(problem("cannot open ").text(place), descriptor);
  outcome().text(name).literal(" is ");
  const attached = isLargeEnough(descriptor, place, offset, size) && attach(descriptor, step, device, offset, size);
  kernel.close(descriptor);
  if (attached) addDevice(name, node.toText());
  return attached;
}

function attach(descriptor: i32, step: Step, device: Device, offset: i64, size: i64): bool {
  const place = step.word(2);
  const opened = kernel.openat(kernel.AT_FDCWD, node.reset().text(device.node).path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (opened < 0) return because(problem("cannot open ").text(device.node), opened);
  const found = readExtents(descriptor, opened, place, offset, size);
  const attached = found ? showPieces(step.word(1), opened) : attachLoop(descriptor, offset, size, LARGEST_BLOCK, node);
  kernel.close(opened);
  if (!attached) return false;
  outcome().text(node.toText()).literal(", ").text(place);
  if (found) outcome().literal(" in ").number(extentCount()).literal(extentCount() == 1 ? " piece" : " pieces");
  else outcome().literal(", which keeps its file system in use: ").text(currentProblem());
  return true;
}

/**
 * A loop device over the part of the device that holds all pieces, and over that, where there are several, a mapped one
 * that puts them into their order. A mapped device would claim the device itself for its own, so that nobody could mount
 * it; a loop device does not. (It begins behind the superblock: nobody takes it for the file system.)
 */
function showPieces(name: Text, opened: i32): bool {
  let start = extentStart(0);
  let end: i64 = 0;
  let all: i64 = 0;
  for (let i = 0; i < extentCount(); i++) {
    start = min(start, extentStart(i));
    end = max(end, extentStart(i) + extentLength(i));
    all |= extentStart(i) | extentLength(i);
  }
  // Pieces of smaller clusters do not lie at whole blocks of a device with large ones.
  const blockSize = (all & (LARGEST_BLOCK - 1)) == 0 ? LARGEST_BLOCK : SECTOR_SIZE;
  const attached = attachLoop(opened, start, end - start, blockSize, node);
  return attached && (extentCount() == 1 || joinPieces(name, start));
}

/** Over the loop device in `node`, which begins at `start`; leaves the new device there. */
function joinPieces(name: Text, start: i64): bool {
  let result = openDeviceMapper();
  if (result < 0) return because(problem("cannot open the device mapper"), result);
  const minor = createDevice(name, uuid.reset().literal("LAZYRD-").text(name).toText());
  if (minor < 0) return because(problem("cannot make the device ").text(name), minor);
  noteMapped(name);
  beginTable();
  for (let i = 0; i < extentCount(); i++) {
    parameters.reset().text(node.toText()).literal(" ").number((extentStart(i) - start) / SECTOR_SIZE);
    addTarget("linear", extentLength(i), parameters);
  }
  result = loadTable(name);
  if (result >= 0) result = resumeDevice(name);
  if (result < 0) return because(problem("the kernel refused the table of ").text(name), result);
  node.reset().literal("/dev/dm-").number(minor);
  return true;
}
