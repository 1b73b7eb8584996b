import { closeSync, copyFileSync, ftruncateSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Generation } from "../../src/build/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import type { Disk } from "../../src/vm/index.ts";
import { tempFolder } from "./temp.ts";
import { imageDisk } from "./vm-disks.ts";
import { encryptDisk, leaveOutHooks } from "./vm-encrypted-root.ts";
import { probeFor, type Sections, section } from "./vm-probe.ts";
import { ROOT_LABEL, realRootDisk } from "./vm-real-root.ts";
import { bootToReport } from "./vm-story.ts";

const STACKED_ARRAY = "6d5c4b3a:11224334:85567788:99aabbcc";
const ARRAY = "7e6d5c4b:11224334:85567788:99aabbcc";
const LUKS = "1f2e3d4c-1122-4334-8556-778899aabbcc";
const PASSPHRASE = "correct horse";
const PASSPHRASE_FILE = "passphrase";
const OPTIONS = "rootfstype=ext4 ro init=/sbin/init";
const STACK_ROOT = `root=/dev/mapper/luks-root ${OPTIONS}`;
const MEMBER_BYTES = 80 << 20;

/** A root that an initrd has to put together, or to unlock. */
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

/** What the root is on, from the top. */
export type Assembly = "LVM" | "RAID 1" | "LUKS on LVM on RAID 1";

/**
 * The smallest system there is on ext4: on a logical volume (LVM); on an array of two mirrored disks (md RAID 1); on LUKS with a
 * passphrase on a logical volume on an array. Put together by the programs of `built`, a generation of dracut's generic initrd, in
 * a machine of its own. Their disks are files in `folder`.
 */
export async function assembledRoots(
  folder: string,
  built: Generation,
  tools: AssemblyTools,
  sections: Sections,
): Promise<Readonly<Record<Assembly, AssembledRoot>>> {
  const plain = realRootDisk(tools.mke2fs, sections);
  const encrypted = encryptedCopy(tools.cryptsetup, plain, join(folder, "root.luks"));
  const member = (name: string): Disk => emptyMember(join(folder, name));
  const stack = [member("first"), member("second")];
  const volume = [member("volume")];
  const array = [member("third"), member("fourth")];
  const report = await bootToReport(built, {
    append: probeFor("dracut", {
      assembled: `( ${ASSEMBLY.join(" && ")} ) > /assembly 2>&1 && bb echo yes || bb cat /assembly`,
    }),
    disks: [imageDisk(built), ...stack, ...volume, ...array, encrypted, plain],
  });
  const assembled = section(report, "assembled");
  if (assembled.join() !== "yes") throw new Error(`The roots were not put together: ${assembled.join("\n")}`);
  return {
    LVM: {
      disks: volume,
      commandLine: {
        dracut: `root=/dev/system/root ${OPTIONS} rd.lvm.lv=system/root rd.luks=0 rd.md=0`,
        "initramfs-tools": `root=/dev/mapper/system-root ${OPTIONS}`,
      },
    },
    "RAID 1": {
      disks: array,
      commandLine: {
        dracut: `root=LABEL=${ROOT_LABEL} ${OPTIONS} rd.md.uuid=${ARRAY} rd.luks=0 rd.lvm=0`,
        // It looks for arrays by itself.
        "initramfs-tools": `root=LABEL=${ROOT_LABEL} ${OPTIONS}`,
      },
    },
    "LUKS on LVM on RAID 1": {
      disks: stack,
      commandLine: {
        dracut: `${STACK_ROOT} rd.md.uuid=${STACKED_ARRAY} rd.lvm.lv=lazyrd/root rd.luks.name=${LUKS}=luks-root`,
        // It looks for arrays and volumes by itself.
        "initramfs-tools": `${STACK_ROOT} cryptopts=target=luks-root,source=UUID=${LUKS},key=/${PASSPHRASE_FILE},luks`,
      },
    },
  };
}

/** The smallest system there is on ext4, on LUKS, whose passphrase is asked for at the console. */
export function lockedRoot({ mke2fs, cryptsetup }: AssemblyTools, sections: Sections): AssembledRoot {
  const disk = encryptedCopy(cryptsetup, realRootDisk(mke2fs, sections), join(tempFolder(), "root.luks"));
  return {
    disks: [disk],
    commandLine: {
      dracut: `${STACK_ROOT} rd.lvm=0 rd.md=0 rd.luks.name=${LUKS}=luks-root`,
      "initramfs-tools": `${STACK_ROOT} cryptopts=target=luks-root,source=UUID=${LUKS},luks`,
    },
  };
}

/** What somebody types who is asked for the passphrase of `lockedRoot`. */
export const TYPES_PASSPHRASE = {
  // systemd says the first one, cryptsetup's askpass the other one.
  prompt: /enter passphrase for disk .*no echo\)|unlock disk .*: /s,
  text: `${PASSPHRASE}\n`,
};

/** Behind the image's disk: what each of them becomes, and vdg and vdh, which are copied. */
const ASSEMBLY: readonly string[] = [
  "modprobe -a raid1 dm-mod",
  createArray("md0", STACKED_ARRAY, "/dev/vdb /dev/vdc"),
  "lvm pvcreate /dev/md0 /dev/vdd",
  "lvm vgcreate lazyrd /dev/md0",
  "lvm vgcreate system /dev/vdd",
  createVolume("lazyrd"),
  createVolume("system"),
  createArray("md1", ARRAY, "/dev/vde /dev/vdf"),
  "bb dd if=/dev/vdg of=/dev/mapper/lazyrd-root bs=1M",
  "bb dd if=/dev/vdh of=/dev/mapper/system-root bs=1M",
  "bb dd if=/dev/vdh of=/dev/md1 bs=1M",
  "lvm vgchange --activate n lazyrd system",
  "mdadm --stop /dev/md0 /dev/md1",
];

function createArray(name: string, uuid: string, members: string): string {
  return `mdadm --create /dev/${name} --run --level=1 --raid-devices=2 --assume-clean --homehost=any --uuid=${uuid} ${members}`;
}

function createVolume(group: string): string {
  return `lvm lvcreate --yes --wipesignatures n --zero n --extents 100%FREE --name root ${group}`;
}

function encryptedCopy(cryptsetup: string, { path }: Disk, copy: string): Disk {
  const passphraseFile = `${copy}.${PASSPHRASE_FILE}`;
  writeFileSync(passphraseFile, PASSPHRASE);
  copyFileSync(path, copy);
  encryptDisk(cryptsetup, copy, { uuid: LUKS, passphraseFile });
  return { path: copy, bus: "virtio-blk", readOnly: false };
}

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
