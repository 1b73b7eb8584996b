import { expect, test } from "vitest";
import type { Generation } from "../../src/build/index.ts";
import { byteStringBytes } from "../../src/bytes/index.ts";
import { regularFile } from "../../src/tree/index.ts";
import { fileContent } from "../support/built-generation.ts";
import { cutImage, damagedImage, mapImage } from "../support/vm-disks.ts";
import { changedFirstStage, generation } from "../support/vm-generations.ts";
import { probeFor, section, smallProbe } from "../support/vm-probe.ts";
import { LARGE_FILE } from "../support/vm-programs.ts";
import { boot, bootToReport, type Ending, failures, says } from "../support/vm-story.ts";

const kernel = "6.12-amd64";

/** A machine that does not wait half a minute before it restarts. */
const impatient = (boot = "") => generation({ kernel, initrd: "small", config: `[boot]\nfailure-delay = 1\n${boot}` });

const PANIC = "Kernel panic - not syncing: dm-verity device corrupted";
const NOT_THE_IMAGE =
  /^FAILED at plan line \d+ \(verity\): the image is not the one with the root hash [0-9a-f]{64}: it was damaged or exchanged$/;

function withChangedPlan(built: Generation, change: (text: string) => string): Promise<Uint8Array> {
  return changedFirstStage(built, (tree) => {
    const text = fileContent(tree.get("lazyrd/plan")).toString("latin1");
    tree.set("lazyrd/plan", regularFile(byteStringBytes(change(text))));
  });
}

/** Refused in words by the first stage, which then restarts the machine. */
function expectRefusal(ending: Ending, message: RegExp): void {
  expect(failures(ending)).toEqual([expect.stringMatching(message), "rebooting in 1 s"]);
  expect(ending.reason).toBe("guest-reset");
  expect(ending.report).toBeUndefined();
}

/** Stopped by the kernel; that it restarts and does not stand still is the first stage's doing. */
function expectPanic(ending: Ending): void {
  expect(says(ending, PANIC)).toBe(true);
  expect(ending.reason).toBe("guest-reset");
}

test("a flipped bit in the superblock is refused", async () => {
  const built = impatient();
  const disk = damagedImage(built, mapImage(built).data + 1024);
  expectRefusal(await boot(built, { disks: [disk] }), NOT_THE_IMAGE);
});

test("a flipped bit at the top of the tree of hashes is refused", async () => {
  const built = impatient();
  const disk = damagedImage(built, mapImage(built).topHashes);
  expectRefusal(await boot(built, { disks: [disk] }), NOT_THE_IMAGE);
});

test("another root hash in the plan is refused, though everything else fits", async () => {
  const built = impatient();
  const { rootHash } = built.manifest.image;
  const otherHash = `${rootHash.startsWith("0") ? "1" : "0"}${rootHash.slice(1)}`;
  const initrd = await withChangedPlan(built, (text) =>
    text.replace(`root-hash=${rootHash}`, `root-hash=${otherHash}`),
  );
  const ending = await boot(built, { initrd });
  expectRefusal(ending, NOT_THE_IMAGE);
  expect(failures(ending)[0]).toContain(otherHash);
});

test("an image that is cut off is not waited for beyond the timeout", async () => {
  const built = impatient("timeout = 3\n");
  const ending = await boot(built, { disks: [cutImage(built, mapImage(built).middleOf(LARGE_FILE))] });
  expectRefusal(ending, /^FAILED at plan line \d+ \(device\): /);
});

test("a flipped bit in the program that the machine is to become stops the boot", async () => {
  const built = impatient();
  const disk = damagedImage(built, mapImage(built).startOf("bin/busybox"));
  const ending = await boot(built, { append: smallProbe(), disks: [disk] });
  expectPanic(ending);
  expect(ending.report).toBeUndefined();
});

test("a flipped bit in what is read long after the first stage has gone stops the machine then", async () => {
  const built = impatient();
  const disk = damagedImage(built, mapImage(built).middleOf(LARGE_FILE));
  const append = smallProbe({ log: "bb dmesg" }, `bb md5sum /${LARGE_FILE}`);
  const ending = await boot(built, { append, disks: [disk] });
  expect(ending.report).toBeDefined();
  expectPanic(ending);
});

