import { closeSync, copyFileSync, ftruncateSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Generation } from "../../src/build/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import type { Disk } from "../../src/vm/index.ts";
import { tempFolder } from "./temp.ts";
import { imageDisk } from "./vm-disks.ts";
import { encryptDisk, leaveOutHooks } from "./vm-encrypted-root.ts";
import { probeFor, type Sections, section } from "./vm-probe.ts";
import { realRootDisk } from "./vm-real-root.ts";
import { bootToReport } from "./vm-story.ts";

const ARRAY = "6d5c4b3a:11224334:85567788:99aabbcc";
const LUKS = "1f2e3d4c-1122-4334-8556-778899aabbcc";
const PASSPHRASE = "correct horse";
const PASSPHRASE_FILE = "passphrase";
const ROOT = "root=/dev/mapper/luks-root rootfstype=ext4 ro init=/sbin/init";
const MEMBER_BYTES = 80 << 20;

/** A root that an initrd has to put together, from two disks. */
export interface AssembledRoot {
  readonly disks: readonly Disk[];
  /** What an initrd is told of it. */
  readonly commandLine: Readonly<Record<"dracut" | "initramfs-tools", string>>;
}

/** The tools that it takes, by their paths. */
export interface AssemblyTools {
  readonly mke2fs: string;
  readonly cryptsetup: string;
}

/**
 * The smallest system there is on ext4, on LUKS with a passphrase, on a logical volume (LVM), on an array of two mirrored disks
 * (md RAID 1). Put together by the programs of `built`, a generation of dracut's generic initrd, in a machine of its own.
 */
export async function assembledRoot(
  built: Generation,
  tools: AssemblyTools,
  sections: Sections,
): Promise<AssembledRoot> {
  const folder = tempFolder();
  const source = join(folder, "root.luks");
  const passphraseFile = join(folder, PASSPHRASE_FILE);
  writeFileSync(passphraseFile, PASSPHRASE);
  copyFileSync(realRootDisk(tools.mke2fs, sections).path, source);
  encryptDisk(tools.cryptsetup, source, { uuid: LUKS, passphraseFile });

  const members = ["first", "second"].map((name) => emptyMember(join(folder, name)));
  const report = await bootToReport(built, {
    append: probeFor("dracut", {
      assembled: `( ${ASSEMBLY.join(" && ")} ) > /assembly 2>&1 && bb echo yes || bb cat /assembly`,
    }),
    disks: [imageDisk(built), ...members, { path: source, bus: "virtio-blk", readOnly: true }],
  });
  const assembled = section(report, "assembled");
  if (assembled.join() !== "yes") throw new Error(`The root was not put together: ${assembled.join("\n")}`);
  return {
    disks: members,
    commandLine: {
      dracut: `${ROOT} rd.md.uuid=${ARRAY} rd.lvm.lv=lazyrd/root rd.luks.name=${LUKS}=luks-root`,
      // It looks for arrays and volumes by itself.
      "initramfs-tools": `${ROOT} cryptopts=target=luks-root,source=UUID=${LUKS},key=/${PASSPHRASE_FILE},luks`,
    },
  };
}

/** Behind the image's disk: vdb and vdc are the members, vdd is what comes onto the volume. */
const ASSEMBLY: readonly string[] = [
  "modprobe -a raid1 dm-mod",
  `mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --assume-clean --homehost=any --uuid=${ARRAY} /dev/vdb /dev/vdc`,
  "lvm pvcreate /dev/md0",
  "lvm vgcreate lazyrd /dev/md0",
  "lvm lvcreate --yes --wipesignatures n --zero n --extents 100%FREE --name root lazyrd",
  "bb dd if=/dev/vdd of=/dev/mapper/lazyrd-root bs=1M",
  "lvm vgchange --activate n lazyrd",
  "mdadm --stop /dev/md0",
];

function emptyMember(path: string): Disk {
  const file = openSync(path, "w");
  ftruncateSync(file, MEMBER_BYTES);
  closeSync(file);
  return { path, bus: "virtio-blk", readOnly: false };
}

/** To be laid over an initrd: what answers when the root's passphrase is asked for, and nobody is there to type. */
export function passphrase(): Tree {
  const tree = new Tree();
  const unit = "systemd-cryptsetup@luks\\x2droot.service";
  const answer = `[Service]\nSetCredential=cryptsetup.passphrase:${PASSPHRASE}\n`;
  tree.setWithParents(`etc/systemd/system/${unit}.d/passphrase.conf`, regularFile(Buffer.from(answer)));
  tree.set(PASSPHRASE_FILE, regularFile(Buffer.from(PASSPHRASE)));
  leaveOutHooks(tree);
  return tree;
}
