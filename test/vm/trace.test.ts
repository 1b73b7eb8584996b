import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FileSource } from "../../src/host/index.ts";
import { parseProfile } from "../../src/profile/index.ts";
import {
  type Analysis,
  analyseTrace,
  mapImage,
  parseTrace,
  profileOfTouched,
  type Trace,
} from "../../src/trace/index.ts";
import { lazyrd } from "../support/cli.ts";
import { initrdFixture, kernelFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { QUICK_BOOT } from "../support/vm-story.ts";

const KERNEL = "6.12-amd64";
/** However busy this machine is. */
const PATIENCE = ["--timeout", "100000"];

const DRIVERS = ["--drivers", "virtio_blk,nvme"];
/** Another machine: its disk, and drivers of the image that the first one has no use for. */
const OTHER_MACHINE = ["--disk", "nvme", "--append", `${QUICK_BOOT} rd.driver.pre=ixgbe`];
const OTHER_DRIVER = /\/ixgbe\.ko/;

/** Builds into `folder`. */
function build(folder: string, ...flags: string[]): void {
  const { vmlinuz, modules } = kernelFixture(KERNEL);
  const { status, stderr } = lazyrd([
    ...["build", "-q", "--kernel", vmlinuz, "--modules", modules, "--initrd", initrdFixture("dracut", KERNEL)],
    ...["-o", folder, ...DRIVERS, ...flags],
  ]);
  expect([status, stderr]).toEqual([0, expect.any(String)]);
}

function traced(folder: string, output: string, ...flags: string[]): Trace {
  const { status, stderr } = lazyrd(["trace", folder, "-q", "-o", output, ...PATIENCE, ...flags]);
  expect([status, stderr]).toEqual([0, ""]);
  return parseTrace(readFileSync(output, "utf8"));
}

async function analysed(folder: string, trace: Trace): Promise<Analysis> {
  const source = new FileSource(join(folder, "image.raw"), "the image");
  try {
    return analyseTrace(trace, await mapImage(source, trace.boot.rootHash ?? ""));
  } finally {
    source.close();
  }
}

test("a traced boot tells which files are used, and an image built by its profile has them together", async () => {
  const output = tempFolder();
  const inOutput = (name: string): string => join(output, name);
  const [folder, rebuilt, profile] = [inOutput("a"), inOutput("b"), inOutput("merged.profile")];
  const [virtioTrace, nvmeTrace] = [inOutput("virtio.trace"), inOutput("nvme.trace")];
  build(folder);
  const onVirtio = traced(folder, virtioTrace, "--exact", "--append", QUICK_BOOT);
  const before = await analysed(folder, onVirtio);
  const used = new Map(before.content?.files.map((file) => [file.path, file]));
  expect(used.get("usr/lib/systemd/systemd")?.touchedBytes).toBeGreaterThan(0);
  expect(used.get("usr/lib/systemd/systemd")?.readBytes).toBeGreaterThan(0);
  expect(before.content?.readPerTouched).toBeGreaterThan(1);
  expect(onVirtio.modules?.find(({ name }) => name === "erofs")?.loadNs).toBeGreaterThan(0);
  expect(onVirtio.milestones.map(({ name }) => name)).toContain("initrd-target");

  // What only the other machine reads follows what the first one does, which stays as it was.
  const onNvme = traced(folder, nvmeTrace, ...OTHER_MACHINE);
  expect(lazyrd(["profile", virtioTrace, nvmeTrace, "-o", profile])).toMatchObject({ status: 0, stderr: "" });
  const { entries } = parseProfile(readFileSync(profile, "utf8"));
  const ofFirst = profileOfTouched(onVirtio)?.entries ?? [];
  expect(entries.slice(0, ofFirst.length - 1)).toEqual(ofFirst.slice(0, -1));
  expect(entries.findIndex(({ path }) => OTHER_DRIVER.test(path))).toBeGreaterThanOrEqual(ofFirst.length);

  // What either of them uses lies in fewer places now.
  build(rebuilt, "--profile", profile);
  const again = traced(rebuilt, inOutput("again.trace"), ...OTHER_MACHINE);
  const [nvmeBefore, nvmeAfter] = [await analysed(folder, onNvme), await analysed(rebuilt, again)];
  expect(nvmeAfter.disk.runs).toBeLessThan(nvmeBefore.disk.runs);
  expect(nvmeAfter.disk.requests).toBeLessThan(nvmeBefore.disk.requests);
  const after = await analysed(rebuilt, { ...again, touched: onVirtio.touched });
  expect(after.content?.touchedBytes).toBeLessThan(before.content?.touchedBytes ?? 0);
  expect(again.steps.find(({ outcome }) => outcome.includes("KiB prefetched"))).toMatchObject({ verb: "mount" });

  const classic = traced(
    folder,
    inOutput("classic.trace"),
    "--classic",
    "--append",
    QUICK_BOOT,
    "--until",
    "Run /init as init process",
  );
  // A classic boot reads nothing of the image: all of it is in memory.
  expect([classic.boot.way, classic.reads]).toEqual(["classic", []]);
  expect(classic.memory.find(({ what }) => what === "total")?.bytes).toBeGreaterThan(2 ** 30);
});
