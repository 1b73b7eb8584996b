import { type ByteSource, FormatError, MemorySource } from "../../../src/bytes/index.ts";
import { type Gpt, partitionSource, readGpt } from "../../../src/formats/gpt/index.ts";
import type { SimulatedClock } from "./clock.ts";
import { KernelFault } from "./errno.ts";
import { FileInode, type FileSystem, generated, SpecialInode, SymlinkInode } from "./inodes.ts";
import { type DeviceNumber, FIRST_DISK_MAJOR, MINORS_A_DISK } from "./layout.ts";
import type { Uevents } from "./uevents.ts";

/** A disk of the simulated machine. */
export interface Disk {
  /** As the kernel names it: "vda", "nvme0n1". */
  readonly name: string;
  readonly content: Uint8Array | ByteSource;
  /** How long the kernel takes until the partitions have their nodes. */
  readonly partitionsAfterMs?: number;
  /** An empty drive: it can be seen, but not opened. */
  readonly hasNoMedium?: boolean;
}

/** linux/pagemap.h: VM_READAHEAD_PAGES. */
const DEFAULT_READ_AHEAD_KIB = 128;

/** A block device that has been announced. */
export class BlockDevice {
  readonly name: string;
  readonly number: DeviceNumber;
  readonly content: ByteSource;
  readonly #hasNoMedium: boolean;
  readonly #onLastClose: () => void;
  openers = 0;
  /** /sys/block/NAME/bdi/read_ahead_kb */
  readAheadKib = DEFAULT_READ_AHEAD_KIB;

  constructor(
    name: string,
    number: DeviceNumber,
    content: ByteSource,
    more: { hasNoMedium?: boolean; onLastClose?: () => void } = {},
  ) {
    this.name = name;
    this.number = number;
    this.content = content;
    this.#hasNoMedium = more.hasNoMedium ?? false;
    this.#onLastClose = more.onLastClose ?? (() => undefined);
  }

  open(): void {
    if (this.#hasNoMedium) throw new KernelFault("ENXIO");
    this.openers++;
  }

  close(): void {
    if (--this.openers === 0) this.#onLastClose();
  }
}

/** All block devices, with their nodes in devtmpfs and their folders in sysfs. */
export class BlockDevices {
  readonly #clock: SimulatedClock;
  readonly #devtmpfs: FileSystem;
  readonly #sysfs: FileSystem;
  readonly #uevents: Uevents;
  readonly #devices = new Map<string, BlockDevice>();
  #disks = 0;

  constructor(parts: { clock: SimulatedClock; devtmpfs: FileSystem; sysfs: FileSystem; uevents: Uevents }) {
    this.#clock = parts.clock;
    this.#devtmpfs = parts.devtmpfs;
    this.#sysfs = parts.sysfs;
    this.#uevents = parts.uevents;
  }

  /** @throws KernelFault ENXIO when no device has this number. */
  get(number: DeviceNumber): BlockDevice {
    const device = this.#devices.get(keyOf(number));
    if (device === undefined) throw new KernelFault("ENXIO");
    return device;
  }

  /** Makes a disk appear, and a little later its partitions. */
  addDisk(disk: Disk): void {
    const major = FIRST_DISK_MAJOR;
    const firstMinor = this.#disks++ * MINORS_A_DISK;
    const content = disk.content instanceof Uint8Array ? new MemorySource(disk.content) : disk.content;
    const folder = `devices/simulated/block/${disk.name}`;
    const { hasNoMedium = false } = disk;
    this.add(new BlockDevice(disk.name, { major, minor: firstMinor }, content, { hasNoMedium }), folder);
    if (hasNoMedium) return;
    this.#clock.schedule(disk.partitionsAfterMs ?? 0, () => {
      for (const partition of partitionsOf(disk.content, content)) {
        const separator = /\d$/.test(disk.name) ? "p" : "";
        const name = `${disk.name}${separator}${partition.number}`;
        const number = { major, minor: firstMinor + partition.number };
        const { root } = this.#sysfs;
        root.put(
          `${folder}/${name}/partition`,
          new FileInode(
            this.#sysfs,
            0o444,
            generated(() => `${partition.number}\n`),
          ),
        );
        this.add(new BlockDevice(name, number, partitionSource(content, partition)), `${folder}/${name}`);
      }
    });
  }

  /** `folder`: the device's place in sysfs. */
  add(device: BlockDevice, folder = `devices/virtual/block/${device.name}`): void {
    const { major, minor } = device.number;
    this.#devices.set(keyOf(device.number), device);
    const { root } = this.#sysfs;
    root.put(
      `${folder}/dev`,
      new FileInode(
        this.#sysfs,
        0o444,
        generated(() => `${major}:${minor}\n`),
      ),
    );
    const readAhead = generated(
      () => `${device.readAheadKib}\n`,
      (text) => {
        if (!/^\d+\n?$/.test(text)) throw new KernelFault("EINVAL");
        device.readAheadKib = Number(text);
      },
    );
    root.put(`${folder}/bdi/read_ahead_kb`, new FileInode(this.#sysfs, 0o644, readAhead));
    root.put(`block/${device.name}`, new SymlinkInode(this.#sysfs, `../${folder}`));
    root.put(`class/block/${device.name}`, new SymlinkInode(this.#sysfs, `../../${folder}`));
    this.#devtmpfs.root.put(device.name, new SpecialInode(this.#devtmpfs, "block-device", 0o600, device.number));
    this.#uevents.send({ action: "add", path: `/${folder}`, subsystem: "block" });
  }

  remove(device: BlockDevice): void {
    this.#devices.delete(keyOf(device.number));
    this.#sysfs.root.directory("class/block").entries.delete(device.name);
    this.#devtmpfs.root.entries.delete(device.name);
    this.#uevents.send({ action: "remove", path: `/devices/virtual/block/${device.name}`, subsystem: "block" });
  }
}

function keyOf({ major, minor }: DeviceNumber): string {
  return `${major}:${minor}`;
}

const known = new WeakMap<Disk["content"], Gpt["partitions"]>();

/**
 * What the kernel finds: nothing on a disk without a table, or with one that is damaged or cut off. Found once for each
 * disk: tests start hundreds of machines with the same one, and never change its bytes.
 */
function partitionsOf(disk: Disk["content"], content: ByteSource): Gpt["partitions"] {
  const partitions = known.get(disk) ?? readPartitions(content);
  known.set(disk, partitions);
  return partitions;
}

function readPartitions(content: ByteSource): Gpt["partitions"] {
  try {
    return readGpt(content).partitions;
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}
