import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Measurement } from "../../src/measure/index.ts";
import { regularFile } from "../../src/tree/index.ts";
import { encodeArchive } from "../support/build-inputs.ts";
import { lazyrd } from "../support/cli.ts";
import { initrdFixture, type KernelFlavour, kernelFixture, rootFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { smallInitrd } from "../support/vm-programs.ts";
import { QUICK_BOOT } from "../support/vm-story.ts";

/** What the init of initramfs-tools says first, by which a boot is known to have come so far. */
const STORY = "/bin/busybox echo 'Loading, please wait...'\n";

/** What `lazyrd bench` measures of the small initrd. */
function benchSmall(kernel: KernelFlavour, variants: string): Measurement[] {
  const { vmlinuz, modules } = kernelFixture(kernel);
  const initrd = join(tempFolder(), "initrd");
  const tree = smallInitrd();
  tree.set("story", regularFile(Buffer.from(STORY)));
  writeFileSync(initrd, encodeArchive(tree));
  return bench(["-k", vmlinuz, "-i", initrd, "-m", modules, "--variants", variants]);
}

function bench(flags: readonly string[]): Measurement[] {
  const often = ["--json", "-q", "--runs", "1", "--append", QUICK_BOOT, "--timeout", "100000"];
  const { status, stdout, stderr } = lazyrd(["bench", ...often, ...flags]);
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout).measurements;
}

const namesIn = (measured: Measurement | undefined) => measured?.milestones.map(({ name }) => name);

test("an initrd is measured as it is, and as lazyrd splits it", () => {
  const [classic, lazy] = benchSmall("6.1-cloud-amd64", "classic,lazy-none-strip");
  expect(classic).toMatchObject({ failure: null, imageBytes: 0, contentBytes: lazy?.contentBytes });
  expect(lazy?.failure).toBeNull();
  expect(lazy?.reads.bytes).toBeGreaterThan(0);
  expect(lazy?.loadedBytes).toBeLessThan(classic?.loadedBytes ?? 0);
  expect(namesIn(classic)).toEqual(["kernel", "unpack", "first-stage", "next-stage"]);
  expect(namesIn(lazy)).toEqual(["kernel", "unpack", "first-stage", "switch", "next-stage"]);
});

test("an image is measured wherever it lives", () => {
  const layouts = ["boot", "esp", "usr-file", "memory", "pmem", "network"];
  const measured = benchSmall("6.12-amd64", layouts.map((layout) => `${layout}-none-strip`).join());
  expect(measured.map(({ failure }) => failure)).toEqual(layouts.map(() => null));
  const [boot, esp, usrFile, memory, pmem, network] = measured;
  for (const onDisk of [boot, esp, usrFile]) {
    expect(onDisk?.reads.bytes).toBeGreaterThan(0);
    expect(onDisk?.reads.bytes).toBeLessThan(onDisk?.imageBytes ?? 0);
  }
  // No disk is asked for what is in memory, and a server for all of it at once.
  expect([memory, pmem].map((inMemory) => inMemory?.reads.requests)).toEqual([0, 0]);
  expect(network?.reads.requests).toBe(1);
  expect(network?.reads.bytes).toBeGreaterThanOrEqual(network?.imageBytes ?? 0);
});

test("a boot is measured until the system behind the initrd is up, on a root that it can write to", () => {
  const { vmlinuz, modules } = kernelFixture("6.12-amd64");
  const initrd = initrdFixture("dracut", "6.12-amd64");
  const inputs = ["-k", vmlinuz, "-i", initrd, "-m", modules, "--root", rootFixture()];
  const [lazy, system] = bench([...inputs, "--until", "multi-user", "--variants", "lazy-lz4-strip,system-lz4-strip"]);
  const beforeTheEnd = ["kernel", "unpack", "first-stage", "switch", "next-stage"];
  expect(namesIn(lazy)).toEqual([...beforeTheEnd, "initrd-target", "switch-root", "multi-user"]);
  // systemd starts once.
  expect(namesIn(system)).toEqual([...beforeTheEnd, "multi-user"]);
});
