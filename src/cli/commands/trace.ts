import { Command, Option } from "commander";
import { type Generation, readGeneration } from "../../build/index.ts";
import { UsageError } from "../../bytes/index.ts";
import { analyseTrace, describeBoot, describeDisk, encodeTrace, type Trace } from "../../trace/index.ts";
import {
  type ConsoleLine,
  type Milestone,
  milestoneWatch,
  type RunOptions,
  recordMachine,
  showsMilestone,
} from "../../vm/index.ts";
import { BootSeries } from "../boot-series.ts";
import { bootExactly } from "../exact-boot.ts";
import { traceThisMachine } from "../live-boot.ts";
import { addMachineOptions, type MachineFlags, machineOf } from "../machine.ts";
import { startProgress } from "../progress.ts";
import { EXIT, printJson, printResult } from "../terminal.ts";
import { writeTextFile } from "../text-file.ts";
import { bootOf, traceOf } from "../traced-boot.ts";
import { mapOf } from "../traces.ts";

interface TraceFlags extends MachineFlags {
  readonly output: string;
  readonly exact: boolean;
  readonly live: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

export function traceCommand(): Command {
  const command = new Command("trace")
    .summary("boot a generation in QEMU and record what it reads, and when")
    .description(
      "Boots a generation in QEMU as lazyrd boot does, and writes down every read of the image's disk, with the " +
        "guest's time (instructions, counted). Ends at initrd.target; with an init of scripts, where these look for " +
        "the root file system. With --live: the boot that this machine has made, as far as it tells. Exit status: 3 " +
        "when the end was not reached; what was seen is written all the same.",
    )
    .argument("[generation]", "the folder that lazyrd build wrote")
    .requiredOption("-o, --output <file>", "the trace")
    .addOption(
      new Option("--exact", "boot a second time, to see what is used of all that is read; takes longer").default(false),
    )
    .addOption(new Option("--live", "trace no generation but this machine, which is running").default(false));
  return addMachineOptions(command)
    .addOption(new Option("--json", "print the figures as JSON").default(false))
    .addOption(new Option("-q, --quiet", "no console, no progress").default(false))
    .action(run);
}

async function run(folder: string | undefined, flags: TraceFlags): Promise<void> {
  const trace = flags.live ? traceLive(folder) : await traceGeneration(folder, flags);
  writeTextFile(flags.output, encodeTrace(trace), { beginning: '{"lazyrd-trace":' });
  const map = trace.reads.length === 0 ? undefined : await mapOf(trace, undefined);
  const analysis = analyseTrace(trace, map);
  const { phases, done, disk, content } = analysis;
  const { touchedBytes, readPerTouched } = content ?? {};
  if (flags.json) printJson({ end: trace.end, phases, done, disk: { ...disk, touchedBytes, readPerTouched } });
  else
    printResult(
      [`${flags.output}: ${describeBoot(trace)}`, ...(flags.live ? [] : [describeDisk(analysis)])].join("\n"),
    );
  if (trace.end !== "reached") process.exitCode = EXIT.notBooted;
}

function traceLive(folder: string | undefined): Trace {
  if (folder === undefined) return traceThisMachine();
  throw new UsageError("Cannot trace a generation with --live: that traces the machine that is running");
}

async function traceGeneration(folder: string | undefined, flags: TraceFlags): Promise<Trace> {
  if (folder === undefined) {
    throw new UsageError("Cannot trace: no generation was named", {
      hint: "give the folder that lazyrd build wrote, or --live",
    });
  }
  if (flags.exact && flags.classic) {
    throw new UsageError("Cannot trace --classic --exact: a classic boot reads all of its initrd, used or not");
  }
  const generation = readGeneration(folder);
  if (!flags.classic) requirePartitions(generation);
  const machine = machineOf(generation, flags, { countInstructions: true });
  const boot = bootOf(generation, machine, flags);
  const progress = startProgress(flags);
  const boots = new BootSeries(progress.listener, flags.exact ? 2 : 1);
  const optionsWith = (onLine: (line: ConsoleLine) => void): RunOptions => ({
    until: endOf(generation, flags),
    timeoutSeconds: flags.timeout,
    onLine: (line) => {
      progress.say(line.text);
      onLine(line);
    },
  });
  try {
    const recording = await boots.run("booting, and recording what is read", (onLine) =>
      recordMachine(machine, { ...optionsWith(onLine), looksAtMemory: milestoneWatch() }),
    );
    if (!flags.exact) return traceOf(boot, recording);
    const exact = await boots.run("booting again, to see what is used", (onLine) =>
      bootExactly(generation, machine, optionsWith(onLine)),
    );
    return traceOf(boot, recording, exact);
  } finally {
    progress.end();
  }
}

/** Reads of the disk are told by their place on it: of a file, that is the file system's affair. */
function requirePartitions({ manifest }: Generation): void {
  if (manifest.place.kind === "partitions") return;
  throw new UsageError(`Cannot trace what is read of an image with the layout "${manifest.layout}"`, {
    hint: 'build the same with layout = "partition": what a boot reads of the image is the same',
  });
}

/** What a trace waits for when nothing else is said: the end of what the image is for. */
function endOf({ manifest }: Generation, { until }: TraceFlags): (line: ConsoleLine) => boolean {
  if (until !== undefined) return ({ text }) => until.test(text);
  const last: Milestone["name"] = manifest.nextStage.kind === "systemd" ? "initrd-target" : "root-wanted";
  return (line) => showsMilestone(line, last);
}
