import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/bytes/index.ts";
import { readDiskDevices, readNetworkDevices } from "../../src/host/index.ts";
import { tempFolder } from "../support/temp.ts";

/** A sysfs with these disks (name: folder below devices), or devices of another class, and modaliases by folder. */
function sysfs(
  disks: Readonly<Record<string, string>>,
  modaliases: Readonly<Record<string, string>>,
  className = "block",
): string {
  const root = tempFolder();
  const classFolder = join(root, "class", className);
  mkdirSync(classFolder, { recursive: true });
  for (const [name, folder] of Object.entries(disks)) {
    const device = join(root, "devices", folder);
    mkdirSync(device, { recursive: true });
    symlinkSync(relative(classFolder, device), join(classFolder, name));
  }
  for (const [folder, modalias] of Object.entries(modaliases)) {
    const file = join(root, "devices", folder, "modalias");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${modalias}\n`);
  }
  return root;
}

const SATA = "pci0000:00/0000:00:1f.2";
const TARGET = `${SATA}/ata1/host0/target0:0:0/0:0:0:0`;

describe("the devices that disks are reached through", () => {
  test("are all those on the way that have a modalias, the outermost first", () => {
    const root = sysfs(
      { sda: `${TARGET}/block/sda`, sda1: `${TARGET}/block/sda/sda1` },
      { [SATA]: "pci:v1", [TARGET]: "scsi:t-0x00" },
    );
    expect(readDiskDevices(root)).toEqual([
      { modalias: "pci:v1", device: join(root, "devices", SATA) },
      { modalias: "scsi:t-0x00", device: join(root, "devices", TARGET) },
    ]);
  });

  test("are named once, however many disks hang on them, by the order of the disks' names", () => {
    const other = `${SATA}/ata2/host1/target1:0:0/1:0:0:0`;
    const virtio = "pci0000:00/0000:00:03.0/virtio0";
    const root = sysfs(
      { vda: `${virtio}/block/vda`, sdb: `${other}/block/sdb`, sda: `${TARGET}/block/sda` },
      {
        [SATA]: "pci:v1",
        [TARGET]: "scsi:t-0x00",
        [other]: "scsi:t-0x00",
        [virtio]: "virtio:d2",
        "pci0000:00/0000:00:03.0": "pci:v2",
      },
    );
    expect(readDiskDevices(root).map(({ modalias }) => modalias)).toEqual([
      "pci:v1",
      "scsi:t-0x00",
      "scsi:t-0x00",
      "pci:v2",
      "virtio:d2",
    ]);
  });

  test("cannot be told where only virtual disks are, and where there are none", () => {
    const virtual = sysfs({ loop0: "virtual/block/loop0", "dm-0": "virtual/block/dm-0" }, {});
    for (const root of [virtual, tempFolder()]) {
      expect(() => readDiskDevices(root)).toThrow(UsageError);
      expect(() => readDiskDevices(root)).toThrow(/it shows no disk with a driver/);
    }
  });
});

describe("the devices that the network is reached through", () => {
  test("are those of wired interfaces", () => {
    const [card, wireless] = ["pci0000:00/0000:00:04.0", "pci0000:00/0000:00:05.0"];
    const root = sysfs(
      { eth0: `${card}/net/eth0`, wlan0: `${wireless}/net/wlan0`, lo: "virtual/net/lo" },
      { [card]: "pci:v3", [wireless]: "pci:v4" },
      "net",
    );
    mkdirSync(join(root, "devices", wireless, "net", "wlan0", "phy80211"));
    expect(readNetworkDevices(root)).toEqual([{ modalias: "pci:v3", device: join(root, "devices", card) }]);
    expect(() => readNetworkDevices(tempFolder())).toThrow(/network needs: it shows no wired interface with a driver/);
  });
});
