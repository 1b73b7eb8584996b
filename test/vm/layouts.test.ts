import { describe, expect, test } from "vitest";
import { run } from "../support/tools.ts";
import {
  BOOT_PARTUUID,
  BOOT_TYPES,
  BOOT_UUID,
  type BootType,
  bootDisk,
  bootFiles,
  pathOnBoot,
} from "../support/vm-boot-partition.ts";
import { damagedImage, emptyDisk } from "../support/vm-disks.ts";
import { generation, PROGRAM } from "../support/vm-generations.ts";
import { probeFor, section, smallProbe, USUAL_SECTIONS } from "../support/vm-probe.ts";
import { bootToReport, QUICK_BOOT } from "../support/vm-story.ts";

/** Mounts the boot partition as a system does, writable, while the image is still in use. */
const asASystemDoes = (type: BootType) => ({
  ...USUAL_SECTIONS,
  writable: [
    "bb mkdir -p /tmp/boot",
    `bb mount -t ${type} -o ${WRITABLE[type]} /dev/vdb1 /tmp/boot`,
    "bb touch /tmp/boot/written",
    "bb ls -A -1 /tmp/boot",
    "bb umount /tmp/boot",
  ].join(" && "),
});

/** The small initrd has no modules: not Debian's default character set for VFAT either. */
const WRITABLE: Readonly<Record<BootType, string>> = {
  ext4: "rw",
  xfs: "rw",
  btrfs: "rw",
  vfat: "rw,iocharset=default",
};

const config = (layout: string, location: Readonly<Record<string, string | readonly string[]>> = {}): string => {
  const settings = Object.entries(location).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
  return `layout = "${layout}"\n[location]\n${settings.join("")}[boot]\ntimeout = 5\nfailure-delay = 1\n`;
};

const KEYS: Readonly<Record<BootType, string>> = {
  ext4: `UUID=${BOOT_UUID}`,
  xfs: "LABEL=LZBOOT",
  btrfs: "PARTLABEL=boot partition",
  vfat: `PARTUUID=${BOOT_PARTUUID}`,
};

describe("an image on a boot partition", () => {
  for (const type of BOOT_TYPES) {
    test(`of ${type} is found, and leaves the partition to the system`, async (context) => {
      const location = { device: KEYS[type], "file-system": type };
      const built = generation({ kernel: "6.12-amd64", initrd: "small", config: config("boot", location) });
      const disk = bootDisk(context, type, bootFiles(built));
      const disks = [emptyDisk("virtio-blk"), disk];
      const report = await bootToReport(built, { append: smallProbe(asASystemDoes(type)), disks });
      // A btrfs is read through its file system, which stays in use.
      if (type === "btrfs") expect(section(report, "writable").join("\n")).toMatch(/mount/);
      else expect(section(report, "writable")).toEqual(expect.arrayContaining(["lazyrd", "written"]));
      expect(section(report, "mounts").filter((line) => line.includes(" /lazyrd"))).toEqual([]);
    });
  }
});

describe("an image on the EFI system partition", () => {
  test("that is damaged is passed over for the previous one, and Debian's initrd starts from that", async (context) => {
    const other = `${config("esp")}[image]\ncluster-size = 16\n`;
    const previous = generation({ kernel: "6.12-amd64", initrd: "dracut", config: other });
    const own = config("esp", { previous: [previous.folder] });
    const built = generation({ kernel: "6.12-amd64", initrd: "dracut", config: own });
    const damaged = damagedImage(built, built.manifest.image.dataOffsetBytes + 1024);
    const files = { ...bootFiles(built, previous), ...Object.fromEntries([[pathOnBoot(built), damaged.path]]) };
    const disks = [emptyDisk("virtio-blk"), bootDisk(context, "vfat", files, "esp")];
    const sections = {
      ...USUAL_SECTIONS,
      writable:
        "bb mkdir /tmp/boot; bb mount -t vfat -o rw /dev/vdb1 /tmp/boot && bb touch /tmp/boot/written && echo written",
    };
    const report = await bootToReport(built, { append: probeFor("dracut", sections), disks });
    expect(section(report, "program")).toEqual(["/usr/lib/systemd/systemd"]);
    const log = section(report, "log").join("\n");
    expect(log).toMatch(
      /candidate new failed at plan line \d+ \(verity\): the image is not the one with the root hash/,
    );
    expect(log).toMatch(/candidate previous it is/);
    expect(section(report, "writable")).toEqual(["written"]);
  });
});

test.each(["esp", "boot"])("lazyrd boot makes a disk for layout %s by itself", async (layout) => {
  const location = layout === "boot" ? { device: "LABEL=LZBOOT", "file-system": "vfat" } : {};
  const built = generation({ kernel: "6.12-amd64", initrd: "small", config: config(layout, location) });
  const { stdout } = run(process.execPath, [
    ...[PROGRAM, "boot", built.folder, "--quiet", "--until", "lazyrd small initrd: init runs"],
    ...["--append", QUICK_BOOT],
  ]);
  expect(stdout).toMatch(/device .* place is \/dev\/vda1/);
  expect(stdout).toMatch(/map .* image is \/dev\/loop0/);
});

describe("an image in the initrd", () => {
  test.each(["", "root=/dev/none"])("starts Debian's own init, without a disk (%s)", async (commandLine) => {
    const built = generation({ kernel: "6.12-amd64", initrd: "dracut", config: config("memory") });
    const report = await bootToReport(built, { append: probeFor("dracut"), disks: [], commandLine });
    expect(section(report, "program")).toEqual(["/usr/lib/systemd/systemd"]);
    expect(section(report, "log").join("\n")).toMatch(/loop image is \/dev\/loop0, \/lazyrd\/image.raw/);
  });
});
