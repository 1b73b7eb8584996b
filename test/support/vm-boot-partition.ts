import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "vitest";
import type { Generation } from "../../src/build/index.ts";
import { chunksOf, MemorySink } from "../../src/bytes/index.ts";
import { planFat } from "../../src/formats/fat/index.ts";
import { encodeGpt, partitionTypeGuid, planGpt } from "../../src/formats/gpt/index.ts";
import { FileSource } from "../../src/host/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import type { Disk } from "../../src/vm/index.ts";
import { tempFolder } from "./temp.ts";
import { requireTool, run } from "./tools.ts";

export const BOOT_TYPES = ["ext4", "xfs", "btrfs", "vfat"] as const;
export type BootType = (typeof BOOT_TYPES)[number];

export const BOOT_LABEL = "LZBOOT";
export const BOOT_UUID = "0a1b2c3d-1122-4334-8556-778899aabbcc";
export const BOOT_PARTUUID = "0f0e0d0c-1122-4334-8556-778899aabbcc";
const VOLUME_BYTES = 320 << 20;
const START = 1 << 20;

/** Images as a boot partition holds them: paths on it, and files here. */
export type BootFiles = Readonly<Record<string, string>>;

/** The images of generations, where they belong on their boot partition. */
export function bootFiles(...generations: readonly Generation[]): BootFiles {
  return Object.fromEntries(generations.map((built) => [pathOnBoot(built), built.path("image")]));
}

/** Where the image of a generation belongs, from the root of the file system on. */
export function pathOnBoot({ manifest: { place } }: Generation): string {
  if (place.kind !== "file") throw new Error(`The image does not belong into a file: ${place.kind}`);
  return place.path;
}

/** The configuration of an image in a file on the boot partition that `bootDisk` makes. */
export function configOnBoot(type: BootType): string {
  return `layout = "boot"\n[location]\ndevice = "PARTUUID=${BOOT_PARTUUID}"\nfile-system = "${type}"\n`;
}

/**
 * For a probe: mounts the boot partition of the machine's first disk writable, of whatever type it is. Of vfat without a character
 * set, whose modules an initrd has and the system behind it has not.
 */
export const WRITES_TO_BOOT = [
  "( bb mount -o rw /dev/vda1 /mnt || bb mount -t vfat -o rw,iocharset=default /dev/vda1 /mnt )",
  "bb touch /mnt/written",
  "bb ls -A -1 /mnt",
  "bb umount /mnt",
].join(" && ");

/** A disk with one partition, of that type and file system, with these files on it and none of them with holes. */
export function bootDisk(
  context: TestContext,
  type: BootType,
  files: BootFiles,
  partitionType = "linux-generic",
): Disk {
  const folder = tempFolder();
  const volume = join(folder, "volume");
  const file = openSync(volume, "w");
  ftruncateSync(file, VOLUME_BYTES);
  closeSync(file);
  FORMATS[type](context, volume, files, folder);
  const source = new FileSource(volume, "the volume");
  const partition = {
    typeGuid: partitionTypeGuid(partitionType),
    partitionGuid: BOOT_PARTUUID,
    name: "boot partition",
    sizeBytes: VOLUME_BYTES,
    offsetBytes: START,
  };
  const gpt = planGpt({ diskGuid: BOOT_UUID, partitions: [partition], sectorSize: 512 });
  const path = join(folder, "disk.raw");
  const disk = openSync(path, "w");
  ftruncateSync(disk, gpt.layout.sizeBytes);
  const output = {
    writeAt: (offset: number, bytes: Uint8Array) => void writeSync(disk, bytes, 0, bytes.length, offset),
  };
  let at = START;
  for (const chunk of chunksOf(source)) {
    if (chunk.some((byte) => byte !== 0)) output.writeAt(at, chunk);
    at += chunk.length;
  }
  const { head, tail, tailOffset } = encodeGpt(gpt);
  output.writeAt(tailOffset, tail);
  output.writeAt(0, head);
  closeSync(disk);
  source.close();
  return { path, bus: "virtio-blk", readOnly: false };
}

const FORMATS: Readonly<
  Record<BootType, (context: TestContext, volume: string, files: BootFiles, folder: string) => void>
> = {
  ext4(context, volume, files, folder) {
    const mke2fs = requireTool(context, "mke2fs");
    run(mke2fs, ["-q", "-t", "ext4", "-L", BOOT_LABEL, "-U", BOOT_UUID, volume]);
    // mke2fs -d would leave holes where an image has zeros.
    const target = join(folder, "mounted");
    mkdirSync(target);
    run("mount", ["-o", "loop", volume, target]);
    try {
      for (const [path, source] of Object.entries(files)) {
        mkdirSync(dirname(join(target, path)), { recursive: true });
        run("cp", ["--sparse=never", source, join(target, path)]);
      }
    } finally {
      run("umount", [target]);
    }
  },
  xfs(context, volume, files, folder) {
    const names = Object.entries(files).map(([path, source]) => `${path.replace(/.*\//, "")} ---644 0 0 ${source}`);
    const prototype = join(folder, "prototype");
    writeFileSync(prototype, ["/", "0 0", "d--755 0 0", "lazyrd d--755 0 0", ...names, "$", "$", ""].join("\n"));
    // Of a file that is larger than an allocation group, mkfs.xfs writes the rest over the next group's headers.
    const options = ["-q", "-f", "-L", BOOT_LABEL, "-m", `uuid=${BOOT_UUID}`, "-d", "agcount=2", "-p", prototype];
    run(requireTool(context, "mkfs.xfs"), [...options, volume]);
  },
  btrfs(context, volume, files, folder) {
    const tree = join(folder, "tree");
    for (const [path, source] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      run("cp", [source, join(tree, path)]);
    }
    run(requireTool(context, "mkfs.btrfs"), ["-q", "-L", BOOT_LABEL, "-U", BOOT_UUID, "--rootdir", tree, volume]);
  },
  vfat(_context, volume, files) {
    const tree = new Tree();
    const sources = Object.entries(files).map(([path, source]) => [path, new FileSource(source, "the image")] as const);
    for (const [path, source] of sources) tree.setWithParents(path.slice(1), regularFile(source));
    const sink = new MemorySink();
    planFat(tree, { sizeBytes: VOLUME_BYTES, volumeId: 0x0a1b2c3d, label: BOOT_LABEL, partitionOffset: START }).emit(
      sink,
    );
    writeFileSync(volume, sink.bytes());
    for (const [, source] of sources) source.close();
  },
};
