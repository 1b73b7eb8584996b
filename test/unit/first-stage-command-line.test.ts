import { describe, expect, test } from "vitest";
import { byteStringBytes } from "../../src/bytes/index.ts";
import { regularFile, type Tree } from "../../src/tree/index.ts";
import type { SimulatedKernel } from "../support/simulated-kernel/index.ts";
import { callsThatCanFail, expectPolicy, failureOf } from "./first-stage/faults.ts";
import { makeImage, withFlippedBit } from "./first-stage/image.ts";
import { changedPlan, IMAGE, logOf, planFor, planWith, type Story, tell } from "./first-stage/machine.ts";

const withShell = (tree: Tree): void => {
  tree.setWithParents("lazyrd/sh", regularFile(byteStringBytes("\x7fELF shell"), { permissions: 0o755 }));
};
const forks = (boot: ReturnType<typeof tell>): number => boot.calls.filter(({ name }) => name === "fork").length;

describe("what is not for the first stage", () => {
  test.each([
    "",
    "quiet root=/dev/sda1 rd.debug",
    "lazyrd lazyrd_debug=1 my.lazyrd.debug",
    "-- lazyrd.debug lazyrd.break",
    'dyndbg="file lazyrd.c +p; lazyrd.debug" quiet',
  ])("changes nothing: %s", (commandLine) => {
    const boot = tell({ commandLine });
    expect(logOf(boot)).toEqual(logOf(tell()));
  });

  test.each([
    "lazyrd.verity=off",
    "lazyrd.debug=1",
    "lazyrd.image=",
    "lazyrd.timeout=",
    "lazyrd.timeout=s",
    "lazyrd.timeout=-1",
    "lazyrd.timeout=3601",
    "lazyrd.",
  ])("is named, and changes nothing else: %s", (word) => {
    const boot = tell({ commandLine: `quiet ${word} rw` });
    expect(logOf(boot)[0]).toBe(`not understood on the command line: ${word}`);
    expect(logOf(boot).length).toBe(logOf(tell()).length + 1);
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
  });
});

describe("with quiet", () => {
  const quiet: Story = { consoleLevel: 4 };

  test("the console stays empty as long as nothing is wrong", () => {
    expect(tell(quiet).kernel.log.console).toBe("");
  });

  test("lazyrd.debug shows everything all the same, once", () => {
    const boot = tell({ ...quiet, commandLine: "quiet lazyrd.debug" });
    const shown = boot.kernel.log.console.trimEnd().split("\r\n");
    expect(shown).toEqual(logOf(boot).map((line) => `lazyrd: ${line}`));
  });

  test("lazyrd.debug says nothing twice where the kernel shows it", () => {
    const boot = tell({ commandLine: "lazyrd.debug" });
    const withoutTimes = (text: string): string => text.replace(/[\d.]+ ms/g, "");
    expect(withoutTimes(boot.kernel.log.console)).toBe(withoutTimes(tell().kernel.log.console));
  });
});

describe("lazyrd.timeout", () => {
  test.each(["lazyrd.timeout=2", "lazyrd.timeout=2s"])("is how long a disk is waited for: %s", (commandLine) => {
    const boot = tell({ commandLine, hasDisk: false });
    expect(failureOf(boot)).toMatchObject({ verb: "device", message: expect.stringContaining("after 2 s") });
    expect(boot.durationMs).toBeLessThan(2000 + 5000 + 200);
  });

  test("finds a disk that is later than the plan expects", () => {
    const late: Story = { disk: { partitionsAfterMs: 12_000 } };
    expect(tell(late).end.kind).toBe("reboot");
    expect(tell({ ...late, commandLine: "lazyrd.timeout=20s" }).end.kind).toBe("exec");
  });
});

