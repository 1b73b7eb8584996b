import { expect, test } from "vitest";
import type { KernelFlavour } from "../support/fixtures.ts";
import { requireTool } from "../support/tools.ts";
import { imageDisk } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { section } from "../support/vm-probe.ts";
import { ROOT_LABEL, realRootDisk } from "../support/vm-real-root.ts";
import { bootToReport } from "../support/vm-story.ts";

const SECTIONS = {
  mounts: "bb cat /proc/mounts",
  // The kernel takes a device down in the background once its last user has gone.
  settle: "for i in 1 2 3 4 5; do [ -e /sys/block/dm-0 ] || break; bb sleep 1; done",
  block: "bb ls -1 /sys/block",
  root: "bb ls -A -1 /",
  release: "bb cat /etc/os-release",
  timeline: "bb cat /run/lazyrd/timeline.json",
};

/** What takes an initrd's time and has nothing to do with how it was started. */
const QUICKLY = "rd.luks=0 rd.lvm=0 rd.md=0 rd.dm=0 rd.multipath=0 plymouth.enable=0 fsck.mode=skip";

const systems: readonly (readonly [initrd: "dracut" | "initramfs-tools", kernel: KernelFlavour])[] = [
  ["dracut", "6.12-amd64"],
  ["initramfs-tools", "6.12-amd64"],
  ["initramfs-tools", "6.1-amd64"],
];

for (const [initrd, kernel] of systems) {
  test(`${initrd} on ${kernel} goes on to the real root`, async (context) => {
    const built = generation({ initrd, kernel });
    const root = realRootDisk(requireTool(context, "mke2fs"), SECTIONS);
    const report = await bootToReport(built, {
      disks: [imageDisk(built), root],
      commandLine: `root=LABEL=${ROOT_LABEL} rootfstype=ext4 ro init=/sbin/init ${QUICKLY}`,
    });
    expect(section(report, "release")).toEqual(["ID=lazyrd-test"]);
    const mounts = section(report, "mounts").map((line) => line.split(" "));
    expect(mounts.findLast(([, target]) => target === "/")?.[2]).toBe("ext4");
    // Nothing of the first stage or of the image is in sight.
    expect(
      mounts.filter(([, target, type]) => /lazyrd/.test(target ?? "") || /erofs|overlay/.test(type ?? "")),
    ).toEqual([]);
    // systemd leaves its old root for good, so that the kernel closes the image; run-init only covers it.
    if (initrd === "dracut") expect(section(report, "block")).not.toContain("dm-0");
    if (initrd === "dracut") expect(JSON.parse(section(report, "timeline").join("\n"))).toMatchObject({ version: 1 });
  });
}
