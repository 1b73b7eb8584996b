import { expect, test } from "vitest";
import { emptyDisk } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";
import { boot, failures, says } from "../support/vm-story.ts";

/** Behind the story's own console settings: the last one counts. */
const QUIET = "quiet loglevel=3";

test("on a quiet console a boot that succeeds says nothing", async () => {
  const built = generation({ kernel: "6.12-amd64", initrd: "small" });
  const ending = await boot(built, { append: smallProbe(), commandLine: QUIET });
  expect(ending.report && section(ending.report, "log").at(-1)).toContain("lazyrd: switch to /init");
  expect(says(ending, "lazyrd")).toBe(false);
});

test("on a quiet console a boot that fails says why, and what will happen", async () => {
  const config = "[boot]\nfailure-delay = 1\ntimeout = 1\n";
  const built = generation({ kernel: "6.12-amd64", initrd: "small", config });
  const ending = await boot(built, { disks: [emptyDisk("virtio-blk")], commandLine: QUIET });
  expect(failures(ending)).toEqual([
    expect.stringMatching(/^FAILED at plan line \d+ \(device\): no partition with PARTUUID /),
    "rebooting in 1 s",
  ]);
});
