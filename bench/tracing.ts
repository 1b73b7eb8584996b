import { join } from "node:path";
import { readGeneration } from "../src/build/index.ts";
import { machineWith } from "../src/cli/machine.ts";
import { repeatUntilStable } from "../src/measure/index.ts";
import {
  type ConsoleLine,
  type Machine,
  type RunOptions,
  recordMachine,
  runMachine,
  showsMilestone,
} from "../src/vm/index.ts";
import { type Input, lazyrd, table } from "./shared.ts";

/** The same boot measured again and again, in pairs: without and with a trace. Shares of the shorter time. */
export interface TracingResults {
  /** Guest time until the initrd's own init runs: each the fastest of several boots, as `lazyrd bench` has it. */
  readonly pairs: readonly { readonly plainSeconds: number; readonly tracedSeconds: number }[];
  /** How much longer the slowest of the repeated measurements is than the fastest. */
  readonly repeatingChanges: { readonly plain: number; readonly traced: number };
  /** Of the pairs: how far apart their two times are, the middle one and the most. */
  readonly tracingChanges: { readonly median: number; readonly most: number };
}

const HARDWARE = { memory: 2048, cpus: 1, cpu: "max", disk: "virtio-blk", append: "" } as const;
const OPTIONS: RunOptions = { until: isNextStage, timeoutSeconds: 100_000 };
/** As of `lazyrd bench`. */
const MOST_BOOTS = 5;

/** @param skipsIdle as of `lazyrd bench --skip-waits` */
export async function benchTracing(
  { vmlinuz, modules, initrd }: Input,
  folder: string,
  { pairs: count, skipsIdle }: { readonly pairs: number; readonly skipsIdle: boolean },
): Promise<TracingResults> {
  const built = join(folder, "traced");
  const inputs = ["-q", "--kernel", vmlinuz, "--modules", modules, "--initrd", initrd, "--drivers", "virtio"];
  lazyrd(["build", ...inputs, "-o", built]);
  const { path, manifest } = readGeneration(built);
  const files = { kernel: path("kernel"), initrd: path("firstStage"), image: path("image") };
  const machine = {
    ...machineWith({ ...files, commandLine: manifest.commandLine }, HARDWARE),
    countInstructions: true,
    skipsIdle,
  };
  const pairs: { plainSeconds: number; tracedSeconds: number }[] = [];
  for (let pair = 1; pair <= count; pair++) {
    process.stderr.write(`pair ${pair} of ${count}\n`);
    const plainSeconds = await fastest(machine, runMachine);
    pairs.push({ plainSeconds, tracedSeconds: await fastest(machine, recordMachine) });
  }
  const changes = pairs.map(({ plainSeconds, tracedSeconds }) => change([plainSeconds, tracedSeconds]));
  return {
    pairs,
    repeatingChanges: {
      plain: change(pairs.map(({ plainSeconds }) => plainSeconds)),
      traced: change(pairs.map(({ tracedSeconds }) => tracedSeconds)),
    },
    tracingChanges: { median: middleOf(changes), most: Math.max(...changes) },
  };
}

type Run = (machine: Machine, options: RunOptions) => Promise<{ readonly lines: readonly ConsoleLine[] }>;

async function fastest(machine: Machine, run: Run): Promise<number> {
  const boot = async (): Promise<number> => {
    const seconds = (await run(machine, OPTIONS)).lines.findLast(isNextStage)?.seconds;
    if (seconds === undefined) throw new Error("The boot did not come to the initrd's own init");
    return seconds;
  };
  return Math.min(...(await repeatUntilStable(boot, (seconds) => seconds, MOST_BOOTS)));
}

function isNextStage(line: ConsoleLine): boolean {
  return showsMilestone(line, "next-stage");
}

function change(seconds: readonly number[]): number {
  return Math.max(...seconds) / Math.min(...seconds) - 1;
}

function middleOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export function describeTracing({ pairs, repeatingChanges, tracingChanges }: TracingResults): string {
  const rows = pairs.map(({ plainSeconds, tracedSeconds }, index) => [
    String(index + 1),
    plainSeconds.toFixed(3),
    tracedSeconds.toFixed(3),
  ]);
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return [
    "\nGuest time in seconds until the initrd's own init runs, without and with a trace",
    table([["pair", "plain", "traced"], ...rows]),
    `Repeating changes ${percent(repeatingChanges.plain)}, of traced ones ${percent(repeatingChanges.traced)}.`,
    `Tracing changes ${percent(tracingChanges.median)} (median), ${percent(tracingChanges.most)} at most.`,
    "",
  ].join("\n");
}
