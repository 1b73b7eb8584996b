import { createDevice, loadTable, openDeviceMapper, removeDevice, resumeDevice } from "../device-mapper";
import { addDevice, Device, findDevice } from "../devices";
import { writeFile } from "../files";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { PATH_MAX, Text, Writer } from "../text";
import { Made, noteMade } from "../undo";
import { firstBlockMatches, VERITY_BLOCK_SIZE } from "../verity-path";

const TABLE_CAPACITY: i32 = 2048;

/** BLKGETSIZE64 of <linux/fs.h>: a device's size in bytes as u64. */
const BLKGETSIZE64: u32 = 0x80081272;

const opened: Text[] = [];
const table = new Writer(TABLE_CAPACITY);
const node = new Writer(PATH_MAX);
const uuid = new Writer(128);
const size = memory.data(8);

/**
 * `verity NAME data=DEVICE hash=DEVICE data-blocks=N root-hash=HEX salt=HEX hash-start=N on-corruption=ACTION`:
 * opens the image through dm-verity, with sha256 and blocks of 4096 bytes. `read-ahead=KIB` sets how much the kernel
 * reads around what is asked for.
 */
export function verityStep(step: Step): bool {
  const name = step.word(1);
  const data = deviceOption(step, "data");
  const hash = deviceOption(step, "hash");
  const rootHash = step.option("root-hash");
  const salt = step.option("salt");
  const blocks = numberOption(step, "data-blocks");
  const hashStart = numberOption(step, "hash-start");
  if (data === null || hash === null || rootHash === null || salt === null || blocks <= 0 || hashStart < 0) {
    problem("the plan's line lacks an option, or names a device that no step before it found");
    return false;
  }
  if (!isTheImage(data, hash, hashStart, blocks, rootHash, salt)) return false;

  table.reset().literal("1 ").text(data.node).literal(" ").text(hash.node).literal(" 4096 4096 ").number(blocks);
  table.literal(" ").number(hashStart).literal(" sha256 ").text(rootHash).literal(" ");
  if (salt.length == 0) table.literal("-");
  else table.text(salt);
  table.literal(reactionOf(step));

  let result = openDeviceMapper();
  if (result < 0) return because(problem("cannot open the device mapper"), result);
  const minor = createDevice(name, uuidOf(rootHash, name).toText());
  if (minor < 0) return because(problem("cannot make the device ").text(name), minor);
  opened.push(name);
  noteMade(new MadeVerityDevice(name));
  result = loadTable(name, "verity", table, blocks * VERITY_BLOCK_SIZE);
  if (result >= 0) result = resumeDevice(name);
  if (result < 0) return because(problem("the kernel refused the verity table: ").text(table.toText()), result);

  setReadAhead(step, minor);
  const device = addDevice(name, node.reset().literal("/dev/dm-").number(minor).toText());
  outcome().text(name).literal(" is ").text(device.node).literal(", root hash ").text(rootHash);
  return true;
}

/** Every byte that is read is also hashed, so reading much more than is used costs time. A kernel that refuses goes on. */
function setReadAhead(step: Step, minor: i32): void {
  const kibibytes = step.option("read-ahead");
  if (kibibytes === null) return;
  table.reset().text(kibibytes);
  writeFile(node.reset().literal("/sys/block/dm-").number(minor).literal("/bdi/read_ahead_kb").path(), table, 0);
}

@final
class MadeVerityDevice extends Made {
  override takeBack(): i32 {
    opened.pop(); // what was made last is taken back first
    return removeDevice(this.what);
  }
}

/**
 * Has the kernel take down the verity devices when the last file system on them is unmounted, so that nothing of
 * the first stage holds the image's disk once the boot has left the image.
 */
export function releaseVerityDevices(): void {
  for (let i = 0; i < opened.length; i++) removeDevice(opened[i]);
}

/** Whether the devices hold, as far as can be told before the kernel reads it, the image that the plan means. */
function isTheImage(data: Device, hash: Device, hashStart: i64, blocks: i64, rootHash: Text, salt: Text): bool {
  const dataFile = openDevice(data);
  if (dataFile < 0) return false;
  const hashFile = openDevice(hash);
  let matches = false;
  if (hashFile >= 0) {
    matches =
      largeEnough(data, dataFile, blocks * VERITY_BLOCK_SIZE) &&
      firstBlockMatches(dataFile, hashFile, hashStart, blocks, rootHash, salt);
    kernel.close(hashFile);
  }
  kernel.close(dataFile);
  return matches;
}

function openDevice(device: Device): i32 {
  const file = kernel.openat(kernel.AT_FDCWD, node.reset().text(device.node).path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (file < 0) because(problem("cannot open ").text(device.node), file);
  return file;
}

function largeEnough(device: Device, file: i32, wanted: i64): bool {
  const result = kernel.ioctl(file, BLKGETSIZE64, size, 8);
  if (result < 0) return because(problem("cannot tell the size of ").text(device.node), result);
  if (load<i64>(size) >= wanted) return true;
  const description = problem("the image is cut off: ").text(device.node).literal(" has ").number(load<i64>(size));
  description.literal(" bytes instead of ").number(wanted);
  return false;
}

/** The verity option for the plan's `on-corruption=`. Without one the kernel only fails the read ("error"). */
function reactionOf(step: Step): string {
  const action = step.option("on-corruption");
  if (action !== null && action.equals("error")) return "";
  if (action !== null && action.equals("reboot")) return " 1 restart_on_corruption";
  return " 1 panic_on_corruption";
}

/** As libcryptsetup names verity devices, so that systemd and dmsetup know what this is: CRYPT-VERITY-uuid-name. */
function uuidOf(rootHash: Text, name: Text): Writer {
  const shortHash = rootHash.slice(0, min(rootHash.length, 32));
  return uuid.reset().literal("CRYPT-VERITY-").text(shortHash).literal("-").text(name);
}

function deviceOption(step: Step, key: string): Device | null {
  const name = step.option(key);
  return name === null ? null : findDevice(name);
}

function numberOption(step: Step, key: string): i64 {
  const value = step.option(key);
  return value === null ? -1 : value.toNumber();
}
