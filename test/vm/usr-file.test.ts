import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { Generation } from "../../src/build/index.ts";
import type { ByteSink } from "../../src/bytes/index.ts";
import { writeUsrDisk } from "../../src/disk/index.ts";
import { encodeErofs } from "../../src/formats/erofs/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";
import { generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";
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

/** A disk with /usr on partitions of its own, and the image as a file in it. */
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
