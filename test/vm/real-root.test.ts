import { expect, test } from "vitest";
import type { KernelFlavour } from "../support/fixtures.ts";
import { requireTool } from "../support/tools.ts";
import { BOOT_UUID, bootDisk, bootFiles } from "../support/vm-boot-partition.ts";
import { imageDisk } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { section } from "../support/vm-probe.ts";
import { realRootDisk, TO_REAL_ROOT } from "../support/vm-real-root.ts";
import { bootToReport } from "../support/vm-story.ts";

const SECTIONS = {
  mounts: "bb cat /proc/mounts",
  // The kernel takes a device down in the background once its last user has gone.
  settle: "for i in 1 2 3 4 5; do [ -e /sys/block/dm-0 ] || break; bb sleep 1; done",
  block: "bb ls -1 /sys/block",
  root: "bb ls -A -1 /",
  release: "bb cat /etc/os-release",
  timeline: "bb cat /run/lazyrd/timeline.json",
  // As the real system mounts its boot partition, where there is one.
  boot: "bb mount -t ext4 -o rw /dev/vda1 /mnt && bb touch /mnt/written && bb ls -A -1 /mnt && bb umount /mnt",
};

/** The image as a file on an ext4 boot partition. */
const ON_BOOT = `layout = "boot"\n[location]\ndevice = "UUID=${BOOT_UUID}"\nfile-system = "ext4"\n`;

interface System {
  readonly initrd: "dracut" | "initramfs-tools";
  readonly kernel: KernelFlavour;
  readonly layout: "partition" | "boot";
}

const systems: readonly System[] = [
  { initrd: "dracut", kernel: "6.12-amd64", layout: "partition" },
  { initrd: "dracut", kernel: "6.12-amd64", layout: "boot" },
  { initrd: "initramfs-tools", kernel: "6.12-amd64", layout: "boot" },
  { initrd: "initramfs-tools", kernel: "6.1-amd64", layout: "partition" },
];

for (const { initrd, kernel, layout } of systems) {
  test(`${initrd} on ${kernel}, from layout ${layout}, goes on to the real root`, async (context) => {
    const built = generation({ initrd, kernel, config: layout === "boot" ? ON_BOOT : "" });
    const image = layout === "boot" ? bootDisk(context, "ext4", bootFiles(built)) : imageDisk(built);
    const root = realRootDisk(requireTool(context, "mke2fs"), SECTIONS);
    const report = await bootToReport(built, { disks: [image, root], commandLine: TO_REAL_ROOT });
    expect(section(report, "release")).toEqual(["ID=lazyrd-test"]);
    const mounts = section(report, "mounts").map((line) => line.split(" "));
    expect(mounts.findLast(([, target]) => target === "/")?.[2]).toBe("ext4");
    // Nothing of the first stage or of the image is in sight.
    expect(
      mounts.filter(([, target, type]) => /lazyrd/.test(target ?? "") || /erofs|overlay/.test(type ?? "")),
    ).toEqual([]);
    if (layout === "boot") expect(section(report, "boot")).toEqual(expect.arrayContaining(["lazyrd", "written"]));
    // systemd leaves its old root for good, so that the kernel closes the image; run-init only covers it.
    if (initrd === "dracut") expect(section(report, "block")).not.toContain("dm-0");
    if (initrd === "dracut") expect(JSON.parse(section(report, "timeline").join("\n"))).toMatchObject({ version: 1 });
  });
}
