import { expect, test } from "vitest";
import { regularFile } from "../../src/tree/index.ts";
import { emptyDisk } from "../support/vm-disks.ts";
import { changedFirstStage, generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";
import { addBusybox } from "../support/vm-programs.ts";
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

test("the command line opens the first stage's shell at a break point, and shows all on a quiet console", async () => {
  const built = generation({ kernel: "6.12-amd64", initrd: "small" });
  const script = `#!/bin/busybox sh
    echo "shell in session $(/bin/busybox cut -d' ' -f6 /proc/$$/stat) of $$ with $# arguments, image: $(echo /dev/dm-*)"
    exit 1`;
  const initrd = await changedFirstStage(built, (tree) => {
    addBusybox(tree);
    tree.setWithParents("lazyrd/sh", regularFile(Buffer.from(script), { permissions: 0o755 }));
  });
  const commandLine = `${QUIET} lazyrd.debug lazyrd.break=verity,switch`;
  const ending = await boot(built, { initrd, commandLine, append: smallProbe() });
  const shells = ending.console.flatMap((line) => /shell in session (\d+) of (\d+) (.*)$/.exec(line)?.slice(1) ?? []);
  const [session, itself, ...first] = shells.slice(0, 3);
  expect(session).toBe(itself);
  expect([...first, shells[5]]).toEqual(["with 0 arguments, image: /dev/dm-*", "with 0 arguments, image: /dev/dm-0"]);
  expect(says(ending, "lazyrd: mount /dev/dm-0 at /lazyrd/image")).toBe(true);
  expect(ending.report).toBeDefined();
});
