import { expect, test } from "vitest";
import type { Generation } from "../../src/build/index.ts";
import type { Disk } from "../../src/vm/index.ts";
import { bootDisk, bootFiles, configOnBoot, pathOnBoot } from "../support/vm-boot-partition.ts";
import { damagedImage, imageDisk, mapImage, slotsDisk } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";
import { boot, type Ending, failures, says } from "../support/vm-story.ts";

const kernel = "6.12-amd64";
/** Far more than any of these boots takes: what is missing must not be waited for as long. */
const TIMEOUT_SECONDS = 100;
const SETTINGS = `[boot]\nfailure-delay = 1\ntimeout = ${TIMEOUT_SECONDS}\n[image]\n`;

/** A generation, and the one before it, to whose image it falls back. */
function pair(location: string): { readonly fresh: Generation; readonly previous: Generation } {
  const settings = location === "" ? "[location]\n" : location;
  const previous = generation({
    kernel,
    initrd: "small",
    config: `${settings}${SETTINGS}compression = "none"\nversion = "1"\n`,
  });
  const fallback = `previous = ${JSON.stringify([previous.folder])}\n`;
  const fresh = generation({ kernel, initrd: "small", config: `${settings}${fallback}${SETTINGS}version = "2"\n` });
  return { fresh, previous };
}

const onPartitions = pair("");
const { fresh, previous } = onPartitions;

const PASSED_OVER =
  /lazyrd: candidate new failed at plan line \d+ \(verity\): the image is not the one with the root hash [0-9a-f]{64}: it was damaged or exchanged; trying previous$/;
const superblockOf = (built: Generation): number => mapImage(built).data + 1024;

async function start(disks: readonly Disk[], built = fresh): Promise<Ending> {
  const append = smallProbe({
    mounts: "bb cat /proc/mounts",
    dm: "bb cat /sys/block/dm-*/dm/uuid",
    log: "bb dmesg | bb grep 'lazyrd: switch'",
  });
  return await boot(built, { append, disks });
}

/** That the next stage came from the previous image, and that nothing is left of the new one: neither its device nor a mount. */
function expectPrevious({ report }: Ending, { manifest }: Generation): void {
  if (report === undefined) throw new Error("The probe in the previous image did not report");
  expect(section(report, "dm")).toContain(`CRYPT-VERITY-${manifest.image.rootHash.slice(0, 32)}-root`);
  expect(section(report, "dm").filter((uuid) => uuid.startsWith("CRYPT-VERITY"))).toHaveLength(1);
  expect(section(report, "mounts").filter((line) => line.includes("erofs"))).toEqual([]);
}

/** That what is missing was looked for, and not for as long as the only image would have been. */
function expectNoWait(ending: Ending): void {
  expect(
    ending.console.filter((line) => /candidate new failed .* after 3 s; .*; trying previous$/.test(line)),
  ).toHaveLength(1);
  const [line = ""] = ending.report === undefined ? [] : section(ending.report, "log");
  const milliseconds = Number(/ after ([\d.]+) ms/.exec(line)?.[1]);
  expect(milliseconds / 1000).toBeLessThan(TIMEOUT_SECONDS / 2);
}

test.each([
  [
    "superblock",
    "in slots of one disk",
    () => [slotsDisk(imageDisk(previous), damagedImage(fresh, superblockOf(fresh)))],
  ],
  [
    "tree of hashes",
    "on a disk of its own",
    () => [damagedImage(fresh, mapImage(fresh).topHashes), imageDisk(previous)],
  ],
])(
  "a machine whose new image has a flipped bit in its %s, %s, boots the previous one, and says why",
  async (_, _place, disks) => {
    const ending = await start(disks());
    expect(ending.console.filter((line) => PASSED_OVER.test(line))).toHaveLength(1);
    expectPrevious(ending, previous);
  },
);

test("a machine without the new image boots the previous one, and does not wait for the new one for long", async () => {
  const ending = await start([imageDisk(previous)]);
  expectPrevious(ending, previous);
  expectNoWait(ending);
});

test("a machine with two sound images boots the new one", async () => {
  const ending = await start([slotsDisk(imageDisk(previous), imageDisk(fresh))]);
  expect(says(ending, "lazyrd: candidate new it is")).toBe(true);
  expect(ending.report).toBeDefined();
});

test("a machine both of whose images are damaged restarts, and says what is wrong with each", async () => {
  const disks = [fresh, previous].map((built) => damagedImage(built, superblockOf(built)));
  const ending = await start(disks);
  expect(ending.console.filter((line) => PASSED_OVER.test(line))).toHaveLength(1);
  expect(failures(ending)).toEqual([
    expect.stringContaining(
      `(verity): the image is not the one with the root hash ${previous.manifest.image.rootHash}`,
    ),
    "rebooting in 1 s",
  ]);
  expect(ending.reason).toBe("guest-reset");
});

test("a boot partition whose new image is damaged, or is not there, has the previous one", async (context) => {
  const onBoot = pair(configOnBoot("ext4"));
  const damaged = damagedImage(onBoot.fresh, superblockOf(onBoot.fresh));
  const both = { ...bootFiles(onBoot.previous), [pathOnBoot(onBoot.fresh)]: damaged.path };
  const first = await start([bootDisk(context, "ext4", both)], onBoot.fresh);
  expect(first.console.filter((line) => PASSED_OVER.test(line))).toHaveLength(1);
  expectPrevious(first, onBoot.previous);

  const second = await start([bootDisk(context, "ext4", bootFiles(onBoot.previous))], onBoot.fresh);
  expectPrevious(second, onBoot.previous);
  expectNoWait(second);
});
