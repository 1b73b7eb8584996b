import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { Generation } from "../../src/build/index.ts";
import type { ByteSink } from "../../src/bytes/index.ts";
import { writeUsrDisk } from "../../src/disk/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { encodeErofs } from "../../src/formats/erofs/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { initrdFixture, type KernelFlavour } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";
import { treeOfImage } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { probeFor, section, smallProbe } from "../support/vm-probe.ts";
import { realRootDisk, TO_REAL_ROOT } from "../support/vm-real-root.ts";
import { bootToReport } from "../support/vm-story.ts";

const kernel = "6.12-amd64";
const UUID = "145abf5b-6a0f-4ed6-a9fb-0123456789ab";
const BLOCK = 4096;

/** What makes the content of /usr out of a folder, as others do. */
const FILE_SYSTEMS: Readonly<Record<string, (folder: string, tool: (name: string) => string) => Buffer>> = {
  erofs(folder) {
    const tree = new Tree();
    for (const path of ["lib/os-release", imagePath()]) {
      tree.setWithParents(path, regularFile(readFileSync(join(folder, path))));
    }
    return Buffer.from(encodeErofs(tree, { uuid: UUID }));
  },
  ext4(folder, tool) {
    const volume = `${folder}.ext4`;
    run(tool("mke2fs"), ["-q", "-t", "ext4", "-d", folder, "-b", String(BLOCK), volume, "64M"]);
    return readFileSync(volume);
  },
  squashfs(folder, tool) {
    const volume = `${folder}.squashfs`;
    run(tool("mksquashfs"), [folder, volume, "-quiet", "-no-progress", "-comp", "xz"]);
    const content = readFileSync(volume);
    return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
  },
};

/** The image is the same whatever /usr is: so it is made first. */
const alone = generation({ kernel, initrd: "small" });

function imagePath(): string {
  return `lib/lazyrd/${alone.manifest.image.rootHash.slice(0, 16)}.raw`;
}

/** A disk with /usr on partitions of its own. */
function usrDisk(content: Uint8Array): { path: string; rootHash: string } {
  const path = join(tempFolder(), "usr.raw");
  const data = { sizeBytes: content.length, emit: (sink: ByteSink) => sink.write(content) };
  return { path, rootHash: writeUsrDisk(data, Buffer.alloc(32, 7), path) };
}

const uuidOf = (rootHash: string, name: string): string => `CRYPT-VERITY-${rootHash.slice(0, 32)}-${name}`;

test.for(Object.keys(FILE_SYSTEMS))("an image in a /usr that is a %s: both are verified", async (type, context) => {
  const folder = join(tempFolder(), "usr");
  const file = join(folder, imagePath());
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, readFileSync(alone.path("image")));
  writeFileSync(join(folder, "lib/os-release"), "ID=usr\n");
  const content = FILE_SYSTEMS[type]?.(folder, (name) => requireTool(context, name)) ?? Buffer.alloc(0);
  const usr = usrDisk(content);
  const config = `layout = "usr-file"\n[location]\nusr = ${JSON.stringify(usr.path)}\nfile-system = "${type}"\n`;
  const built: Generation = generation({ kernel, initrd: "small", config });
  expect(built.manifest.image.rootHash).toBe(alone.manifest.image.rootHash);
  const append = smallProbe({
    mounts: "bb cat /proc/mounts",
    dm: "bb cat /sys/block/dm-0/dm/uuid /sys/block/dm-1/dm/uuid",
    usr: "bb cat /sysusr/usr/lib/os-release",
  });
  const report = await bootToReport(built, { append, disks: [{ path: usr.path, bus: "virtio-blk", readOnly: true }] });
  expect(section(report, "dm")).toEqual([uuidOf(usr.rootHash, "usr"), uuidOf(built.manifest.image.rootHash, "root")]);
  expect(section(report, "usr")).toEqual(["ID=usr"]);
  const mounts = section(report, "mounts").map((line) => line.split(" ").slice(1, 3).join(" "));
  expect(mounts).toContain(`/sysusr/usr ${type}`);
});

const SYSTEMD = "lib/systemd/systemd";
/** What the machine has and its initrd has not: none of it may come to light there. */
const ONLY_MACHINE = ["bin/only-machine", "games/nethack", "lib/systemd/system/only-machine.service"];
/** What each of them has in its own way. */
const OWN = "lib/initrd-release";

type RealInitrd = "dracut" | "initramfs-tools";

/** The /usr of a machine on which a real initrd was made: all that is in it, and more. */
async function machineUsr(initrd: RealInitrd, flavour: KernelFlavour): Promise<Tree> {
  const { tree } = treeOfInitramfs(await readInitramfs(readFileSync(initrdFixture(initrd, flavour))));
  const usr = tree.get("usr");
  if (usr?.kind !== "directory") throw new Error("The initrd has no /usr");
  const machine = new Tree(usr);
  for (const path of ONLY_MACHINE) machine.setWithParents(path, regularFile(Buffer.from("1\n")));
  machine.set(OWN, regularFile(Buffer.from("the machine's\n")));
  return machine;
}

