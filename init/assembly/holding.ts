import { seenDevices } from "./disks";
import { exists, makeDirectory } from "./files";
import * as kernel from "./kernel";
import { Step } from "./plan";
import { Superblock } from "./superblocks";
import { PATH_MAX, Text, Writer, path } from "./text";

const COMMA: u8 = 0x2c;

const type = new Writer(64);
const options = new Writer(PATH_MAX);
const file = new Writer(PATH_MAX);
const superblock = new Superblock();

/**
 * Whether the file system on a device has one of the files that the step's `holds=FILE,...` names; true where it names
 * none. Mounts it for the look, read-only. What is wrong with one that has none is noted for the report.
 */
export function holdsWhatIsWanted(step: Step, node: Writer): bool {
  const files = step.option("holds");
  const fileSystem = step.option("type");
  if (files === null || fileSystem === null) return true;
  const given = step.option("options");
  options.reset();
  if (given !== null) options.text(given);
  if (stretches(node)) return false;
  makeDirectory(path("/lazyrd/look"), 0o755);
  file.reset().literal("/lazyrd/look");
  const flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC;
  if (kernel.mount(node.path(), file.path(), type.reset().text(fileSystem).path(), flags, options.path()) < 0) {
    seenDevices().literal(" (").text(node.toText()).literal(" cannot be mounted as ").text(fileSystem).literal(")");
    return false;
  }
  const found = hasOneOf(files);
  kernel.umount2(path("/lazyrd/look"), kernel.MNT_DETACH);
  if (!found) seenDevices().literal(" (").text(node.toText()).literal(" does not hold it)");
  return found;
}

/** The kernel would want to be told of all devices of a btrfs first. */
function stretches(node: Writer): bool {
  const device = kernel.openat(kernel.AT_FDCWD, node.path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (device < 0) return false; // the mount says why
  superblock.read(device);
  kernel.close(device);
  if (superblock.devices <= 1) return false;
  seenDevices().literal(" (").text(node.toText()).literal(" is a btrfs over ").number(superblock.devices);
  seenDevices().literal(" devices, and only one on a single device can be used)");
  return true;
}

function hasOneOf(files: Text): bool {
  let start = 0;
  for (let i = 0; i <= files.length; i++) {
    if (i < files.length && files.at(i) != COMMA) continue;
    if (exists(file.reset().literal("/lazyrd/look").text(files.slice(start, i)).path())) return true;
    start = i + 1;
  }
  return false;
}
