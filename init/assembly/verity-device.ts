import { addTarget, beginTable, createDevice, loadTable, openDeviceMapper, removeDevice, resumeDevice } from "./device-mapper";
import { noteChoice } from "./choices";
import { addDevice, Device } from "./devices";
import { writeFile } from "./files";
import * as kernel from "./kernel";
import { noteMapped } from "./mapped-devices";
import { Step } from "./plan";
import { because, outcome, problem } from "./report";
import { PATH_MAX, Text, Writer } from "./text";
import { firstBlockMatches, VERITY_BLOCK_SIZE } from "./verity-path";

const TABLE_CAPACITY: i32 = 2048;

/** BLKGETSIZE64 of <linux/fs.h>: a device's size in bytes as u64. */
const BLKGETSIZE64: u32 = 0x80081272;

const table = new Writer(TABLE_CAPACITY);
const node = new Writer(PATH_MAX);
const uuid = new Writer(128);
const size = memory.data(8);

/** An image and what it is to be checked against. */
@final
export class VerityImage {
  constructor(
    /** Of the device that it is to become. */
    readonly name: Text,
    /** Nodes of the devices with the data and the hashes; they may be the same. */
    readonly data: Text,
    readonly hash: Text,
    readonly blocks: i64,
    /** In hash blocks. */
    readonly hashStart: i64,
    /** Hexadecimal, like the salt, which may be empty. */
    readonly rootHash: Text,
    readonly salt: Text,
    /** The description of the key that holds the root hash's signature; empty when the plan knows the root hash. */
    readonly signatureKey: Text,
  ) {}
}

/**
 * Opens an image through dm-verity, with sha256 and blocks of 4096 bytes, after its first block was checked. The options
 * `on-corruption=` and `read-ahead=` of the step count. Null after a problem; nothing is left of the device then.
 */
export function openImage(image: VerityImage, step: Step): Device | null {
  if (!isTheImage(image)) return null;
  const name = image.name;
  let result = openDeviceMapper();
  if (result < 0) return refused(problem("cannot open the device mapper"), result);
  const minor = createDevice(name, uuidOf(image).toText());
  if (minor < 0) return refused(problem("cannot make the device ").text(name), minor);
  writeTable(image, step);
  beginTable();
  addTarget("verity", image.blocks * VERITY_BLOCK_SIZE, table);
  result = loadTable(name);
  if (result >= 0) result = resumeDevice(name);
  if (result < 0) {
    removeDevice(name);
    if (image.signatureKey.length == 0) return refused(problem("the kernel refused the verity table: ").text(table.toText()), result);
    return refused(problem("the kernel does not accept the signature of the root hash ").text(image.rootHash), result);
  }
  noteMapped(name);
  setReadAhead(step, minor);
  noteChoice(name, image.rootHash);
  const device = addDevice(name, node.reset().literal("/dev/dm-").number(minor).toText());
  outcome().text(name).literal(" is ").text(device.node).literal(", root hash ").text(image.rootHash);
  return device;
}

function refused(description: Writer, negatedErrno: i32): Device | null {
  because(description, negatedErrno);
  return null;
}

/** The target's parameters, in `table`. */
function writeTable(image: VerityImage, step: Step): void {
  table.reset().literal("1 ").text(image.data).literal(" ").text(image.hash).literal(" 4096 4096 ").number(image.blocks);
  table.literal(" ").number(image.hashStart).literal(" sha256 ").text(image.rootHash).literal(" ");
  if (image.salt.length == 0) table.literal("-");
  else table.text(image.salt);
  const reaction = reactionOf(step);
  const isSigned = image.signatureKey.length > 0;
  const words = (reaction.length > 0 ? 1 : 0) + (isSigned ? 2 : 0);
  if (words > 0) table.literal(" ").number(words).literal(reaction);
  if (isSigned) table.literal(" root_hash_sig_key_desc ").text(image.signatureKey);
}

/** The verity option for the plan's `on-corruption=`. Without one the kernel only fails the read ("error"). */
function reactionOf(step: Step): string {
  const action = step.option("on-corruption");
  if (action !== null && action.equals("error")) return "";
  if (action !== null && action.equals("reboot")) return " restart_on_corruption";
  return " panic_on_corruption";
}

/** Every byte that is read is also hashed, so reading much more than is used costs time. A kernel that refuses goes on. */
function setReadAhead(step: Step, minor: i32): void {
  const kibibytes = step.option("read-ahead");
  if (kibibytes === null) return;
  table.reset().text(kibibytes);
  writeFile(node.reset().literal("/sys/block/dm-").number(minor).literal("/bdi/read_ahead_kb").path(), table, 0);
}

/** Whether the devices hold, as far as can be told before the kernel reads it, the image that is meant. */
function isTheImage(image: VerityImage): bool {
  const dataFile = openNode(image.data);
  if (dataFile < 0) return false;
  const hashFile = openNode(image.hash);
  let matches = false;
  if (hashFile >= 0) {
    matches =
      isLargeEnough(image.data, dataFile, image.blocks * VERITY_BLOCK_SIZE) &&
      firstBlockMatches(dataFile, hashFile, image.hashStart, image.blocks, image.rootHash, image.salt);
    kernel.close(hashFile);
  }
  kernel.close(dataFile);
  return matches;
}

/** Opens a device to read it; below zero after a problem. */
export function openNode(path: Text): i32 {
  const file = kernel.openat(kernel.AT_FDCWD, node.reset().text(path).path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (file < 0) because(problem("cannot open ").text(path), file);
  return file;
}

function isLargeEnough(path: Text, file: i32, wanted: i64): bool {
  const result = kernel.ioctl(file, BLKGETSIZE64, size, 8);
  if (result < 0) return because(problem("cannot tell the size of ").text(path), result);
  if (load<i64>(size) >= wanted) return true;
  const description = problem("the image is cut off: ").text(path).literal(" has ").number(load<i64>(size));
  description.literal(" bytes instead of ").number(wanted);
  return false;
}

/** As libcryptsetup names verity devices, so that systemd and dmsetup know what this is: CRYPT-VERITY-uuid-name. */
function uuidOf(image: VerityImage): Writer {
  const shortHash = image.rootHash.slice(0, min(image.rootHash.length, 32));
  return uuid.reset().literal("CRYPT-VERITY-").text(shortHash).literal("-").text(image.name);
}