/** A real initrd whose image has left out what /usr has, in that /usr. */
async function overUsr(initrd: RealInitrd, flavour: KernelFlavour) {
  const usr = await machineUsr(initrd, flavour);
  const build = (tree: Tree) => {
    const { path, rootHash } = usrDisk(encodeErofs(tree, { uuid: UUID }));
    const config = `layout = "usr-file"\n[location]\nusr = "${path}"\n[image]\nagainst = "${path}"\n`;
    return { path, rootHash, built: generation({ kernel: flavour, initrd, config }) };
  };
  const { built: first } = build(usr);
  if (first.manifest.place.kind !== "usr") throw new Error("The image does not belong into /usr");
  usr.setWithParents(first.manifest.place.path.slice(1), regularFile(readFileSync(first.path("image"))));
  const last = build(usr);
  expect(last.built.manifest.image.rootHash).toBe(first.manifest.image.rootHash);
  return { ...last, disk: { path: last.path, bus: "virtio-blk", readOnly: true } as const };
}

test.for<KernelFlavour>(["6.12-amd64", "6.1-amd64"])(
  "a real initrd on %s runs from what /usr has of it",
  async (flavour) => {
    const { built, disk, rootHash } = await overUsr("dracut", flavour);
    const { rootHash: imageHash } = built.manifest.image;
    // Of 90 MB little is left: neither systemd nor any module.
    expect(built.manifest.files["image.raw"]?.sizeBytes).toBeLessThan(2_000_000);
    expect(treeOfImage(built).get(`usr/${SYSTEMD}`)).toBeUndefined();
    const append = probeFor("dracut", {
      mounts: "bb cat /proc/mounts",
      dm: "bb cat /sys/block/dm-0/dm/uuid /sys/block/dm-1/dm/uuid",
      program: "bb readlink /proc/1/exe",
      same: `bb cmp /usr/${SYSTEMD} /sysusr/usr/${SYSTEMD} && echo same`,
      own: `bb cmp -s /usr/${OWN} /sysusr/usr/${OWN} || echo differs`,
      hidden: `bb ls -d /usr/lib/lazyrd ${ONLY_MACHINE.map((path) => `/usr/${path}`).join(" ")}`,
      machine: `cd /sysusr/usr && bb ls -d ${ONLY_MACHINE.join(" ")}`,
      whiteouts: "$BB find /usr -type c",
      written: "bb touch /usr/lib/written && bb ls /usr/lib/written",
      modprobe: "modprobe btrfs && bb grep -c '^btrfs ' /proc/modules",
    });
    const report = await bootToReport(built, { append, disks: [disk] });
    expect(section(report, "dm")).toEqual([uuidOf(rootHash, "usr"), uuidOf(imageHash, "root")]);
    const mounts = section(report, "mounts").map((line) => line.split(" "));
    const typesAt = (path: string) => mounts.flatMap(([, place, type]) => (place === path ? [type] : []));
    expect(["/", "/usr", "/sysusr/usr"].map((path) => typesAt(path).at(-1))).toEqual(["overlay", "overlay", "erofs"]);
    expect(section(report, "program")).toEqual([`/usr/${SYSTEMD}`]);
    expect(section(report, "same")).toEqual(["same"]);
    expect(section(report, "own")).toEqual(["differs"]);
    expect(section(report, "hidden")).toEqual(
      ["lib/lazyrd", ...ONLY_MACHINE].map((path) => expect.stringContaining(`/usr/${path}: No such file`)),
    );
    expect(section(report, "machine")).toEqual(ONLY_MACHINE);
    expect(section(report, "whiteouts")).toEqual([]);
    expect(section(report, "written")).toEqual(["/usr/lib/written"]);
    expect(section(report, "modprobe")).toEqual(["1"]);
  },
);

test.for<RealInitrd>(["dracut", "initramfs-tools"])(
  "%s, run from /usr, goes on to the real root",
  async (initrd, context) => {
    const { built, disk } = await overUsr(initrd, "6.12-amd64");
    const root = realRootDisk(requireTool(context, "mke2fs"), {
      mounts: "bb cat /proc/mounts",
      // The kernel takes devices down in the background once their last users have gone.
      settle: "for i in 1 2 3 4 5; do [ -e /sys/block/dm-0 ] || break; bb sleep 1; done",
      block: "bb ls -1 /sys/block",
      release: "bb cat /etc/os-release",
    });
    const report = await bootToReport(built, { disks: [disk, root], commandLine: TO_REAL_ROOT });
    expect(section(report, "release")).toEqual(["ID=lazyrd-test"]);
    const types = section(report, "mounts").map((line) => line.split(" ")[2]);
    expect(types.filter((type) => type === "erofs" || type === "overlay")).toEqual([]);
    // systemd leaves its old root for good, so that the kernel closes image and /usr; run-init only covers it.
    if (initrd === "dracut") expect(section(report, "block").filter((name) => name.startsWith("dm-"))).toEqual([]);
  },
);
