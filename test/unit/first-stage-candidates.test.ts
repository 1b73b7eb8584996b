import { describe, expect, test } from "vitest";
import type { Boot, SimulatedKernel } from "../support/simulated-kernel/index.ts";
import {
  callsThatCanFail,
  expectOnlyVerifiedMounts,
  expectPolicy,
  failureOf,
  nextRootOf,
  timelineOf,
} from "./first-stage/faults.ts";
import { type Image, makeImage, withFlippedBit } from "./first-stage/image.ts";
import { logOf, planFor, type Story, tell } from "./first-stage/machine.ts";

/** The same tree twice, so that the next stage's root directory is the same whichever it is. */
const NEW = makeImage({ salt: "01" });
const PREVIOUS = makeImage({ salt: "02" });
const damaged = (image: Image): Image => withFlippedBit(image, image.dataOffset + 1024);
const withoutDisk = (image: Image): Image => ({ ...image, dataGuid: image.dataGuid.replace(/^./, "f") });

const isOfCandidate = (line: string) => /^(device|verity|mount) /.test(line);

/** A plan with both, new before previous; `more` stands at the end of each of the two. */
function planOf(first: Image, second: Image, ...more: readonly string[]): string[] {
  const start = planFor(first).filter((line) => !isOfCandidate(line));
  const [before, after] = [start.slice(0, 3), start.slice(3).filter((line) => !more.includes(line))];
  const stepsOf = (image: Image) => [...planFor(image).filter(isOfCandidate), ...more];
  return [...before, "candidate new", ...stepsOf(first), "candidate previous", ...stepsOf(second), "end", ...after];
}

/** A machine with a disk for each image. */
function storyOf(first: Image, second: Image, ...more: readonly string[]): Story {
  const plan = planOf(first, second, ...more).map((line) => line.replace("timeout=10s", "timeout=1s"));
  const hardware = (kernel: SimulatedKernel) => kernel.blockDevices.addDisk({ name: "sdb", content: second.disk });
  return { image: first, plan, hardware };
}

/** What there is beside files: mounts, with their types, and mapped devices. */
function stateOf({ kernel }: Boot): string[] {
  const mounts = [...kernel.mounts.all()].map(({ fileSystem }) => fileSystem.type);
  return [...mounts, ...[...kernel.deviceMapper.devices.values()].map(({ uuid }) => uuid)];
}

const OVERLAY = "overlay /lazyrd/new lower=/lazyrd/image";

describe("of two images", () => {
  const alone = tell({ image: PREVIOUS });

  test("the first one boots where it is sound", () => {
    const boot = tell(storyOf(NEW, PREVIOUS));
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expectOnlyVerifiedMounts(boot, NEW.rootHash);
    expect(logOf(boot).filter((line) => line.includes("candidate"))).toEqual(["candidate new it is"]);
  });

  test.each([
    [
      "is damaged",
      damaged(NEW),
      /^candidate new failed at plan line 8 \(verity\): the image is not the one .*; trying previous$/,
    ],
    [
      "is not there",
      withoutDisk(NEW),
      /^candidate new failed at plan line 6 \(device\): no partition .*; trying previous$/,
    ],
    [
      "is no file system",
      makeImage({ dataOnly: new Uint8Array(8192).fill(1) }),
      /^candidate new failed at plan line 9 \(mount\): cannot mount \/dev\/dm-0 as erofs: .*; trying previous$/,
    ],
  ])("the second one boots where the first one %s, and nothing of the first one is left", (_, first, reason) => {
    const boot = tell(storyOf(first, PREVIOUS));
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expectOnlyVerifiedMounts(boot, PREVIOUS.rootHash);
    expect(logOf(boot)).toContainEqual(expect.stringMatching(reason));
    expect(logOf(boot)).toContain("candidate previous it is");
    expect(stateOf(boot)).toEqual(stateOf(alone));
    expect(nextRootOf(boot)).toEqual(nextRootOf(alone));
    expect(timelineOf(boot).steps.map(({ step }) => step)).toContain(
      planOf(first, PREVIOUS).find((line) => line.includes(PREVIOUS.rootHash)),
    );
  });

  test("the policy is carried out where both are damaged, and both reasons can be read", () => {
    const boot = tell(storyOf(damaged(NEW), damaged(PREVIOUS)));
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(logOf(boot)).toContainEqual(expect.stringContaining(NEW.rootHash));
    expect(failureOf(boot)).toMatchObject({ line: 13, verb: "verity" });
    expect(failureOf(boot).message).toContain(PREVIOUS.rootHash);
    expectPolicy(boot, 5000);
    expectOnlyVerifiedMounts(boot);
  });

  test("a failure behind them is the plan's, whichever it was", () => {
    const story = storyOf(damaged(NEW), PREVIOUS);
    const plan = story.plan?.map((line) => line.replace("/init", "/none"));
    expect(failureOf(tell({ ...story, plan: plan ?? null }))).toMatchObject({ verb: "switch" });
  });

  test("mounts on mounts are taken back as well", () => {
    const story = storyOf(NEW, PREVIOUS, OVERLAY);
    const boot = tell({
      ...story,
      faults: [{ call: "mount", when: ({ args }) => args[2] === "overlay", nth: 1, errno: "EIO" }],
    });
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expect(stateOf(boot)).toEqual(stateOf(alone));
    expect(nextRootOf(boot)).toEqual(nextRootOf(alone));
  });

  test("what cannot be taken back is said", () => {
    const story = storyOf(makeImage({ dataOnly: new Uint8Array(8192).fill(1) }), PREVIOUS);
    const boot = tell({ ...story, faults: [{ call: "ioctl", nth: 5, errno: "EIO" }] });
    expect(logOf(boot)).toContain("cannot take back all that candidate new made: input/output error (EIO)");
    expect(failureOf(boot).message).toBe("cannot make the device root: device or resource busy (EBUSY)");
  });
});

