import { FileInode, type FileSystem, generated, SymlinkInode } from "./inodes.ts";
import type { Uevents } from "./uevents.ts";

/** Something on a bus that a driver can make use of. */
export interface BusDevice {
  readonly bus: string;
  readonly name: string;
  /** Without one: a device that no driver can be found for this way. */
  readonly modalias?: string;
}

export interface Driver {
  /** Which devices it drives: a pattern for their modalias. */
  readonly drives: RegExp;
  /** What happens when it gets hold of one: a disk appears, or another bus. */
  probe(device: BusDevice): void;
}

/** The devices on all buses and the drivers for them, which find each other in whatever order they come. */
export class Buses {
  readonly #sysfs: FileSystem;
  readonly #uevents: Uevents;
  readonly #unbound = new Set<BusDevice>();
  readonly #drivers: Driver[] = [];

  constructor(sysfs: FileSystem, uevents: Uevents) {
    this.#sysfs = sysfs;
    this.#uevents = uevents;
  }

  addDevice(device: BusDevice): void {
    const { bus, name, modalias } = device;
    const folder = `devices/${bus}0/${name}`;
    this.#sysfs.root.directory(folder);
    if (modalias !== undefined) {
      const file = new FileInode(
        this.#sysfs,
        0o444,
        generated(() => `${modalias}\n`),
      );
      this.#sysfs.root.put(`${folder}/modalias`, file);
    }
    this.#sysfs.root.put(`bus/${bus}/devices/${name}`, new SymlinkInode(this.#sysfs, `../../../${folder}`));
    this.#unbound.add(device);
    this.#uevents.send({ action: "add", path: `/${folder}`, subsystem: bus });
    for (const driver of this.#drivers) this.#match(driver, device);
  }

  removeDevice(bus: string, name: string): void {
    this.#sysfs.root.directory(`bus/${bus}/devices`).entries.delete(name);
    for (const device of this.#unbound) if (device.bus === bus && device.name === name) this.#unbound.delete(device);
    this.#uevents.send({ action: "remove", path: `/devices/${bus}0/${name}`, subsystem: bus });
  }

  addDriver(driver: Driver): void {
    this.#drivers.push(driver);
    for (const device of [...this.#unbound]) this.#match(driver, device);
  }

  #match(driver: Driver, device: BusDevice): void {
    if (device.modalias === undefined || !driver.drives.test(device.modalias) || !this.#unbound.delete(device)) return;
    driver.probe(device);
  }
}
