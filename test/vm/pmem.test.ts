import { expect, test } from "vitest";
import { generation } from "../support/vm-generations.ts";
import { type Report, section, smallProbe, USUAL_SECTIONS } from "../support/vm-probe.ts";
import { LARGE_FILE } from "../support/vm-programs.ts";
import { boot, bootToReport, says } from "../support/vm-story.ts";

/** The same files in the same kind of image, so that what differs is where that lives. */
const generationIn = (layout: string, location = "") =>
  generation({
    kernel: "6.12-amd64",
    initrd: "huge",
    config: `layout = "${layout}"\n[location]\n${location}\n[image]\ncompression = "none"\n`,
  });

/** What of memory is in use before and after the next stage has read the large file, and the usual. */
const SECTIONS = {
  before: "bb cat /proc/meminfo",
  size: `bb cat /${LARGE_FILE} | bb wc -c`,
  after: "bb cat /proc/meminfo",
  ...USUAL_SECTIONS,
};

test("an image in memory that is a disk takes less of the rest than one in the initrd, with DAX for programs, too", async () => {
  const built = generationIn("memory");
  const inInitrd = await bootToReport(built, { append: smallProbe(SECTIONS), disks: [] });
  const story = { append: smallProbe(SECTIONS), imageInMemory: "ordinary" as const };
  const inPmem = await bootToReport(generationIn("pmem"), story);
  const direct = await bootToReport(generationIn("pmem", "dax = true"), story);

  const logOf = (report: Report): string => section(report, "log").join("\n");
  expect(logOf(inPmem)).toMatch(/device data is \/dev\/pmem0p1/);
  expect(logOf(inPmem)).toMatch(/mount \/dev\/dm-0 at \/lazyrd\/image/);
  expect(logOf(direct)).toMatch(/check root/);
  expect(logOf(direct)).toMatch(/mount \/dev\/pmem0p1 at \/lazyrd\/image/);

  const file = Number(section(direct, "size")[0]);
  // The copy in a file system of memory is not there.
  const copyOf = (report: Report): number => meminfo(report, "before", "Shmem");
  expect(copyOf(inInitrd)).toBeGreaterThan(file);
  for (const report of [inPmem, direct]) {
    expect(copyOf(report)).toBeLessThan(file * SMALL_PART);
    expect(inUse(inInitrd, "before") - inUse(report, "before")).toBeGreaterThan(file * (1 - SMALL_PART));
  }
  // What is read is in memory a second time, except with DAX.
  const growth = (report: Report): number => inUse(report, "after") - inUse(report, "before");
  expect(growth(inPmem)).toBeGreaterThan(file * (1 - SMALL_PART));
  expect(growth(direct)).toBeLessThan(file * SMALL_PART);
});

test.each([
  { kernel: "6.12-amd64", device: "nvdimm", dax: true },
  { kernel: "6.1-amd64", device: "nvdimm", dax: false },
  { kernel: "6.12-amd64", device: "virtio-pmem", dax: false },
  { kernel: "6.1-amd64", device: "virtio-pmem", dax: true },
] as const)("$kernel finds an image in memory of its own: $device, dax = $dax", async ({ kernel, device, dax }) => {
  const config = `layout = "pmem"\n[location]\ndax = ${dax}\n[image]\ncompression = "none"\n`;
  const built = generation({ kernel, initrd: "small", config });
  const ending = await boot(built, { append: smallProbe(), imageInMemory: device });
  if (ending.report === undefined) throw new Error("The probe in the image did not report");
  const log = section(ending.report, "log").join("\n");
  expect(log).toMatch(/device data is \/dev\/pmem0p1/);
  expect(log).toMatch(dax ? /check root[\s\S]*mount \/dev\/pmem0p1 at/ : /mount \/dev\/dm-0 at/);
  // Of an NVDIMM's memory as it is, Linux has no page structures, without which there is no DAX.
  expect(says(ending, "DAX unsupported by block device. Turning off DAX.")).toBe(dax && device === "nvdimm");
  // The device ends where the image ends.
  expect(says(ending, "GPT:")).toBe(false);
});

const SMALL_PART = 0.1;
type Moment = "before" | "after";

/** Bytes of the memory that the kernel manages, which the image's own memory does not belong to. */
function inUse(report: Report, moment: Moment): number {
  return meminfo(report, moment, "MemTotal") - meminfo(report, moment, "MemFree");
}

function meminfo(report: Report, moment: Moment, name: string): number {
  const line = section(report, moment).find((text) => text.startsWith(`${name}:`));
  return Number(/(\d+) kB/.exec(line ?? "")?.[1]) * 1024;
}