test("a flipped bit in the lowest hashes stops the machine as well", async () => {
  const built = impatient();
  const { lowestHashes, data, middleOf } = mapImage(built);
  // The hash of the block that holds the middle of the file: a block of hashes is good or bad as a whole.
  const block = Math.floor((middleOf(LARGE_FILE) - data) / 4096);
  const disk = damagedImage(built, lowestHashes + block * 32);
  const append = smallProbe({ log: "bb dmesg" }, `bb md5sum /${LARGE_FILE}`);
  const ending = await boot(built, { append, disks: [disk] });
  expect(ending.report).toBeDefined();
  expectPanic(ending);
});

test("a flipped bit in what nobody reads does not matter", async () => {
  const built = impatient();
  const disk = damagedImage(built, mapImage(built).middleOf(LARGE_FILE));
  const ending = await boot(built, { append: smallProbe(), disks: [disk] });
  expect(ending.report).toBeDefined();
  expect(ending.reason).toBe("guest-shutdown");
});

test('with on-corruption = "reboot" the machine restarts without a panic', async () => {
  const built = impatient('on-corruption = "reboot"\n');
  const disk = damagedImage(built, mapImage(built).middleOf(LARGE_FILE));
  const append = smallProbe({ log: "bb dmesg" }, `bb md5sum /${LARGE_FILE}`);
  const ending = await boot(built, { append, disks: [disk] });
  expect(ending.report).toBeDefined();
  expect(ending.reason).toBe("guest-reset");
  expect(says(ending, "Kernel panic")).toBe(false);
});

test('with on-corruption = "error" the read fails and the machine goes on', async () => {
  const built = impatient('on-corruption = "error"\n');
  const disk = damagedImage(built, mapImage(built).middleOf(LARGE_FILE));
  const report = await bootToReport(built, {
    append: smallProbe({ damaged: `bb md5sum /${LARGE_FILE}`, sound: "bb md5sum /bin/busybox" }),
    disks: [disk],
  });
  expect(section(report, "damaged")).toEqual([expect.stringMatching(/large.*Input\/output error$/)]);
  expect(section(report, "sound")).toEqual([expect.stringMatching(/^[0-9a-f]{32} +\/bin\/busybox$/)]);
});

test('with on-corruption = "error" a damaged init is refused', async () => {
  const built = impatient('on-corruption = "error"\n');
  const ending = await boot(built, { disks: [damagedImage(built, mapImage(built).startOf("bin/busybox"))] });
  expectRefusal(ending, /^FAILED at plan line \d+ \(switch\): cannot start \/init: input\/output error \(EIO\)$/);
});

test("a flipped bit in systemd stops a real initrd's boot", async () => {
  const built = generation({ kernel, initrd: "dracut" });
  const disk = damagedImage(built, mapImage(built).startOf("usr/lib/systemd/systemd"));
  // An image that other stories boot, too; this one does not wait half a minute.
  const initrd = await withChangedPlan(built, (text) => text.replace(/after=\d+s/, "after=1s"));
  const ending = await boot(built, { initrd, append: probeFor("dracut"), disks: [disk] });
  expectPanic(ending);
  expect(ending.report).toBeUndefined();
});

test("a module that is missing is named", async () => {
  const built = impatient();
  const initrd = await changedFirstStage(built, (tree) => tree.remove("lazyrd/modules/erofs.ko"));
  const message = /^FAILED at plan line \d+ \(modules\): cannot open the module \/lazyrd\/modules\/erofs\.ko: .*ENOENT/;
  expectRefusal(await boot(built, { initrd }), message);
});

test("a driver that is missing is named, and the others are loaded all the same", async () => {
  const built = impatient("timeout = 3\n");
  const initrd = await changedFirstStage(built, (tree) => tree.remove("lazyrd/modules/virtio_blk.ko"));
  const ending = await boot(built, { initrd });
  expectRefusal(ending, /no partition with PARTUUID .* disks seen: none$/);
  expect(says(ending, "cannot open the module /lazyrd/modules/virtio_blk.ko")).toBe(true);
});

// That they boot where the kernel does not insist is part of another story (slim-modules.test.ts).
test("modules without signatures are refused in words where the kernel does insist on them", async () => {
  const config = '[boot]\nfailure-delay = 1\n[modules]\nsignatures = "strip"\n';
  const built = generation({ kernel, initrd: "small", config });
  const ending = await boot(built, { commandLine: "module.sig_enforce=1" });
  expectRefusal(ending, /the kernel refused the module \w+: key was rejected \(EKEYREJECTED\)$/);
});