const stories: Readonly<Record<string, Story>> = {
  "the first one sound": storyOf(NEW, PREVIOUS),
  "the first one damaged": storyOf(damaged(NEW), PREVIOUS),
  "an overlay in each": storyOf(NEW, PREVIOUS, OVERLAY),
};

describe.each(Object.entries(stories))("each system call of a boot with two candidates fails once: %s", (_, story) => {
  const good = tell(story);

  test("and the same root is reached, or the policy is carried out", () => {
    const ends = { exec: 0, reboot: 0 };
    const complaints: string[] = [];
    for (const call of callsThatCanFail(good)) {
      const boot = tell({ ...story, faults: [{ index: call.index, errno: "EIO" }] });
      try {
        expectOnlyVerifiedMounts(boot, NEW.rootHash, PREVIOUS.rootHash);
        if (boot.end.kind === "exec") {
          ends.exec++;
          expect(nextRootOf(boot)).toEqual(nextRootOf(good));
          expect(boot.kernel.descriptors.count).toBe(0);
          if (call.name !== "umount2") expect(boot.kernel.deviceMapper.devices.size).toBe(1);
        } else {
          ends.reboot++;
          expect(boot.end.kind).toBe("reboot");
          expectPolicy(boot, failureOf(boot).line === undefined ? 30_000 : 5000);
        }
      } catch (error) {
        complaints.push(`${call.index} ${call.name}(${call.args.join(", ")}): ${(error as Error).message}`);
      }
    }
    expect(complaints).toEqual([]);
    expect(Math.min(ends.exec, ends.reboot)).toBeGreaterThan(20);
  });

  test("and none of those that look at the first image stops the boot", () => {
    const from = good.calls.findIndex(({ name, args }) => name === "pread" && args[1] === 4096);
    const to = good.calls.findIndex(
      ({ name, args }, index) => index > from && name === "ioctl" && args[1] !== 0x80081272,
    );
    expect(to).toBeGreaterThan(from);
    for (const { index } of callsThatCanFail(good).filter(({ index }) => index >= from && index < to)) {
      expect(tell({ ...story, faults: [{ index, errno: "EIO" }] }).end.kind).toBe("exec");
    }
  });
});

test.each([
  ["an end of nothing", ["end"], "line 2 of the plan (end) ends no candidate"],
  [
    "a candidate without a name",
    ["candidate", "mount a b", "end"],
    "line 2 of the plan (candidate) names no candidate",
  ],
  [
    "a candidate without steps",
    ["candidate a", "candidate b"],
    "line 3 of the plan (candidate) comes before any step of the candidate",
  ],
  ["candidates without an end", ["candidate a", "mount a b"], "the plan's candidates have no end"],
  ...["failure panic", "graft a b", "forward a", "switch a b"].map((line): [string, string[], string] => [
    `a candidate with ${line}`,
    ["candidate a", line, "end"],
    `line 3 of the plan (${line.split(" ")[0]}) cannot be taken back, so it must not stand in a candidate`,
  ]),
])("%s is refused before the first step", (_, plan, message) => {
  const boot = tell({ plan });
  expect(failureOf(boot)).toEqual({ line: undefined, verb: undefined, message });
  expect(boot.end).not.toMatchObject({ kind: "exec" });
});
