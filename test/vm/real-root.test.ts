import { getuid } from "node:process";
import { expect, type TestContext, test } from "vitest";
import { Tree } from "../../src/tree/index.ts";
import type { KernelFlavour } from "../support/fixtures.ts";
import { requireTool } from "../support/tools.ts";
import { lockedRoot, TYPES_PASSPHRASE } from "../support/vm-assembled-root.ts";
import { type BootType, bootDisk, bootFiles, configOnBoot, WRITES_TO_BOOT } from "../support/vm-boot-partition.ts";
import { imageDisk } from "../support/vm-disks.ts";
import { leaveOutHooks } from "../support/vm-encrypted-root.ts";
import { generation } from "../support/vm-generations.ts";
import { section } from "../support/vm-probe.ts";
import { realRootDisk, TO_REAL_ROOT } from "../support/vm-real-root.ts";
import { bootToReport } from "../support/vm-story.ts";

/** Whether the image is open. */
const VERITY = "bb cat /sys/block/dm-*/dm/uuid 2>/dev/null | bb grep VERITY";

const SECTIONS = {
  mounts: "bb cat /proc/mounts",
  // The kernel takes a device down in the background once its last user has gone.
  settle: `for i in 1 2 3 4 5; do ${VERITY} || break; bb sleep 1; done`,
  verity: VERITY,
  release: "bb cat /etc/os-release",
  timeline: "bb cat /run/lazyrd/timeline.json",
  boot: WRITES_TO_BOOT,
};

/** What takes an initrd's time and has nothing to do with how it was started. */
const QUICKLY = "rd.multipath=0 rd.iscsi=0 plymouth.enable=0 fsck.mode=skip";

const ROOTS = {
  /** A partition of its own. */
  plain: (context: TestContext) => ({
    disks: [realRootDisk(requireTool(context, "mke2fs"), SECTIONS)],
    commandLine: { dracut: TO_REAL_ROOT, "initramfs-tools": TO_REAL_ROOT },
    answers: undefined,
  }),
  /** LUKS, whose passphrase somebody types at the serial console. */
  locked: (context: TestContext) => {
    if (getuid?.() !== 0) context.skip("cryptsetup's locks need root");
    const tools = { mke2fs: requireTool(context, "mke2fs"), cryptsetup: requireTool(context, "cryptsetup") };
    return { ...lockedRoot(tools, SECTIONS), answers: [TYPES_PASSPHRASE] };
  },
};

interface System {
  readonly initrd: "dracut" | "initramfs-tools";
  readonly kernel: KernelFlavour;
  /** What the image's file is on; without it, the image is on partitions of its own. */
  readonly boot?: BootType;
  readonly root: keyof typeof ROOTS;
}

const systems: readonly System[] = [
  { initrd: "dracut", kernel: "6.12-amd64", root: "plain" },
  { initrd: "initramfs-tools", kernel: "6.1-amd64", root: "plain" },
  { initrd: "dracut", kernel: "6.1-amd64", boot: "ext4", root: "locked" },
  { initrd: "initramfs-tools", kernel: "6.12-amd64", boot: "vfat", root: "locked" },
];

for (const { initrd, kernel, boot, root } of systems) {
  const place = boot === undefined ? "partitions" : `a boot partition of ${boot}`;
  test(`${initrd} on ${kernel}, from ${place}, goes on to a ${root} root`, async (context) => {
    const built = generation({ initrd, kernel, config: boot === undefined ? "" : configOnBoot(boot) });
    const image = boot === undefined ? imageDisk(built) : bootDisk(context, boot, bootFiles(built));
    const { disks, commandLine, answers } = ROOTS[root](context);
    const append = new Tree();
    if (initrd === "dracut" && root === "locked") leaveOutHooks(append);
    const report = await bootToReport(built, {
      append,
      disks: [image, ...disks],
      commandLine: `${commandLine[initrd]} ${QUICKLY}`,
      ...(answers === undefined ? {} : { answers }),
    });
    expect(section(report, "release")).toEqual(["ID=lazyrd-test"]);
    const mounts = section(report, "mounts").map((line) => line.split(" "));
    const [device, , type] = mounts.findLast(([, target]) => target === "/") ?? [];
    expect(type).toBe("ext4");
    expect(device).toMatch(root === "locked" ? /^\/dev\/mapper\/luks-root$/ : /^\/dev\/vdb$/);
    // Nothing of the first stage or of the image is in sight.
    expect(
      mounts.filter(([, target, type]) => /lazyrd/.test(target ?? "") || /erofs|overlay/.test(type ?? "")),
    ).toEqual([]);
    if (boot !== undefined) expect(section(report, "boot")).toEqual(expect.arrayContaining(["lazyrd", "written"]));
    // systemd leaves its old root for good, so that the kernel closes the image; run-init only covers it.
    expect(section(report, "verity")).toHaveLength(initrd === "dracut" ? 0 : 1);
    if (initrd === "dracut") expect(JSON.parse(section(report, "timeline").join("\n"))).toMatchObject({ version: 1 });
  });
}
