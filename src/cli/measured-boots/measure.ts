import { UsageError } from "../../bytes/index.ts";
import { type Measurement, type Run, repeatUntilStable, summarise, timeOfRun, titleOf } from "../../measure/index.ts";
import { memoryOf } from "../../trace/index.ts";
import {
  type ConsoleLine,
  type FirmwareMachine,
  type Machine,
  type Milestone,
  milestoneOf,
  milestoneWatch,
  type RecordedRead,
  type Recording,
  type RunOptions,
  recordMachine,
  showsMilestone,
  standsStill,
} from "../../vm/index.ts";
import type { BootSeries } from "../boot-series.ts";
import { milestonesOf } from "../traced-boot.ts";
import type { PreparedBoot } from "./maker.ts";
import { forgetVariables } from "./unified.ts";

/** How far a boot can be asked to come. */
export const ENDS = [
  "next-stage",
  "root-wanted",
  "initrd-target",
  "switch-root",
  "multi-user",
] as const satisfies Milestone["name"][];

export interface MeasureFlags {
  readonly until: (typeof ENDS)[number];
  readonly runs: number;
  readonly skipWaits: boolean;
  readonly timeout: number;
}

/** Of several disks, the first one that is read: the machine's only one until the initrd looks for its root. */
const IMAGE_DISK = 0;

/** Boots until the times are stable. */
export async function measureBoot(boot: PreparedBoot, flags: MeasureFlags, boots: BootSeries): Promise<Measurement> {
  const { machine: prepared, kind, hasImageDisk, fetched, ...subject } = boot;
  const name = titleOf(subject.variant, subject.addedBytes);
  const machine = counting(prepared, flags);
  // The floor is a kernel that starts a program; there is nothing that this could go on to.
  const options = endOf(kind === "floor" ? "first-stage" : flags.until, flags);
  const runs = await repeatUntilStable(
    async (number) => {
      forgetVariables(machine);
      const stage = `${name}: boot ${number} of at most ${flags.runs}`;
      const fetchedBefore = fetched.length;
      const recording = await boots.run(stage, (onLine) =>
        recordMachine(machine, { ...options, onLine, looksAtMemory: milestoneWatch() }),
      );
      const lengths = hasImageDisk ? readsOfImage(recording).map(({ length }) => length) : [];
      return runOf(recording, [...lengths, ...fetched.slice(fetchedBefore).map(({ sentBytes }) => sentBytes)]);
    },
    timeOfRun,
    flags.runs,
  );
  boots.skip(flags.runs - runs.length);
  return summarise(subject, runs);
}

/** What an initrd alone comes to. */
const OF_INITRDS: readonly MeasureFlags["until"][] = ["root-wanted", "initrd-target", "switch-root"];

/** @throws UsageError when what boots never comes to where it should. */
export function requireReachable(kind: PreparedBoot["kind"], until: MeasureFlags["until"]): void {
  if (kind !== "system" || !OF_INITRDS.includes(until)) return;
  throw new UsageError(`Cannot measure until ${until}: it is no initrd's boot, and hands over to nothing`, {
    hint: "measure until next-stage or multi-user",
  });
}

/**
 * What the kernel is told besides, for a boot to show how far it came. Once the journal runs, systemd writes to that; and the
 * lines for people are switched off by plymouth when it ends.
 */
export function withSignsOf<T extends { readonly append: string }>(until: MeasureFlags["until"], hardware: T): T {
  if (until !== "multi-user") return hardware;
  return { ...hardware, append: `${hardware.append} systemd.log_target=kmsg`.trimStart() };
}

export function counting<T extends Machine | FirmwareMachine>(machine: T, { skipWaits }: MeasureFlags): T {
  return { ...machine, countInstructions: true, skipsIdle: skipWaits };
}

export function endOf(until: Milestone["name"], { timeout }: MeasureFlags): RunOptions {
  return { until: (line: ConsoleLine) => showsMilestone(line, until) || standsStill(line), timeoutSeconds: timeout };
}

/** What was read of the disk that has the image, if there is one. */
export function readsOfImage({ reads }: Recording): RecordedRead[] {
  return reads.filter(({ disk }) => disk === IMAGE_DISK);
}

/** @param lengths of what was read of the image, in bytes: one for each request */
function runOf(recording: Recording, lengths: readonly number[]): Run {
  const { end, lines, loader } = recording;
  return {
    milestones: milestonesOf(recording).map((reached) => ({
      ...reached,
      memoryBytes: memoryAt(recording, reached.name),
    })),
    reads: { requests: lengths.length, bytes: lengths.reduce((sum, length) => sum + length, 0) },
    initrdMemoryBytes: memoryOf(lines).find(({ what }) => what === "initrd-freed")?.bytes ?? null,
    loader: loader === undefined ? null : { ...loader, ns: loader.ns ?? null },
    failure: end === "reached" && !lines.some(standsStill) ? null : failureOf(recording),
  };
}

function memoryAt({ lines, memory }: Recording, name: string): number | null {
  const shows = (line: ConsoleLine | undefined): boolean => line !== undefined && milestoneOf(line)?.name === name;
  return memory.find(({ line }) => shows(lines[line]))?.usedBytes ?? null;
}

function failureOf({ end, lines }: Recording): string {
  const said = lines.find((line) => showsMilestone(line, "failed") || showsMilestone(line, "panic")) ?? lines.at(-1);
  return `${end === "timeout" ? "the time is over" : "the machine stopped"}, ${said?.text ?? "without a word"}`;
}
