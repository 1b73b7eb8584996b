import { copyFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { regularFile, symlink, Tree } from "../../src/tree/index.ts";
import type { Disk } from "../../src/vm/index.ts";
import { treeFixture } from "./fixtures.ts";
import { startTpmForPrograms } from "./swtpm.ts";
import { tempFolder } from "./temp.ts";
import { run } from "./tools.ts";
import type { Sections } from "./vm-probe.ts";
import { realRootDisk } from "./vm-real-root.ts";

/** The tools that it takes, by their paths. */
export interface EncryptionTools {
  readonly mke2fs: string;
  readonly cryptsetup: string;
  readonly cryptenroll: string;
}

export interface EncryptedRoot {
  readonly disk: Disk;
  /** More of the kernel's command line: where the root is, and that nobody is there to be asked for a passphrase. */
  readonly commandLine: string;
  /** The state of the TPM that unlocks it. */
  readonly tpm: string;
}

const UUID = "8c0f2f6e-6b7c-4c44-9d56-0a1f2d8a4a11";
/** Twice the size of the header, which is put in front of what is there, and the file system. */
const HEADER = "32M";
const DISK_BYTES = 60 << 20;

/**
 * A disk with the smallest system there is, encrypted (LUKS2), whose key a TPM has sealed for whoever has a policy for PCR 11
 * that is signed with `publicKey` (PEM).
 */
export async function encryptedRoot(
  tools: EncryptionTools,
  sections: Sections,
  publicKey: Uint8Array,
): Promise<EncryptedRoot> {
  const folder = tempFolder();
  const path = (name: string): string => join(folder, name);
  const disk = path("root.luks");
  writeFileSync(path("passphrase"), "recovery");
  writeFileSync(path("pcr.pub"), publicKey);
  copyFileSync(realRootDisk(tools.mke2fs, sections).path, disk);
  encryptDisk(tools.cryptsetup, disk, { uuid: UUID, passphraseFile: path("passphrase") });
  const tpm = await startTpmForPrograms();
  run(tools.cryptenroll, [
    ...[`--unlock-key-file=${path("passphrase")}`, `--tpm2-device=${tpm.device}`, "--tpm2-pcrs="],
    ...[`--tpm2-public-key=${path("pcr.pub")}`, "--tpm2-public-key-pcrs=11", disk],
  ]);
  await tpm.stop();
  const options = "tpm2-device=auto,headless=true,x-systemd.device-timeout=15min";
  return {
    disk: { path: disk, bus: "virtio-blk", readOnly: false },
    commandLine: [
      "root=/dev/mapper/luks-root rootfstype=ext4 ro init=/sbin/init",
      `rd.luks.name=${UUID}=luks-root rd.luks.options=${options}`,
    ].join(" "),
    tpm: tpm.state,
  };
}

/** Encrypts the small file system at the start of a disk where it stands, which needs no device mapper (LUKS2). */
export function encryptDisk(
  cryptsetup: string,
  disk: string,
  { uuid, passphraseFile }: { readonly uuid: string; readonly passphraseFile: string },
): void {
  truncateSync(disk, DISK_BYTES);
  run(cryptsetup, [
    ...["reencrypt", "--encrypt", "--batch-mode", "--type", "luks2", "--reduce-device-size", HEADER, "--uuid", uuid],
    ...["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", passphraseFile, disk],
  ]);
}

/** Hooks of the generic initrd that load drivers and start services for roots that are elsewhere: half of the time of a boot. */
const NOT_NEEDED = [
  "cmdline/30-parse-lunmask.sh",
  "cmdline/90-parse-iscsiroot.sh",
  "cmdline/90-parse-nfsroot.sh",
  "cmdline/92-parse-nvmf-boot-connections.sh",
  "cmdline/95-parse-virtiofs.sh",
  "cmdline/99-nm-config.sh",
  "pre-udev/99-nfs-start-rpc.sh",
];

/** Lays nothing in the place of what of dracut's generic initrd only takes time. */
export function leaveOutHooks(tree: Tree): void {
  for (const hook of NOT_NEEDED) tree.setWithParents(`usr/lib/dracut/hooks/${hook}`, regularFile(new Uint8Array()));
}

/**
 * To be laid over dracut's generic initrd: what its module systemd-pcrphase would install, so that it is measured when the initrd
 * begins and ends; and nothing in the place of what only takes time.
 */
export function initrdWithPhases(): Tree {
  const tree = new Tree();
  const source = treeFixture("dracut");
  const add = (path: string, permissions: number): void => {
    tree.setWithParents(path, regularFile(readFileSync(join(source, path)), { permissions }));
  };
  const units = "usr/lib/systemd/system";
  add("usr/lib/systemd/systemd-pcrphase", 0o755);
  add(`${units}/systemd-pcrphase-initrd.service`, 0o644);
  leaveOutHooks(tree);
  const wants = `${units}/initrd.target.wants/systemd-pcrphase-initrd.service`;
  tree.setWithParents(wants, symlink("../systemd-pcrphase-initrd.service"));
  return tree;
}
