import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Generation, loadedFile } from "../../src/build/index.ts";

import { type DiskInputs, makeDisk } from "../../src/disk/index.ts";
import { encodeFat } from "../../src/formats/fat/index.ts";
import { readGpt } from "../../src/formats/gpt/index.ts";
import { FileSource, OutputFile } from "../../src/host/index.ts";
import { regularFile, type Tree } from "../../src/tree/index.ts";
import { assembleUki } from "../../src/uki/index.ts";
import { FAT_IDENTITY, fatSample, MIB } from "../support/fat-trees.ts";
import { kernelFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";
import { imageDisk } from "../support/vm-disks.ts";
import { bootDisk } from "../support/vm-firmware.ts";
import { generation } from "../support/vm-generations.ts";
import { probeFor, section, smallProbe, USUAL_SECTIONS } from "../support/vm-probe.ts";
import { bootToReport, initrdOf } from "../support/vm-story.ts";

const LOADER = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/** What a machine of a person's has, the kernel's own tests of its ciphers included. */
const CONSOLE = "console=ttyS0 loglevel=7 printk.time=1";

/** The same generation with a probe behind its first stage. */
function withProbe(built: Generation, append: Tree): Generation {
  const folder = tempFolder();
  writeFileSync(join(folder, loadedFile(built.manifest)), initrdOf(built, { append }));
  return { ...built, folder };
}

async function disk(built: Generation, wishes: Partial<DiskInputs>): Promise<string> {
  const path = join(tempFolder(), "disk.raw");
  const output = new OutputFile(path, { force: false });
  const defaults = { uki: undefined, loader: undefined, root: undefined, diskBytes: undefined };
  const inputs = { generation: built, ...defaults, append: "", espBytes: 128 * MIB, ...wishes };
  await makeDisk(inputs, output, () => undefined);
  output.commit();
  return path;
}

const SECTIONS = { ...USUAL_SECTIONS, cmdline: "bb cat /proc/cmdline", efi: "bb ls -1 /sys/firmware" };

test("a disk boots by itself: firmware, systemd-boot, first stage, the image's systemd", async () => {
  const built = generation({ kernel: "6.12-amd64", initrd: "dracut" });
  const probed = withProbe(built, probeFor("dracut", SECTIONS));
  const report = await bootDisk(await disk(probed, { loader: LOADER, append: `${CONSOLE} lazyrd.story=1` }));
  expect(section(report, "program")).toEqual([expect.stringMatching(/\/systemd$/)]);
  expect(section(report, "dm")[0]).toContain(built.manifest.image.rootHash.slice(0, 32));
  expect(section(report, "efi")).toContain("efi");
  expect(section(report, "cmdline")[0]).toContain("lazyrd.story=1");
  expect(section(report, "log").join("\n")).toContain("device data is /dev/vda2");
});

test("the firmware starts a unified kernel image from the disk", async () => {
  const built = generation({ kernel: "6.12-amd64", initrd: "small" });
  const uki = join(tempFolder(), "uki.efi");
  const sections = {
    kernel: readFileSync(built.path("kernel")),
    initrd: initrdOf(built, { append: smallProbe(SECTIONS) }),
    commandLine: `${CONSOLE} lazyrd.story=2`,
    osRelease: Buffer.from("ID=story\nVERSION_ID=2\nPRETTY_NAME=Story\n"),
  };
  writeFileSync(uki, assembleUki({ stub: readFileSync(STUB), sections }));
  for (const loader of [undefined, LOADER]) {
    const report = await bootDisk(await disk(built, { uki, loader }));
    expect(section(report, "dm")[0]).toContain(built.manifest.image.rootHash.slice(0, 32));
    expect(section(report, "cmdline")[0]).toContain("lazyrd.story=2");
  }
});

test("a root file system made of a folder is the partition that the command line names", async () => {
  const built = generation({ kernel: "6.12-amd64", initrd: "small" });
  const root = join(tempFolder(), "root");
  mkdirSync(root);
  writeFileSync(join(root, "hello"), "from the root file system\n");
  const sections = {
    ...SECTIONS,
    root: "bb mkdir /tmp/root && bb mount -t erofs /dev/vda4 /tmp/root && bb cat /tmp/root/hello",
  };
  const probed = withProbe(built, smallProbe(sections));
  const path = await disk(probed, { loader: LOADER, root, append: CONSOLE });
  const report = await bootDisk(path);
  const guid = readGpt(new FileSource(path, "the disk")).partitions[3]?.partitionGuid;
  expect(section(report, "cmdline")[0]).toContain(`root=PARTUUID=${guid}`);
  expect(section(report, "root")).toEqual(["from the root file system"]);
});

/** Loaded in this order; Debian's 6.1 has them uncompressed, as busybox needs them. */
const FAT_MODULES = ["nls/nls_cp437", "nls/nls_ascii", "fat/fat", "fat/vfat"];

/** What a probe does with a volume. */
const volumeSections = (disk: string) => ({
  [`mount ${disk}`]: `bb mkdir /tmp/${disk}; bb mount -t vfat -o utf8=1,tz=UTC /dev/${disk} /tmp/${disk} && echo done`,
  [`files ${disk}`]: `cd /tmp/${disk} && bb find . -type f -exec $BB sha256sum {} +`,
  [`times ${disk}`]: `cd /tmp/${disk} && bb find . -type f -exec $BB stat -c '%Y %a %n' {} +`,
  [`write ${disk}`]: [
    `cd /tmp/${disk} && bb rm 'Program Files' && bb cp EFI/BOOT/BOOTX64.EFI 'Another Program.efi' && bb mkdir 'New Folder'`,
    `bb mv empty 'New Folder/not empty' && echo more >> 'New Folder/not empty'; bb sync; cd /; bb umount /tmp/${disk} && echo done`,
  ].join(" && "),
});

/** Volumes of two sizes, one as FAT16 and one as FAT32. */
const VOLUMES = { vdb: 16 * MIB, vdc: 64 * MIB };

test("Linux reads and writes volumes, and fsck.vfat has nothing to complain about afterwards", async (context) => {
  const fsck = requireTool(context, "fsck.vfat");
  const built = generation({ kernel: "6.1-amd64", initrd: "small" });
  const { modules } = kernelFixture("6.1-amd64");
  const probe = smallProbe({
    load: FAT_MODULES.map((name) => `bb insmod /fat/${name.replace(/.*\//, "")}.ko`).join("; "),
    ...Object.assign({}, ...Object.keys(VOLUMES).map(volumeSections)),
    log: "bb dmesg | bb grep -i fat",
  });
  for (const name of FAT_MODULES) {
    const content = readFileSync(join(modules, "kernel/fs", `${name}.ko`));
    probe.setWithParents(`fat/${name.replace(/.*\//, "")}.ko`, regularFile(content));
  }
  const volumes = Object.values(VOLUMES).map((sizeBytes) => {
    const path = join(tempFolder(), "volume.img");
    writeFileSync(path, encodeFat(fatSample(), { ...FAT_IDENTITY, sizeBytes }));
    return { path, bus: "virtio-blk", readOnly: false } as const;
  });
  const report = await bootToReport(built, { append: probe, disks: [imageDisk(built), ...volumes] });
  expect([section(report, "load"), section(report, "log")]).toEqual([[], []]);
  for (const [index, disk] of Object.keys(VOLUMES).entries()) {
    expect([section(report, `mount ${disk}`), section(report, `write ${disk}`)]).toEqual([["done"], ["done"]]);
    expect(section(report, `files ${disk}`).sort()).toEqual(digests(fatSample()).sort());
    expect(section(report, `times ${disk}`).sort()).toEqual(times(fatSample()).sort());
    const { stdout } = run(fsck, ["-n", volumes[index]?.path ?? ""]);
    expect(stdout.trim().split("\n")).toHaveLength(2);
  }
});

function digests(tree: Tree): string[] {
  return files(tree).map(({ path, content }) => `${createHash("sha256").update(content).digest("hex")}  ./${path}`);
}

function times(tree: Tree): string[] {
  return files(tree).map(({ path, mtime, permissions }) => `${mtime} ${permissions.toString(8)} ./${path}`);
}

/** Paths as the probe's serial port carries them. */
function files(tree: Tree): { path: string; content: Uint8Array; mtime: number; permissions: number }[] {
  return [...tree.walk()].flatMap(({ path, node }) => {
    if (node.kind !== "file") return [];
    const { mtime, permissions } = node;
    return [{ path, content: node.content.read(0, node.content.size), mtime, permissions }];
  });
}
