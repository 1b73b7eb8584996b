import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectPolicy, failureOf, timelineOf } from "./first-stage/faults.ts";
import { IMAGE, logOf, PLAN_HEADER, planFor, planWith, tell, textOf } from "./first-stage/machine.ts";

const DEFAULT_POLICY_MS = 30_000;
const goodPlan = [PLAN_HEADER, ...planFor(IMAGE)];

describe("a plan that cannot be carried out", () => {
  test("because there is none", () => {
    const boot = tell({ plan: null });
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(failureOf(boot)).toEqual({ line: undefined, verb: undefined, message: "cannot read /lazyrd/plan" });
    expectPolicy(boot, DEFAULT_POLICY_MS);
  });

  test("because it cannot be read", () => {
    // What is read first is the command line, which a boot can do without.
    const boot = tell({ faults: [{ call: "read", nth: 2, errno: "EIO" }] });
    expect(failureOf(boot).message).toBe("cannot read /lazyrd/plan");
    expectPolicy(boot, DEFAULT_POLICY_MS);
  });

  test.each([
    "",
    "\n",
    "lazyrd-plan 2\n",
    "lazyrd-plan 10\n",
    "lazyrd-plan 1 \n",
    " lazyrd-plan 1\n",
    "lazyrd-plan\n",
    "\0",
  ])("because it begins with %j", (start) => {
    const boot = tell({ planFile: `${start}${planFor(IMAGE).join("\n")}\n` });
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(failureOf(boot).message).toMatch(/^\/lazyrd\/plan does not begin with "lazyrd-plan 1": /);
    expectPolicy(boot, DEFAULT_POLICY_MS);
  });

  test("because it has a step that this first stage does not know", () => {
    const boot = tell({ plan: planWith("overlay", "compose overlay") });
    expect(failureOf(boot)).toEqual({ line: 9, verb: "compose", message: "unknown step" });
    expectPolicy(boot, 5000);
  });

  test.each([PLAN_HEADER, `${PLAN_HEADER}\n`, `${PLAN_HEADER}\n# nothing\n\n`])(
    "because it ends too early: %j",
    (planFile) => {
      const boot = tell({ planFile });
      expect(failureOf(boot)).toEqual({ line: undefined, verb: undefined, message: "the plan ends without a switch" });
      expectPolicy(boot, DEFAULT_POLICY_MS);
    },
  );

  test.each([
    "mount",
    "mount root",
    "overlay",
    "overlay /lazyrd/new",
    "graft",
    "forward",
    "switch",
    "device",
    "verity",
    "switch /none /init",
  ])("because words are missing or wrong: %s", (line) => {
    const boot = tell({ plan: [line] });
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(failureOf(boot)).toMatchObject({ line: 2, verb: line.split(" ")[0] });
  });

  test("because it names a device that no step found", () => {
    const boot = tell({ plan: planWith("mount", "mount rot /lazyrd/image erofs") });
    expect(failureOf(boot)).toMatchObject({ line: 8, message: "no step before this one found a device named rot" });
  });

  test("whatever its text is: the first stage ends by itself and mounts nothing that is not verified", () => {
    const words = goodPlan.flatMap((line) => line.split(" "));
    const word = fc.oneof(
      fc.constantFrom(...words),
      fc.string({ maxLength: 12 }).filter((text) => /^[!-~]*$/.test(text)),
    );
    const steps = fc.array(
      fc.array(word, { maxLength: 8 }).map((line) => line.join(" ")),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(steps, (plan) => {
        const boot = tell({ plan: plan.map((line) => line.replace(/timeout=\S*/, "timeout=1s")) });
        expect(["reboot", "poweroff", "panic"]).toContain(boot.end.kind);
        const mounted = boot.calls.filter(
          ({ name, args, result }) => name === "mount" && args[2] === "erofs" && result === 0,
        );
        expect(mounted).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

describe("the form of a plan", () => {
  test.each<[string, string]>([
    ["no line feed at its end", goodPlan.join("\n")],
    ["empty lines and lines of spaces", goodPlan.join("\n\n   \n")],
    ["comments", `${goodPlan.join("\n# a comment, with switch /nowhere\n")}\n#`],
    [
      "many spaces",
      goodPlan.map((line, index) => (index === 0 ? line : `  ${line.replaceAll(" ", "   ")}  `)).join("\n"),
    ],
    ["options in another order", goodPlan.map((line) => line.replace(/(data=\S+) (hash=\S+)/, "$2 $1")).join("\n")],
    [
      "options that nobody knows",
      goodPlan.map((line) => line.replace(/^device (\S+)/, "device $1 partuuidx=1 colour=red")).join("\n"),
    ],
  ])("may have %s", (_name, planFile) => {
    expect(tell({ planFile }).end).toEqual({ kind: "exec", path: "/init" });
  });

  test("counts lines as an editor does", () => {
    const boot = tell({ planFile: `${PLAN_HEADER}\n\n# two\n   \nnonsense\n` });
    expect(failureOf(boot)).toMatchObject({ line: 5, verb: "nonsense" });
  });

  test("may be longer than one read", () => {
    const padding = `# ${"x".repeat(997)}\n`.repeat(200);
    const boot = tell({ planFile: goodPlan.join(`\n${padding}`) });
    expect(boot.end.kind).toBe("exec");
    expect(timelineOf(boot).steps).toHaveLength(8);
  });

  test("may hold what JSON has to escape", () => {
    const boot = tell({ plan: planWith("coldplug", 'coldplug pci virtio quote="\\"') });
    expect(timelineOf(boot).steps[1]?.step).toBe('coldplug pci virtio quote="\\"');
  });

  test("may name a path that is too long: the program stops, and the kernel restarts the machine", () => {
    const boot = tell({ plan: planWith("overlay", `overlay /${"x".repeat(5000)} lower=/lazyrd/image`) });
    expect(boot.end.kind).toBe("trap");
    expect(boot.kernel.panicTimeout).toBe(5);
  });
});

describe("the policy for failures", () => {
  const failing = (...policy: readonly string[]) => tell({ plan: [...policy, "nonsense"] });

  test("is a reboot after 30 seconds when there is none", () => {
    const boot = failing();
    expect(boot.end).toEqual({ kind: "reboot" });
    expectPolicy(boot, 30_000);
    expect(boot.kernel.panicTimeout).toBe(30);
  });

  test.each<[string, "reboot" | "poweroff", number]>([
    ["failure reboot after=7s", "reboot", 7000],
    ["failure reboot after=0s", "reboot", 0],
    ["failure reboot", "reboot", 30_000],
    ["failure poweroff after=3s", "poweroff", 3000],
    ["failure something after=1s", "reboot", 1000],
    ["failure reboot after=86401s", "reboot", 30_000],
    ["failure reboot after=5", "reboot", 30_000],
    ["failure reboot after=", "reboot", 30_000],
    ["failure reboot after=-1s", "reboot", 30_000],
    ["failure reboot after=99999999999999999999s", "reboot", 30_000],
  ])("%s", (policy, kind, delayMs) => {
    const boot = failing(policy);
    expect(boot.end).toEqual({ kind });
    expectPolicy(boot, delayMs);
    expect(boot.durationMs).toBeGreaterThan(delayMs);
    expect(boot.kernel.panicTimeout).toBeGreaterThanOrEqual(1);
  });

  test("holds wherever it stands in the plan", () => {
    const boot = tell({ plan: ["nonsense", "failure poweroff after=2s"] });
    expect(boot.end).toEqual({ kind: "poweroff" });
  });

  test("may be a panic, which then is not answered by a reboot", () => {
    const boot = failing("failure panic");
    expect(boot.end).toEqual({ kind: "panic", reason: "PID 1 ended" });
    expect(boot.kernel.panicTimeout).toBe(0);
    expect(logOf(boot).at(-1)).toBe("stopping, as the plan says");
  });

  test("leaves a panic= of the command line alone", () => {
    expect(tell({ panicTimeout: 60 }).kernel.panicTimeout).toBe(60);
    expect(tell({ panicTimeout: -1 }).kernel.panicTimeout).toBe(-1);
  });
});

describe("what an administrator sees", () => {
  const broken = { plan: ["nonsense"] };
  const MESSAGE = "lazyrd: FAILED at plan line 2 (nonsense): unknown step\r\n";
  const count = (text: string) => text.split(MESSAGE).length - 1;

  test.each([
    [7, 1],
    [4, 1],
    [3, 1],
    [0, 1],
  ])("with loglevel=%i, the failure appears on the console once", (consoleLevel, times) => {
    const boot = tell({ ...broken, consoleLevel });
    expect(count(boot.kernel.log.console)).toBe(times);
    expect(logOf(boot)).toContain("FAILED at plan line 2 (nonsense): unknown step");
  });

  test("with loglevel=3 nothing of a boot that goes well is on the console", () => {
    expect(tell({ consoleLevel: 3 }).kernel.log.console).toBe("");
  });

  test("without a kernel log, the failure is on the console", () => {
    const boot = tell({
      ...broken,
      faults: [{ call: "openat", when: ({ args }) => args[1] === "/dev/kmsg", errno: "ENOENT" }],
    });
    expect(logOf(boot)).toEqual([]);
    expect(count(boot.kernel.log.console)).toBe(1);
  });

  test("without any file system of the kernel's, the failure is on the console, and why", () => {
    const boot = tell({ faults: [{ call: "mount", errno: "EPERM" }] });
    expect(boot.kernel.log.console).toContain("cannot mount devtmpfs at /dev: operation not permitted (EPERM)");
    expect(boot.end).toEqual({ kind: "reboot" });
  });

  test("is never cut off, however much a boot has to say", () => {
    const drivers = Array.from({ length: 40 }, (_, index) => `test:* missing${index}`);
    const boot = tell({
      plan: ["coldplug test", "device data partuuid=00000000-0000-0000-0000-000000000000 timeout=0s"],
      drivers,
      hardware: ({ buses }) => buses.addDevice({ bus: "test", name: "device", modalias: "test:1" }),
    });
    expect(logOf(boot).filter((line) => line.startsWith("cannot open the module"))).toHaveLength(40);
    expect(textOf(boot)).toContain("FAILED at plan line 3");
  });
});
