import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { toText } from "../../src/bytes/index.ts";
import { directory, regularFile, Tree } from "../../src/tree/index.ts";
import type { Disk } from "../../src/vm/index.ts";
import { tempFolder } from "./temp.ts";
import { run } from "./tools.ts";
import { probeScript, type Sections } from "./vm-probe.ts";
import { addBusybox } from "./vm-programs.ts";

export const ROOT_LABEL = "lazyrd-root";
/** What takes an initrd's time, or outlives it, and has nothing to do with how it was started. */
const QUICKLY = "rd.luks=0 rd.lvm=0 rd.md=0 rd.dm=0 rd.multipath=0 plymouth.enable=0 fsck.mode=skip";
/** The kernel's command line that takes an initrd to `realRootDisk`. */
export const TO_REAL_ROOT = `root=LABEL=${ROOT_LABEL} rootfstype=ext4 ro init=/sbin/init ${QUICKLY}`;
const ROOT_SIZE = "24M";

/** systemd and run-init bring the kernel's file systems along, but not every one of them all of these. */
const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc 2>/dev/null
/bin/busybox mount -t sysfs sysfs /sys 2>/dev/null
/bin/busybox mount -t devtmpfs devtmpfs /dev 2>/dev/null
`;

/** A disk with the smallest system there is on ext4, whose init reports and powers off. */
export function realRootDisk(mke2fs: string, sections: Sections): Disk {
  const tree = new Tree();
  addBusybox(tree);
  // systemd puts the old root at /mnt for a moment, to take it down; where there is no /mnt it leaves it below the new one.
  for (const name of ["dev", "mnt", "proc", "root", "run", "sys", "tmp"]) tree.set(name, directory());
  const init = `${INIT}${probeScript(sections, "/bin/busybox")}bb echo o > /proc/sysrq-trigger\nbb sleep 60\n`;
  tree.setWithParents("sbin/init", regularFile(Buffer.from(init), { permissions: 0o755 }));
  // Without this file systemd does not take a folder for a system to switch to.
  tree.setWithParents("etc/os-release", regularFile(Buffer.from("ID=lazyrd-test\n")));
  const folder = tempFolder();
  const path = join(folder, "root.raw");
  writeFolder(tree, join(folder, "tree"));
  run(mke2fs, ["-q", "-t", "ext4", "-L", ROOT_LABEL, "-d", join(folder, "tree"), path, ROOT_SIZE]);
  return { path, bus: "virtio-blk", readOnly: false };
}

function writeFolder(tree: Tree, folder: string): void {
  for (const { path, node } of tree.walk()) {
    const place = join(folder, toText(path));
    if (node.kind === "directory") mkdirSync(place, { recursive: true });
    else if (node.kind === "file") {
      mkdirSync(dirname(place), { recursive: true });
      writeFileSync(place, node.content.read(0, node.content.size), { mode: node.permissions });
    }
  }
}
