import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getuid } from "node:process";
import { afterAll, expect, type TestContext, test } from "vitest";
import type { KernelFlavour } from "../support/fixtures.ts";
import { requireTool } from "../support/tools.ts";
import { type AssembledRoot, type Assembly, assembledRoots, passphrase } from "../support/vm-assembled-root.ts";
import { type BootType, bootDisk, bootFiles, configOnBoot, WRITES_TO_BOOT } from "../support/vm-boot-partition.ts";
import { imageDisk } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { section } from "../support/vm-probe.ts";
import { bootToReport } from "../support/vm-story.ts";

/** What takes an initrd's time and has nothing to do with this root. */
const QUICKLY = "rd.multipath=0 rd.iscsi=0 plymouth.enable=0 fsck.mode=skip";

const TIMEOUT_SECONDS = 300;

const SECTIONS = {
  release: "bb cat /etc/os-release",
  root: "bb grep ' / ' /proc/mounts",
  arrays: "bb cat /proc/mdstat",
  volumes: "for i in /sys/block/dm-*; do bb cat $i/dm/uuid; done",
  boot: WRITES_TO_BOOT,
};

interface System {
  readonly initrd: "dracut" | "initramfs-tools";
  readonly kernel: KernelFlavour;
  readonly root: Assembly;
  /** What the image's file is on; without it, the image is on partitions of its own. */
  readonly boot?: BootType;
}

const systems: readonly System[] = [
  { initrd: "dracut", kernel: "6.12-amd64", root: "LUKS on LVM on RAID 1" },
  { initrd: "initramfs-tools", kernel: "6.12-amd64", root: "LUKS on LVM on RAID 1" },
  { initrd: "dracut", kernel: "6.12-amd64", root: "LVM", boot: "btrfs" },
  { initrd: "initramfs-tools", kernel: "6.1-amd64", root: "LVM", boot: "ext4" },
  { initrd: "dracut", kernel: "6.1-amd64", root: "RAID 1", boot: "vfat" },
  { initrd: "initramfs-tools", kernel: "6.12-amd64", root: "RAID 1", boot: "xfs" },
];

/** What the root is on, in the words of the kernel. */
const EXPECTED: Readonly<Record<Assembly, { device: RegExp; arrays: RegExp; volumes: readonly string[] }>> = {
  LVM: { device: /^\/dev\/mapper\/system-root$/, arrays: /^(?!.*active)/, volumes: ["LVM"] },
  "RAID 1": { device: /^\/dev\/md\w+$/, arrays: /raid1 vd[bc]\[\d\] vd[bc]\[\d\].*\[UU\]/, volumes: [] },
  "LUKS on LVM on RAID 1": {
    device: /^\/dev\/mapper\/luks-root$/,
    arrays: /raid1 vd[bc]\[\d\] vd[bc]\[\d\].*\[UU\]/,
    volumes: ["CRYPT-LUKS2", "LVM"],
  },
};

const folder = mkdtempSync(join(tmpdir(), "lazyrd-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

let roots: Promise<Readonly<Record<Assembly, AssembledRoot>>> | undefined;

function allRoots(context: TestContext): NonNullable<typeof roots> {
  if (getuid?.() !== 0) context.skip("cryptsetup's locks need root");
  const tools = { mke2fs: requireTool(context, "mke2fs"), cryptsetup: requireTool(context, "cryptsetup") };
  roots ??= assembledRoots(folder, generation({ initrd: "dracut", kernel: "6.12-amd64" }), tools, SECTIONS);
  return roots;
}

for (const { initrd, kernel, root, boot } of systems) {
  const place = boot === undefined ? "partitions" : `a boot partition of ${boot}`;
  test(`${initrd} on ${kernel}, from ${place}, goes on to a root on ${root}`, async (context) => {
    const { disks, commandLine } = (await allRoots(context))[root];
    const built = generation({ initrd, kernel, config: boot === undefined ? "" : configOnBoot(boot) });
    const image = boot === undefined ? imageDisk(built) : bootDisk(context, boot, bootFiles(built));
    const report = await bootToReport(built, {
      append: passphrase(),
      disks: [image, ...disks],
      commandLine: `${commandLine[initrd]} ${QUICKLY}`,
      // Without "erms": emulated, a kernel that clears pages byte by byte can stand still for minutes.
      cpuModel: "max,-erms,-fsrm",
      timeoutSeconds: TIMEOUT_SECONDS,
    });
    expect(section(report, "release")).toEqual(["ID=lazyrd-test"]);
    const [device = "", , type] = section(report, "root").at(-1)?.split(" ") ?? [];
    expect(type).toBe("ext4");
    expect(device).toMatch(EXPECTED[root].device);
    expect(section(report, "arrays").join(" ")).toMatch(EXPECTED[root].arrays);
    const volumes = section(report, "volumes").flatMap((uuid) => /^(LVM|CRYPT-LUKS2)-/.exec(uuid)?.[1] ?? []);
    expect(volumes.sort()).toEqual(EXPECTED[root].volumes);
    if (boot !== undefined) expect(section(report, "boot")).toEqual(expect.arrayContaining(["lazyrd", "written"]));
  });
}
