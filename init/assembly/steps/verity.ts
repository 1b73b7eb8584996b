import {
  createDevice,
  loadTable,
  openDeviceMapper,
  removeDevice,
  resumeDevice,
  targetStatus,
} from "../device-mapper";
import { addDevice, Device, findDevice } from "../devices";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, compose, INFO, problem, say } from "../report";
import { Text, Writer } from "../text";

const BLOCK_SIZE: i32 = 4096;
const TABLE_CAPACITY: i32 = 2048;
const STATUS_CORRUPTED: u8 = 0x43; // "C" (Documentation/admin-guide/device-mapper/verity.rst, "Status")

/** BLKGETSIZE64 of <linux/fs.h>: a device's size in bytes as u64. */
const BLKGETSIZE64: u32 = 0x80081272;

const opened: Text[] = [];
const table = new Writer(TABLE_CAPACITY);
const node = new Writer(64);
const uuid = new Writer(128);
const size = memory.data(8);
const block = memory.data(BLOCK_SIZE);

/**
 * `verity NAME data=DEVICE hash=DEVICE data-blocks=N root-hash=HEX salt=HEX on-corruption=ACTION`: opens the image.
 *
 * The table is loaded twice. The first one only refuses to read what does not match, so that a wrong image is
 * reported here, in words; the second one brings the plan's reaction for everything that is read later.
 */
export function verityStep(step: Step): bool {
  const name = step.word(1);
  const data = deviceOption(step, "data");
  const hash = deviceOption(step, "hash");
  const rootHash = step.option("root-hash");
  const blocks = numberOption(step, "data-blocks");
  if (data === null || hash === null || rootHash === null || blocks <= 0) {
    problem("the plan's line lacks data=, hash=, root-hash= or data-blocks=, or names a device that no step found");
    return false;
  }
  if (!largeEnough(data, blocks * BLOCK_SIZE)) return false;

  let result = openDeviceMapper();
  if (result < 0) return because(problem("cannot open the device mapper"), result);
  const minor = createDevice(name, uuidOf(rootHash, name).toText());
  if (minor < 0) return because(problem("cannot make the verity device"), minor);
  opened.push(name);
  node.reset().literal("/dev/dm-").number(minor);

  if (!activate(step, name, data, hash, rootHash, blocks, "")) return false;
  if (!firstBlockMatches(name, data, rootHash)) {
    removeDevice(name);
    return false;
  }
  const reaction = reactionOption(step);
  if (reaction.length > 0 && !activate(step, name, data, hash, rootHash, blocks, reaction)) return false;

  addDevice(name, node.toText());
  compose().literal("verity ").text(name).literal(" is ").text(node.toText()).literal(", root hash ").text(rootHash);
  say(INFO);
  return true;
}

/**
 * Has the kernel take down the verity devices when the last file system on them is unmounted, so that nothing of
 * the first stage holds the image's disk once the boot has left the image.
 */
export function releaseVerityDevices(): void {
  for (let i = 0; i < opened.length; i++) removeDevice(opened[i]);
}

function activate(step: Step, name: Text, data: Device, hash: Device, rootHash: Text, blocks: i64, reaction: string): bool {
  const algorithm = step.option("algorithm");
  const salt = step.option("salt");
  const hashStart = step.option("hash-start");
  table.reset().literal("1 ").text(data.node).literal(" ").text(hash.node).literal(" 4096 4096 ").number(blocks).literal(" ");
  if (hashStart === null) table.literal("1 ");
  else table.text(hashStart).literal(" ");
  if (algorithm === null) table.literal("sha256 ");
  else table.text(algorithm).literal(" ");
  table.text(rootHash).literal(" ");
  if (salt === null) table.literal("-");
  else table.text(salt);
  if (reaction.length > 0) table.literal(" 1 ").literal(reaction);
  let result = loadTable(name, "verity", table, blocks * BLOCK_SIZE);
  if (result >= 0) result = resumeDevice(name);
  if (result >= 0) return true;
  return because(problem("the kernel refused the verity table \"").text(table.toText()).literal("\""), result);
}

/** Reading block 0 checks the whole path from the root hash down to it. */
function firstBlockMatches(name: Text, data: Device, rootHash: Text): bool {
  const device = kernel.openat(kernel.AT_FDCWD, node.path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (device < 0) return because(problem("cannot open ").text(node.toText()), device);
  const got = kernel.pread(device, block, BLOCK_SIZE, 0);
  kernel.close(device);
  if (got == BLOCK_SIZE) return true;
  if (targetStatus(name) == STATUS_CORRUPTED) {
    problem("the image on ").text(data.node).literal(" does not match the root hash ").text(rootHash);
    return false;
  }
  return because(problem("cannot read the image on ").text(data.node), got < 0 ? got : -kernel.EIO);
}

function largeEnough(device: Device, wanted: i64): bool {
  node.reset().text(device.node);
  const descriptor = kernel.openat(kernel.AT_FDCWD, node.path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (descriptor < 0) return because(problem("cannot open ").text(device.node), descriptor);
  const result = kernel.ioctl(descriptor, BLKGETSIZE64, size, 8);
  kernel.close(descriptor);
  if (result < 0) return because(problem("cannot tell the size of ").text(device.node), result);
  if (load<i64>(size) >= wanted) return true;
  problem("").text(device.node).literal(" has ").number(load<i64>(size)).literal(" bytes, the image needs ").number(wanted);
  return false;
}

/** The device mapper's name for the plan's `on-corruption=`; the default of the kernel is to fail the read. */
function reactionOption(step: Step): string {
  const action = step.option("on-corruption");
  if (action !== null && action.equals("reboot")) return "restart_on_corruption";
  if (action !== null && action.equals("error")) return "";
  return "panic_on_corruption";
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