describe("lazyrd.image", () => {
  const previous = makeImage({ salt: "02" });
  const ofCandidate = (line: string): boolean => /^(device|verity|mount) /.test(line);
  const [before, after] = [planFor(IMAGE).slice(0, 3), planFor(IMAGE).slice(3)];
  const plan = [
    ...before,
    ...["candidate new", ...planFor(IMAGE).filter(ofCandidate)],
    ...["candidate previous", ...planFor(previous).filter(ofCandidate), "end"],
    ...after.filter((line) => !ofCandidate(line)),
  ].map((line) => line.replace("timeout=10s", "timeout=1s"));
  const story = (other = previous): Story => ({
    plan,
    hardware: (kernel: SimulatedKernel) => kernel.blockDevices.addDisk({ name: "sdb", content: other.disk }),
  });
  const chosen = (boot: ReturnType<typeof tell>) => logOf(boot).filter((line) => line.startsWith("candidate"));

  test("begins with another candidate of the plan", () => {
    expect(chosen(tell({ ...story(), commandLine: "lazyrd.image=previous" }))).toEqual(["candidate previous it is"]);
  });

  test.each(["new", "older", "Previous"])("begins with the first one where it names it or none: %s", (name) => {
    expect(chosen(tell({ ...story(), commandLine: `lazyrd.image=${name}` }))).toEqual(["candidate new it is"]);
  });

  test("an image that does not verify is not made good by it", () => {
    const damaged = withFlippedBit(previous, previous.dataOffset + 1024);
    const boot = tell({ ...story(damaged), commandLine: "lazyrd.image=previous" });
    expect(failureOf(boot)).toMatchObject({ verb: "verity" });
    expect(boot.end.kind).toBe("reboot");
  });
});

describe("lazyrd.break", () => {
  test.each([
    ["lazyrd.break", planFor(IMAGE).length - 1],
    ["lazyrd.break=verity", 1],
    ["lazyrd.break=device,switch", 3],
    ["lazyrd.break=5,6", 2],
    ["lazyrd.break=candidate,99", 0],
  ])("opens a shell before steps: %s", (commandLine, count) => {
    const boot = tell({ commandLine, append: withShell });
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expect(forks(boot)).toBe(count);
    expect(logOf(boot).filter((line) => line.startsWith("break before line")).length).toBe(count);
  });

  test("without a shell it says so and goes on", () => {
    const boot = tell({ commandLine: "lazyrd.break=verity" });
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expect(logOf(boot)).toContainEqual(
      expect.stringMatching(/^break before line 7 \(verity .*\): the first stage has no shell, going on$/),
    );
  });

  test("the shell has the console as its terminal, and no arguments of the kernel's", () => {
    const boot = tell({ commandLine: "lazyrd.break=verity", append: withShell, forksInto: "child" });
    expect(boot.end).toEqual({ kind: "exec", path: "/lazyrd/sh", isAlone: true });
    const names = boot.calls.slice(boot.calls.findIndex(({ name }) => name === "fork")).map(({ name }) => name);
    expect(names).toEqual(["fork", "setsid", "openat", "dup2", "dup2", "dup2", "ioctl", "execve"]);
  });

  test("a child that cannot become a shell ends, and does not go on with the plan", () => {
    const story: Story = { commandLine: "lazyrd.break=verity", append: withShell, forksInto: "child" };
    const boot = tell({ ...story, faults: [{ call: "execve", errno: "EIO" }] });
    expect(boot.end).toEqual({ kind: "exit", status: 127 });
  });

  test("each system call may fail, and the boot goes on or gives up", () => {
    const story: Story = { commandLine: "lazyrd.break", append: withShell };
    for (const { index } of callsThatCanFail(tell(story))) {
      expect(["exec", "reboot"]).toContain(tell({ ...story, faults: [{ index, errno: "EIO" }] }).end.kind);
    }
  });
});

describe("a failure where there is a shell", () => {
  const failing: Story = { plan: planWith("verity", "verity root"), append: withShell };

  test("waits for somebody for as long as the plan says, and then does what it says", () => {
    const boot = tell(failing);
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(logOf(boot).at(-1)).toBe("rebooting in 5 s; Enter opens a shell");
    expect(boot.durationMs).toBeGreaterThanOrEqual(5000);
    expect(forks(boot)).toBe(0);
  });

  test("opens it for whoever presses Enter, and does what the plan says afterwards", () => {
    const boot = tell({ ...failing, typedAfterMs: 2000 });
    expect(forks(boot)).toBe(1);
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(boot.durationMs).toBeLessThan(3000);
  });

  test("keeps the time where there is no console to wait at", () => {
    const boot = tell({ ...failing, faults: [{ call: "wait_readable", errno: "EIO" }] });
    expectPolicy(boot, 5000);
  });

  test("a plan that panics does not wait", () => {
    const plan = changedPlan(IMAGE, (line) => line.replace(/^failure .*/, "failure panic").replace(/^verity .*/, "x"));
    const boot = tell({ ...failing, plan, typedAfterMs: 2000 });
    expect(boot.end.kind).toBe("panic");
    expect(forks(boot)).toBe(0);
  });
});
