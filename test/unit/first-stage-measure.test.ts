import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes/index.ts";
import { parseUserspaceLog, replayEvents } from "../../src/formats/tpm/index.ts";
import { type Boot, type SimulatedKernel, SimulatedTpm } from "../support/simulated-kernel/index.ts";
import { callsThatCanFail, expectGoodEnd, failureOf, goodBoot } from "./first-stage/faults.ts";
import { changedPlan, IMAGE, logOf, type Story, tell } from "./first-stage/machine.ts";

const LOG = "/run/log/systemd/tpm2-measure.log";

/** The usual plan, with these lines once the image has been opened. */
const measuring = (...lines: readonly string[]): string[] =>
  changedPlan(IMAGE, (line) => (line.startsWith("mount root ") ? [...lines, line] : line));

function tellWithTpm(tpm: SimulatedTpm, ...lines: readonly string[]): Boot {
  return tell({ plan: measuring(...lines), hardware: (kernel) => kernel.addTpm(tpm) });
}

const ROOT = `lazyrd:root=${IMAGE.rootHash}`;

describe("measure", () => {
  test("extends the TPM with the root hash, before the image is mounted", () => {
    const tpm = new SimulatedTpm();
    const boot = tellWithTpm(tpm, "measure root");
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expect(tpm.events).toEqual([{ pcr: 12, text: ROOT }]);
    const extended = boot.calls.findIndex(({ name, args }) => name === "openat" && args[1] === "/dev/tpmrm0");
    const mounted = boot.calls.findIndex(({ name, args }) => name === "mount" && args[2] === "erofs");
    expect(extended).toBeGreaterThan(0);
    expect(extended).toBeLessThan(mounted);
    expect(logOf(boot)).toContainEqual(expect.stringContaining(`measure ${ROOT} into PCR 12, `));
    expect(boot.kernel.descriptors.count).toBe(0);
  });

  test("leaves a log that leads to what the TPM has, in all banks", () => {
    const tpm = new SimulatedTpm({ banks: ["sha1", "sha256", "sha384", "sha512"] });
    const boot = tellWithTpm(tpm, "measure text=candidate:first root pcr=12", "measure text=second pcr=15");
    const events = parseUserspaceLog(boot.kernel.files.text(LOG) ?? "");
    expect(events.map(({ pcr, kind, text }) => [pcr, kind, text])).toEqual([
      [12, "lazyrd", `lazyrd:candidate:first root=${IMAGE.rootHash}`],
      [15, "lazyrd", "lazyrd:second"],
    ]);
    for (const bank of ["sha1", "sha256", "sha384", "sha512"] as const) {
      const replayed = [...replayEvents(events, bank)].map(([pcr, value]) => [`${bank}:${pcr}`, toHex(value)]);
      expect(replayed).toEqual(
        [12, 15].map((pcr) => [`${bank}:${pcr}`, tpm.pcrs.get(`${bank}:${pcr}`)?.toString("hex")]),
      );
    }
    expect(boot.kernel.files.get(LOG)?.permissions).toBe(0o600);
  });

  test("writes text as JSON has it", () => {
    const boot = tellWithTpm(new SimulatedTpm(), 'measure text=a"b\\c');
    expect(parseUserspaceLog(boot.kernel.files.text(LOG) ?? "")[0]?.text).toBe('lazyrd:a"b\\c');
  });

  test("goes on, and says so, where there is no TPM", () => {
    const boot = tell({ plan: measuring("measure root") });
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expect(logOf(boot)).toContainEqual(expect.stringMatching(/^measure nothing: this machine has no TPM 2\.0, /));
    expect(boot.kernel.files.get(LOG)).toBeUndefined();
  });

  test("with tpm=required, waits for one, and fails where none comes", () => {
    const late = tell({
      plan: measuring("measure root tpm=required"),
      hardware: (kernel: SimulatedKernel) => kernel.clock.schedule(3000, () => kernel.addTpm()),
    });
    expect(late.end).toEqual({ kind: "exec", path: "/init" });
    expect(late.kernel.tpm?.events).toHaveLength(1);
    const never = tell({ plan: measuring("measure root tpm=required timeout=2s") });
    expect(never.end.kind).toBe("reboot");
    expect(failureOf(never)).toMatchObject({
      verb: "measure",
      message: "cannot open /dev/tpmrm0, the TPM 2.0 of this machine: no such file or directory (ENOENT)",
    });
    expect(never.durationMs).toBeGreaterThan(2000);
  });

  test.each([
    ["measure", "the plan names nothing to measure"],
    ["measure pcr=12", "the plan names nothing to measure"],
    ["measure data", "no step before it chose data"],
    ["measure root pcr=24", "the plan names no valid pcr="],
    ["measure root pcr=x", "the plan names no valid pcr="],
    [
      `measure ${"text=0123456789012345678901234567890123456789 ".repeat(26)}`,
      "there is too much to measure in one step",
    ],
  ])("refuses %.60s", (line, message) => {
    const tpm = new SimulatedTpm();
    const boot = tellWithTpm(tpm, line);
    expect(failureOf(boot)).toMatchObject({ verb: "measure", message });
    expect(tpm.events).toEqual([]);
  });
});

