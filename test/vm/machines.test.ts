import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readInitramfs } from "../../src/formats/cpio/index.ts";
import { initrdFixture } from "../support/fixtures.ts";
import { treeOfImage } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { probeFor, section, smallProbe, USUAL_SECTIONS } from "../support/vm-probe.ts";
import { boot, bootToReport } from "../support/vm-story.ts";

const kernel = "6.12-amd64";

const processors = [
  { cpuModel: "max", hasSsse3: true },
  { cpuModel: "Nehalem", hasSsse3: true },
  { cpuModel: "qemu64", hasSsse3: false },
] as const;

for (const { cpuModel, hasSsse3 } of processors) {
  test(`a ${cpuModel} ${hasSsse3 ? "hashes with SSSE3" : "is not asked for SSSE3 that it has not"}`, async () => {
    const built = generation({ kernel, initrd: "small" });
    const report = await bootToReport(built, { append: smallProbe(), cpuModel });
    expect(section(report, "modules").includes("sha256_ssse3")).toBe(hasSsse3);
    expect(section(report, "dm")).toHaveLength(1);
  });
}

test("microcode stays in front of the first stage, as it was, and out of the image", async () => {
  const built = generation({ kernel, initrd: "dracut-microcode" });
  const original = readFileSync(initrdFixture("dracut-microcode", kernel));
  const [early] = (await readInitramfs(original)).segments;
  expect(early).toMatchObject({ early: true, method: "none", offset: 0 });
  const firstStage = readFileSync(built.path("firstStage"));
  expect(firstStage.subarray(0, early?.length).equals(original.subarray(0, early?.length))).toBe(true);
  expect(treeOfImage(built).get("kernel")).toBeUndefined();
  // Nor is it taken along to the next stage as something that a loader appended.
  const report = await bootToReport(built, {
    append: probeFor("dracut", { ...USUAL_SECTIONS, root: "bb ls -A -1 /" }),
  });
  expect(section(report, "root")).toContain("usr");
  expect(section(report, "root")).not.toContain("kernel");
});

/**
 * What a boot needs of memory: unpacked, this initrd has 150 MB, of which systemd's start reads a small part. In
 * trials lazyrd booted with 160 MiB; the initrd as it was booted with 448 MiB and neither with 384 nor with 320.
 */
const SMALL_MEMORY_MIB = 256;

test(`with ${SMALL_MEMORY_MIB} MiB of memory lazyrd boots where the initrd as it was cannot`, async () => {
  const built = generation({ kernel, initrd: "dracut" });
  const story = { append: probeFor("dracut"), memoryMib: SMALL_MEMORY_MIB };
  await bootToReport(built, story);
  const initrd = readFileSync(initrdFixture("dracut", kernel));
  const classic = await boot(built, { ...story, initrd, until: /Kernel panic|System halted/ });
  expect(classic.report).toBeUndefined();
  expect(classic.end).toBe("reached");
});
