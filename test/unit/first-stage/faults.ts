import { expect } from "vitest";
import type { Boot, Call, ErrnoName } from "../../support/simulated-kernel/index.ts";
import { type Story, tell, textOf } from "./machine.ts";

const NANOSECONDS_IN_US = 1000;
const FAILED = /^lazyrd: FAILED(?: at plan line (\d+) \(([a-z-]+)\))?: (.+)$/m;
/** What stands in it is the time, which a fault may change. */
const TIMELINE = "/run/lazyrd/timeline.json";
/** Each of its records has the time. */
const MEASUREMENTS = "/run/log/systemd/tpm2-measure.log";

interface TimelineStep {
  readonly line: number;
  readonly step: string;
  readonly startUs: number;
  readonly endUs: number;
}

export interface Timeline {
  readonly version: number;
  readonly firstLineUs: number;
  readonly handOverUs: number;
  readonly steps: readonly TimelineStep[];
}

export function timelineOf(boot: Boot): Timeline {
  return JSON.parse(boot.kernel.files.text(TIMELINE) ?? "") as Timeline;
}

/** What PID 1 said when it gave up. */
export function failureOf(boot: Boot): { line: number | undefined; verb: string | undefined; message: string } {
  const found = FAILED.exec(textOf(boot).replace(/^FAILED/gm, "lazyrd: FAILED"));
  if (found === null)
    throw new Error(`The first stage ended with ${boot.end.kind} and without a word:\n${textOf(boot)}`);
  const [, line, verb, message = ""] = found;
  return { line: line === undefined ? undefined : Number(line), verb, message: message.trimEnd() };
}

/** All files of the next root but for times, as one comparable value. */
export function nextRootOf(boot: Boot): string[] {
  return boot.kernel.files.facts().flatMap((line) => {
    if (line.startsWith(`${TIMELINE} `)) return [];
    if (!line.startsWith(`${MEASUREMENTS} `)) return [line];
    return [(boot.kernel.files.text(MEASUREMENTS) ?? "").replaceAll(/"timestamp":\d+/g, "")];
  });
}

/** The plan line that was being carried out when a call of a boot that went well was made; undefined: between steps. */
function lineAt(boot: Boot, { at }: Call): number | undefined {
  const { steps } = timelineOf(boot);
  const microseconds = at / NANOSECONDS_IN_US;
  const step = steps.find(({ startUs, endUs }) => microseconds > startUs && microseconds < endUs);
  const last = steps.at(-1);
  if (step !== undefined || last === undefined || microseconds < last.endUs) return step?.line;
  return last.line + 1; // the switch, which does not see its own end
}

/** File systems that hold images as files. */
const HOLDERS = ["ext4", "xfs", "vfat", "btrfs"];

/** Nothing was mounted but images through dm-verity, with a root hash of the plan, and file systems of the kernel. */
export function expectOnlyVerifiedMounts(boot: Boot, ...rootHashes: readonly string[]): void {
  for (const call of boot.calls.filter(({ name, result }) => name === "mount" && result === 0)) {
    const [source, , type] = call.args;
    if (type !== "erofs") {
      expect(["devtmpfs", "proc", "sysfs", "tmpfs", "overlay", "", ...HOLDERS]).toContain(type);
      continue;
    }
    const device = boot.kernel.deviceMapper.everMade.find(({ minor }) => source === `/dev/dm-${minor}`);
    expect(device?.active?.target.target.reaction).toBe("panic");
    expect(rootHashes).toContain(device?.active?.target.target.rootHash);
    const earlier = boot.calls.slice(0, call.index);
    expect(earlier.filter(({ name, result }) => name === "pread" && result === 4096).length).toBeGreaterThan(1);
  }
}

/** Those that a plan names, and the one of an image that it would find by its signature. */
function rootHashesOf({ image, plan }: Story): string[] {
  const named = (plan ?? []).flatMap((line) => / root-hash=([0-9a-f]+)/.exec(line)?.[1] ?? []);
  return [image?.rootHash ?? "", ...named];
}

/**
 * The failure names the step in which the call failed. Two kinds of fault only count when a later step misses what
 * they would have brought, so that they are reported at once, on their own: the kernel's file systems and drivers.
 */
function expectToBeNamed(boot: Boot, named: number | undefined, actual: number | undefined): void {
  if (named === actual) return;
  expect(named).toBeGreaterThan(actual ?? 0);
  expect(textOf(boot)).toMatch(/^(lazyrd: )?(cannot mount|cannot open the module|the kernel refused the module) /m);
}

/** The calls of a boot that can fail: all but the clock's. */
export function callsThatCanFail(boot: Boot): readonly Call[] {
  return boot.calls.filter(({ name }) => name !== "clock");
}

/** A boot that goes well, as the measure of those with faults. */
export interface GoodBoot {
  readonly story: Story;
  readonly boot: Boot;
  readonly nextRoot: readonly string[];
}

export function goodBoot(story: Story, init = "/init"): GoodBoot {
  const boot = tell(story);
  expect(boot.end).toEqual({ kind: "exec", path: init });
  return { story, boot, nextRoot: nextRootOf(boot) };
}

/** The plan's policy, and the one that holds as long as the plan has not been read. */
const POLICY_MS = 5000;
const DEFAULT_POLICY_MS = 30_000;

/** Repeats a boot that goes well with one call failing, and checks that it ends as it must. Returns how. */
export function expectGoodEnd(
  { story, boot: good, nextRoot }: GoodBoot,
  call: Call,
  errno: ErrnoName,
): "exec" | "reboot" {
  const boot = tell({ ...story, faults: [{ index: call.index, errno }] });
  expectOnlyVerifiedMounts(boot, ...rootHashesOf(story));
  if (boot.end.kind === "exec") {
    // Whatever the boot went on without, the next stage must not miss it.
    expect(boot.end).toEqual(good.end);
    expect(nextRootOf(boot)).toEqual(nextRoot);
    expect(boot.kernel.descriptors.count).toBe(0);
    return "exec";
  }
  expect(boot.end.kind).toBe("reboot");
  const failure = failureOf(boot);
  expectToBeNamed(boot, failure.line, lineAt(good, call));
  expectPolicy(boot, failure.line === undefined ? DEFAULT_POLICY_MS : POLICY_MS);
  return "reboot";
}

/**
 * Repeats a boot that goes well once for each call, with that one failing. Returns how often each end came, and expects
 * that all of them are good ones: all that are not are told at once.
 */
export function failEachCall(good: GoodBoot, errno: ErrnoName): { readonly exec: number; readonly reboot: number } {
  const complaints: string[] = [];
  const ends = { exec: 0, reboot: 0 };
  for (const call of callsThatCanFail(good.boot)) {
    try {
      ends[expectGoodEnd(good, call, errno)]++;
    } catch (error) {
      complaints.push(`${call.index} ${call.name}(${call.args.join(", ")}): ${(error as Error).message}`);
    }
  }
  expect(complaints).toEqual([]);
  return ends;
}

/** The machine was left alone for as long as the plan says, and this was announced. */
export function expectPolicy(boot: Boot, delayMs: number): void {
  const wait = boot.calls.findLast(({ name }) => name === "sleep");
  expect(wait?.args).toEqual([delayMs]);
  expect(boot.calls.at(-1)).toMatchObject({ name: "reboot", index: (wait?.index ?? 0) + 1 });
  expect(textOf(boot)).toMatch(new RegExp(`(rebooting|powering off) in ${delayMs / 1000} s`));
}