describe("a TPM with a fault", () => {
  const NOT_UNDERSTOOD = /^the TPM's answer of \d+ bytes is not one that this first stage understands$/;
  const refusal = (code: string) => () => Buffer.from(`80010000000a${code}`, "hex");
  const patched =
    (offset: number, ...bytes: number[]) =>
    (answer: Buffer): Buffer => {
      const copy = Buffer.from(answer);
      copy.set(bytes, offset);
      return copy;
    };
  // tag 2, size 4, code 4, size of parameters 4, count 4, then algorithm 2 and digest 20 (SHA-1), algorithm 2, SHA-256
  test.each<[string, (answer: Buffer) => Buffer, string | RegExp]>([
    ["that refuses", refusal("00000101"), "the TPM refused to extend: response code 0x00000101"],
    ["that says nothing", () => Buffer.alloc(0), NOT_UNDERSTOOD],
    ["whose answer is cut off", (answer) => answer.subarray(0, 40), NOT_UNDERSTOOD],
    [
      "whose answer ends in its digests",
      (answer) => Buffer.concat([patched(5, 40)(answer.subarray(0, 40))]),
      NOT_UNDERSTOOD,
    ],
    ["that names an unknown algorithm", patched(18, 0x7f), NOT_UNDERSTOOD],
    ["that speaks of too many digests", patched(14, 0xff, 0xff, 0xff, 0xff), NOT_UNDERSTOOD],
    ["of version 1.2", patched(0, 0x00, 0xc4), NOT_UNDERSTOOD],
    ["that has hashed something else", patched(50, 0xaa), "the TPM has extended something else"],
  ])("%s stops the boot", (_, falsify, message) => {
    const boot = tellWithTpm(new SimulatedTpm({ falsify }), "measure root");
    expect(boot.end.kind).toBe("reboot");
    const failure = failureOf(boot);
    expect(failure.verb).toBe("measure");
    expect(failure.message).toMatch(message);
    expect(boot.calls.filter(({ name, args }) => name === "mount" && args[2] === "erofs")).toEqual([]);
  });

  test("without a bank of SHA-256 has its other banks extended", () => {
    const tpm = new SimulatedTpm({ banks: ["sha1"] });
    const boot = tellWithTpm(tpm, "measure root");
    expect(boot.end.kind).toBe("exec");
    const digest = createHash("sha1").update(ROOT).digest();
    const value = createHash("sha1").update(Buffer.alloc(20)).update(digest).digest("hex");
    expect(tpm.pcrs.get("sha1:12")?.toString("hex")).toBe(value);
  });
});

test("each system call of a boot that measures fails once, and never is an image used that was not measured", () => {
  const story: Story = {
    image: IMAGE,
    plan: measuring("measure root"),
    hardware: (kernel) => {
      kernel.addTpm();
    },
  };
  const good = goodBoot(story);
  const complaints: string[] = [];
  for (const call of callsThatCanFail(good.boot)) {
    const opensTpm = call.name === "openat" && call.args[1] === "/dev/tpmrm0";
    for (const errno of ["EIO", "ENOENT"] as const) {
      try {
        // That it is not there is what the step goes on with.
        if (opensTpm && errno === "ENOENT") continue;
        expectGoodEnd(good, call, errno);
      } catch (error) {
        complaints.push(`${call.index} ${call.name}(${call.args.join(", ")}) ${errno}: ${(error as Error).message}`);
      }
    }
  }
  expect(complaints).toEqual([]);
});
