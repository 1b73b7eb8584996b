import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Measurement } from "../../src/measure/index.ts";
import { regularFile } from "../../src/tree/index.ts";
import { encodeArchive } from "../support/build-inputs.ts";
import { lazyrd } from "../support/cli.ts";
import { kernelFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { smallInitrd } from "../support/vm-programs.ts";
import { QUICK_BOOT } from "../support/vm-story.ts";

/** What the init of initramfs-tools says first, by which a boot is known to have come so far. */
const STORY = "/bin/busybox echo 'Loading, please wait...'\n";

test("an initrd is measured as it is, and as lazyrd splits it", () => {
  const { vmlinuz, modules } = kernelFixture("6.1-cloud-amd64");
  const initrd = join(tempFolder(), "initrd");
  const tree = smallInitrd();
  tree.set("story", regularFile(Buffer.from(STORY)));
  writeFileSync(initrd, encodeArchive(tree));

  const variants = [
    "--variants",
    "classic,lazy-none-strip",
    "--runs",
    "1",
    "--append",
    QUICK_BOOT,
    "--timeout",
    "100000",
  ];
  const { status, stdout, stderr } = lazyrd([
    ...["bench", "--json", "-q", "-k", vmlinuz, "-i", initrd, "-m", modules, ...variants],
  ]);
  expect([status, stderr]).toEqual([0, ""]);
  const [classic, lazy]: Measurement[] = JSON.parse(stdout).measurements;
  expect(classic).toMatchObject({ failure: null, imageBytes: 0, contentBytes: lazy?.contentBytes });
  expect(lazy?.failure).toBeNull();
  expect(lazy?.reads.bytes).toBeGreaterThan(0);
  expect(lazy?.loadedBytes).toBeLessThan(classic?.loadedBytes ?? 0);
  const names = (measured: Measurement | undefined) => measured?.milestones.map(({ name }) => name);
  expect(names(classic)).toEqual(["kernel", "unpack", "first-stage", "next-stage"]);
  expect(names(lazy)).toEqual(["kernel", "unpack", "first-stage", "switch", "next-stage"]);
});
