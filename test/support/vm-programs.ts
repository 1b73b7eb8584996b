import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toText } from "../../src/bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { directory, type RegularFile, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { noise } from "./erofs-trees.ts";
import { initrdFixture } from "./fixtures.ts";
import { publish } from "./publish.ts";

/** Debian's busybox and what it is linked with, out of an initrd that has them: a userland of 3 MB. */
const BUSYBOX_FILES = {
  busybox: "usr/bin/busybox",
  loader: "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
  libc: "usr/lib/x86_64-linux-gnu/libc.so.6",
  libresolv: "usr/lib/x86_64-linux-gnu/libresolv.so.2",
} as const;

type BusyboxFiles = Readonly<Record<keyof typeof BUSYBOX_FILES, RegularFile>>;

/** What was found, by the initrd that it is from: unpacking that takes a second, in every file of stories again. */
const CACHE = fileURLToPath(new URL("../../.cache/busybox", import.meta.url));

async function readBusybox(): Promise<BusyboxFiles> {
  const initrd = initrdFixture("initramfs-tools", "6.12-amd64");
  const { size, mtimeMs } = statSync(initrd);
  const folder = join(CACHE, `${size}-${Math.floor(mtimeMs)}`);
  if (!existsSync(folder)) await unpackBusybox(initrd, folder);
  const program = (name: keyof BusyboxFiles): RegularFile => {
    return regularFile(readFileSync(join(folder, name)), { permissions: 0o755 });
  };
  return {
    busybox: program("busybox"),
    loader: program("loader"),
    libc: program("libc"),
    libresolv: program("libresolv"),
  };
}

async function unpackBusybox(initrd: string, folder: string): Promise<void> {
  const { tree } = treeOfInitramfs(await readInitramfs(readFileSync(initrd)));
  mkdirSync(CACHE, { recursive: true });
  const own = mkdtempSync(`${folder}.`);
  for (const [name, path] of Object.entries(BUSYBOX_FILES)) {
    const node = tree.resolve(path);
    if (node?.kind !== "file") throw new Error(`The initrd of initramfs-tools has no ${toText(path)}`);
    writeFileSync(join(own, name), node.content.read(0, node.content.size));
  }
  publish(own, folder);
}

const files = await readBusybox();

/** Where busybox stands in a tree that has nothing else. */
export function addBusybox(tree: Tree): void {
  tree.setWithParents("bin/busybox", files.busybox);
  tree.setWithParents("lib64/ld-linux-x86-64.so.2", files.loader);
  tree.setWithParents("lib/x86_64-linux-gnu/libc.so.6", files.libc);
  tree.setWithParents("lib/x86_64-linux-gnu/libresolv.so.2", files.libresolv);
}

/** Where busybox stands in somebody else's tree: out of the way of that tree's own programs. */
export function addPrivateBusybox(tree: Tree, folder: string): void {
  tree.setWithParents(`${folder}/busybox`, files.busybox);
  tree.setWithParents(`${folder}/ld.so`, files.loader);
  tree.setWithParents(`${folder}/libc.so.6`, files.libc);
  tree.setWithParents(`${folder}/libresolv.so.2`, files.libresolv);
}

/** How a shell calls what `addPrivateBusybox` put into `folder`. */
export function privateBusybox(folder: string): string {
  return `/${folder}/ld.so --library-path /${folder} /${folder}/busybox`;
}

/**
 * What the small initrd has in it for stories to damage, and to read or to leave alone. No two blocks of it are alike.
 * Its size makes sure that one block of hashes (of 512 KiB of data) has nothing but the middle of it below.
 */
export const LARGE_FILE = "usr/share/large";
const LARGE_FILE_BYTES = 1 << 20;
/** For stories that look at how much memory it takes. */
const HUGE_FILE_BYTES = 32 << 20;

const INIT = `#!/bin/busybox sh
# Carries out what a story appended; a story without any wants to see that this is reached.
echo "lazyrd small initrd: init runs" > /dev/kmsg
[ -f /story ] && . /story
/bin/busybox echo o > /proc/sysrq-trigger
/bin/busybox sleep 60
`;

/** An initrd that is busybox and a script as /init, which carries out the file /story where there is one. */
export function smallInitrd(): Tree {
  const tree = new Tree();
  addBusybox(tree);
  tree.set("init", regularFile(Buffer.from(INIT), { permissions: 0o755 }));
  tree.setWithParents(LARGE_FILE, regularFile(noise(LARGE_FILE_BYTES)));
  for (const name of ["dev", "proc", "run", "sys", "mnt", "tmp"]) tree.set(name, directory());
  return tree;
}

/** The same with a file so large that it is seen in how much memory is in use. */
export function hugeInitrd(): Tree {
  const tree = smallInitrd();
  tree.setWithParents(LARGE_FILE, regularFile(noise(HUGE_FILE_BYTES)));
  return tree;
}

/** A system that is all in /usr, and whose init does what the small initrd's does. */
export function smallSystem(): Tree {
  const usr = new Tree();
  addBusybox(usr);
  usr.setWithParents("sbin/init", regularFile(Buffer.from(INIT), { permissions: 0o755 }));
  const tree = new Tree();
  tree.set("usr", usr.root);
  for (const name of usr.root.entries.keys()) tree.set(name, symlink(`usr/${name}`));
  tree.setWithParents("etc/os-release", regularFile(Buffer.from("ID=lazyrd-test\n")));
  for (const name of ["dev", "proc", "run", "sys", "var"]) tree.set(name, directory());
  return tree;
}
