import { getuid } from "node:process";
import { expect, test } from "vitest";
import { requireTool } from "../support/tools.ts";
import { assembledRoot, passphrase } from "../support/vm-assembled-root.ts";
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
};

test("the image's initrd puts a root together: RAID 1, LVM, LUKS with a passphrase", async (context) => {
  if (getuid?.() !== 0) context.skip("cryptsetup's locks need root");
  const tools = { mke2fs: requireTool(context, "mke2fs"), cryptsetup: requireTool(context, "cryptsetup") };
  const kernel = "6.12-amd64";
  const root = await assembledRoot(generation({ initrd: "dracut", kernel }), tools, SECTIONS);
  for (const initrd of ["dracut", "initramfs-tools"] as const) {
    const built = generation({ initrd, kernel });
    const report = await bootToReport(built, {
      append: passphrase(),
      disks: [imageDisk(built), ...root.disks],
      commandLine: `${root.commandLine[initrd]} ${QUICKLY}`,
      // Without "erms": emulated, a kernel that clears pages byte by byte can stand still for minutes.
      cpuModel: "max,-erms,-fsrm",
      timeoutSeconds: TIMEOUT_SECONDS,
    });
    expect(section(report, "release")).toEqual(["ID=lazyrd-test"]);
    expect(section(report, "root").at(-1)).toMatch(/^\/dev\/mapper\/luks-root \/ ext4 /);
    expect(section(report, "arrays").join("\n")).toMatch(/raid1 vd[bc]\[\d\] vd[bc]\[\d\][\s\S]*\[UU\]/);
    const volumes = section(report, "volumes").join("\n");
    expect(volumes).toMatch(/^LVM-/m);
    expect(volumes).toMatch(/^CRYPT-LUKS2-/m);
  }
});
