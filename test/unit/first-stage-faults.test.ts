import { describe, expect, test } from "vitest";
import { directory, regularFile, symlink, type Tree } from "../../src/tree/index.ts";
import type { ErrnoName } from "../support/simulated-kernel/index.ts";
import {
  callsThatCanFail,
  expectOnlyVerifiedMounts,
  expectPolicy,
  failEachCall,
  failureOf,
  goodBoot,
} from "./first-stage/faults.ts";
import { makeImage, withFlippedBit } from "./first-stage/image.ts";
import { changedPlan, planFor, type Story, tell, textOf } from "./first-stage/machine.ts";

/** More than 128 blocks: the tree has two levels. */
const image = makeImage({ blocks: 129 });

function append(tree: Tree): void {
  tree.setWithParents(".extra/credentials/key", regularFile(Buffer.from("secret"), { permissions: 0o400 }));
  tree.setWithParents("lib/firmware/added.bin", regularFile(Buffer.from("x"), { uid: 7, permissions: 0o4711 }));
  tree.setWithParents("etc/added", symlink("initrd-release"));
  tree.setWithParents("var/shared", directory({ uid: 8, gid: 9, permissions: 0o2775 }));
}

const graft = ["mount none /lazyrd/root tmpfs options=mode=0755", "graft /lazyrd/new /lazyrd/root"];
const stories: Readonly<Record<string, Story>> = {
  "an overlay and appended files": { image, append },
  "a root that can be left with pivot_root": { image, pivotRootFromRootfs: true },
  "a disk that is late, and an image whose start is prefetched": {
    image,
    disk: { partitionsAfterMs: 800 },
    plan: changedPlan(image, (line) => line.replace(/^mount .*/, "$& prefetch=300")),
  },
  "an image that is grafted into a tmpfs": {
    image,
    plan: changedPlan(image, (line) =>
      line.startsWith("switch ")
        ? [...graft, "switch /lazyrd/root /init"]
        : line.replace(/^forward .*/, "# no forward"),
    ),
  },
};

// EIO is what nobody expects; the others are answers that some step knows what to do about.
const ERRNOS: readonly ErrnoName[] = ["EIO", "ENOENT", "EINVAL"];

describe.each(Object.entries(stories))("each system call of a boot with %s fails once", (_name, story) => {
  const good = goodBoot(story);

  test.each(ERRNOS)("with %s", (errno) => {
    const ends = failEachCall(good, errno);
    // Both kinds occur, or the test looks at nothing.
    expect(Math.min(ends.exec, ends.reboot)).toBeGreaterThan(20);
  });
});

describe("from some point on, nothing works any more", () => {
  const story: Story = { image, plan: planFor(image).map((line) => line.replace("timeout=10s", "timeout=1s")) };
  const good = goodBoot(story);

  test("and the first stage ends all the same, without an unverified mount", () => {
    for (let from = 0; from < good.boot.calls.length; from++) {
      const boot = tell({ ...story, faults: [{ from, errno: "EIO" }] });
      expectOnlyVerifiedMounts(boot, image.rootHash);
      // Not even reboot(2) works: PID 1 ends, and the kernel with it.
      expect(boot.end, `from call ${from} on`).toEqual({ kind: "panic", reason: "PID 1 ended" });
    }
  });

  const names = [...new Set(good.boot.calls.map(({ name }) => name))].filter((name) => name !== "clock");
  test.each([...names, "sleep", "reboot", "wait_readable"])("of one kind: %s", (call) => {
    const boot = tell({ ...story, disk: { partitionsAfterMs: 100 }, faults: [{ call, errno: "EIO" }] });
    expectOnlyVerifiedMounts(boot, image.rootHash);
    expect(["exec", "reboot"]).toContain(boot.end.kind);
    if (boot.end.kind === "exec") expect(boot.kernel.files.text("/init")).toBe(good.boot.kernel.files.text("/init"));
  });
});

describe("each system call of a boot that cannot succeed fails, too", () => {
  const wrong = { ...withFlippedBit(image, image.dataOffset), rootHash: image.rootHash };
  const story: Story = { image: wrong, plan: planFor(image) };
  const bad = tell(story);

  test("and nothing is mounted, and the reason can be read", () => {
    expect(failureOf(bad)).toMatchObject({ verb: "verity" });
    for (const call of callsThatCanFail(bad)) {
      const boot = tell({ ...story, faults: [{ index: call.index, errno: "EIO" }] });
      expect(boot.calls.filter(({ name, args }) => name === "mount" && args[2] === "erofs")).toEqual([]);
      expect(boot.end.kind, `${call.index} ${call.name}`).toBe(call.name === "reboot" ? "panic" : "reboot");
      expect(textOf(boot)).toContain("FAILED");
      if (call.name === "sleep" || call.name === "reboot") continue;
      expectPolicy(boot, failureOf(boot).line === undefined ? 30_000 : 5000);
    }
  });
});
