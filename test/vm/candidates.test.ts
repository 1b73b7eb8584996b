import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Generation } from "../../src/build/index.ts";
import { byteStringBytes } from "../../src/bytes/index.ts";
import { regularFile } from "../../src/tree/index.ts";
import type { Disk } from "../../src/vm/index.ts";
import { damagedImage, imageDisk, mapImage } from "../support/vm-disks.ts";
import { changedFirstStage, generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";
import { boot, failures, says } from "../support/vm-story.ts";

const kernel = "6.12-amd64";
const FAILURE = "[boot]\nfailure-delay = 1\n";
const fresh = generation({ kernel, initrd: "small", config: FAILURE });
const previous = generation({ kernel, initrd: "small", config: `${FAILURE}[image]\ncompression = "none"\n` });

const stepsOf = (built: Generation): string[] => readFileSync(built.path("plan"), "latin1").trimEnd().split("\n");
const isOfCandidate = (line: string): boolean => /^(device|verity|mount) /.test(line);

/** The first stage of the new generation, which takes the previous one's image where its own does not verify. */
const initrd = await changedFirstStage(fresh, (tree) => {
  const own = stepsOf(fresh);
  const start = own.findIndex(isOfCandidate);
  const plan = [
    ...own.slice(0, start),
    ...["candidate new", ...own.filter(isOfCandidate)],
    ...["candidate previous", ...stepsOf(previous).filter(isOfCandidate), "end"],
    ...own.slice(start).filter((line) => !isOfCandidate(line)),
  ];
  tree.set("lazyrd/plan", regularFile(byteStringBytes(`${plan.join("\n")}\n`)));
});

const PASSED_OVER =
  /lazyrd: candidate new failed at plan line \d+ \(verity\): the image is not the one with the root hash [0-9a-f]{64}: it was damaged or exchanged; trying previous$/;
const superblockOf = (built: Generation): number => mapImage(built).data + 1024;

async function start(disks: readonly Disk[]) {
  const append = smallProbe({ mounts: "bb cat /proc/mounts", dm: "bb cat /sys/block/dm-*/dm/uuid" });
  return await boot(fresh, { initrd, append, disks });
}

test.each([
  ["superblock", () => damagedImage(fresh, superblockOf(fresh))],
  ["tree of hashes", () => damagedImage(fresh, mapImage(fresh).topHashes)],
])("a machine whose new image has a flipped bit in its %s boots the previous one, and says why", async (_, disk) => {
  const ending = await start([disk(), imageDisk(previous)]);
  if (ending.report === undefined) throw new Error("The probe in the previous image did not report");
  expect(ending.console.filter((line) => PASSED_OVER.test(line))).toHaveLength(1);
  // Nothing is left of the new one: neither its device nor a mount.
  const uuid = `CRYPT-VERITY-${previous.manifest.image.rootHash.slice(0, 32)}-root`;
  expect(section(ending.report, "dm")).toEqual([uuid]);
  expect(section(ending.report, "mounts").filter((line) => line.includes("erofs"))).toEqual([]);
});

test("a machine with two sound images boots the new one", async () => {
  const ending = await start([imageDisk(fresh), imageDisk(previous)]);
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
