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
  const { machine: prepared, isFloor, ...subject } = boot;
  const name = titleOf(subject.variant, subject.addedBytes);
  const machine = counting(prepared, flags);
  // The floor is a kernel that starts a program; there is nothing that this could go on to.
  const options = endOf(isFloor ? "first-stage" : flags.until, flags);
  const runs = await repeatUntilStable(
    async (number) => {
      forgetVariables(machine);
      const stage = `${name}: boot ${number} of at most ${flags.runs}`;
      return runOf(
        await boots.run(stage, (onLine) =>
          recordMachine(machine, { ...options, onLine, looksAtMemory: milestoneWatch() }),
        ),
      );
    },
    timeOfRun,
    flags.runs,
  );
  boots.skip(flags.runs - runs.length);
  return summarise(subject, runs);
}

export function counting<T extends Machine | FirmwareMachine>(machine: T, { skipWaits }: MeasureFlags): T {
  return { ...machine, countInstructions: true, skipsIdle: skipWaits };
}

export function endOf(until: Milestone["name"], { timeout }: MeasureFlags): RunOptions {
  return { until: (line: ConsoleLine) => showsMilestone(line, until), timeoutSeconds: timeout };
}

/** What was read of the disk that has the image, if there is one. */
export function readsOfImage({ reads }: Recording): RecordedRead[] {
  return reads.filter(({ disk }) => disk === IMAGE_DISK);
}

function runOf(recording: Recording): Run {
  const { end, lines, loader } = recording;
  const reads = readsOfImage(recording);
  return {
    milestones: milestonesOf(recording).map((reached) => ({
      ...reached,
      memoryBytes: memoryAt(recording, reached.name),
    })),
    reads: { requests: reads.length, bytes: reads.reduce((sum, { length }) => sum + length, 0) },
    initrdMemoryBytes: memoryOf(lines).find(({ what }) => what === "initrd-freed")?.bytes ?? null,
    loader: loader === undefined ? null : { ...loader, ns: loader.ns ?? null },
    failure: end === "reached" ? null : failureOf(recording),
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
