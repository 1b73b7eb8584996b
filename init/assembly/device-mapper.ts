import * as kernel from "./kernel";
import { Text, Writer, path } from "./text";

// <linux/dm-ioctl.h>: struct dm_ioctl
const DM_IOCTL_SIZE: i32 = 312;
const VERSION: usize = 0;
const DATA_SIZE: usize = 12;
const DATA_START: usize = 16;
const TARGET_COUNT: usize = 20;
const FLAGS: usize = 28;
const DEV: usize = 40;
const NAME: usize = 48;
const NAME_SIZE: i32 = 128;
const UUID: usize = 176;
const UUID_SIZE: i32 = 129;
// struct dm_target_spec
const TARGET_SPEC_SIZE: i32 = 40;
const TARGET_START: usize = 0;
const TARGET_LENGTH: usize = 8;
const TARGET_NEXT: usize = 20;
const TARGET_TYPE: usize = 24;

const DM_READONLY_FLAG: u32 = 1 << 0;
const DM_DEFERRED_REMOVE: u32 = 1 << 17;

const DM_DEV_CREATE: u32 = 0xc138fd03;
const DM_DEV_REMOVE: u32 = 0xc138fd04;
const DM_DEV_SUSPEND: u32 = 0xc138fd06;
const DM_TABLE_LOAD: u32 = 0xc138fd09;

const SECTOR_SIZE: i64 = 512;
/** Room for the table of a file in many pieces. */
const REQUEST_CAPACITY: i32 = 32 * 1024;
/** Of requests without a table. */
const SMALL_REQUEST: i32 = 512;

const request = memory.data(REQUEST_CAPACITY);
let control: i32 = -1;
/** Of the table that is being made: targets, and bytes up to its end. */
let targets: i32 = 0;
let tableEnd: i32 = 0;
let tableSectors: i64 = 0;
let overflowed: bool = false;

/** Opens the device mapper; 0 or -errno. */
export function openDeviceMapper(): i32 {
  if (control < 0) control = kernel.openat(kernel.AT_FDCWD, path("/dev/mapper/control"), kernel.O_RDWR | kernel.O_CLOEXEC, 0);
  return min(control, 0);
}

/** Makes a read-only device without a table; its minor number, or -errno. */
export function createDevice(name: Text, uuid: Text): i32 {
  begin(name, DM_READONLY_FLAG);
  copyText(uuid, UUID, UUID_SIZE);
  const result = send(DM_DEV_CREATE, SMALL_REQUEST);
  if (result < 0) return result;
  // A "huge" device number: the minor's low 8 bits, 12 bits of major, then the rest of the minor.
  const dev = load<u64>(request, DEV);
  return <i32>((dev & 0xff) | ((dev >> 12) & 0xfff00));
}

/** Begins the table of a device. */
export function beginTable(): void {
  targets = 0;
  tableEnd = DM_IOCTL_SIZE;
  tableSectors = 0;
  overflowed = false;
}

/** Adds a target that shows the next `sizeBytes` bytes of the device. */
export function addTarget(target: string, sizeBytes: i64, parameters: Writer): void {
  const size = TARGET_SPEC_SIZE + ((parameters.length + 8) & ~7);
  if (parameters.overflowed || tableEnd + size > REQUEST_CAPACITY) {
    overflowed = true;
    return;
  }
  const specification = request + tableEnd;
  memory.fill(specification, 0, size);
  store<i64>(specification, tableSectors, TARGET_START);
  store<i64>(specification, sizeBytes / SECTOR_SIZE, TARGET_LENGTH);
  for (let i = 0; i < target.length; i++) store<u8>(specification + i, <u8>target.charCodeAt(i), TARGET_TYPE);
  memory.copy(specification + TARGET_SPEC_SIZE, parameters.start, parameters.length);
  store<u32>(specification, size, TARGET_NEXT);
  tableSectors += sizeBytes / SECTOR_SIZE;
  tableEnd += size;
  targets++;
}

/** Gives the device the table that was made, waiting to be made active; 0 or -errno. */
export function loadTable(name: Text): i32 {
  if (overflowed) return -kernel.ENAMETOOLONG;
  begin(name, DM_READONLY_FLAG);
  store<u32>(request, targets, TARGET_COUNT);
  return send(DM_TABLE_LOAD, max(tableEnd, SMALL_REQUEST));
}

/** Makes the loaded table the active one; 0 or -errno. */
export function resumeDevice(name: Text): i32 {
  begin(name, 0);
  return send(DM_DEV_SUSPEND, SMALL_REQUEST);
}

/** Removes the device, or has the kernel do so when its last user has gone; 0 or -errno. */
export function removeDevice(name: Text): i32 {
  begin(name, DM_DEFERRED_REMOVE);
  return send(DM_DEV_REMOVE, SMALL_REQUEST);
}

function send(call: u32, size: i32): i32 {
  store<u32>(request, size, DATA_SIZE);
  return kernel.ioctl(control, call, request, size);
}

function begin(name: Text, flags: u32): void {
  memory.fill(request, 0, DM_IOCTL_SIZE);
  store<u32>(request, 4, VERSION); // the interface's major version; the kernel answers with its own
  store<u32>(request, DM_IOCTL_SIZE, DATA_START);
  store<u32>(request, flags, FLAGS);
  copyText(name, NAME, NAME_SIZE);
}

function copyText(text: Text, field: usize, size: i32): void {
  memory.copy(request + field, text.start, min(text.length, size - 1));
}
