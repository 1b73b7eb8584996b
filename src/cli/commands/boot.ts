import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type Generation, LOCAL_FILES, readGeneration } from "../../build/index.ts";
import { UsageError } from "../../bytes/index.ts";
import {
  type ConsoleLine,
  DISK_BUSES,
  type DiskBus,
  describeTimeline,
  type Machine,
  type RunEnd,
  readTimeline,
  runMachine,
  showsMilestone,
} from "../../vm/index.ts";
import { EXIT, printJson, printResult, printStep } from "../terminal.ts";

interface BootFlags {
  readonly classic: boolean;
  readonly memory: number;
  readonly cpus: number;
  readonly cpu: string;
  readonly disk: DiskBus;
  readonly append: string;
  readonly until?: RegExp;
  readonly timeout: number;
  readonly icount: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** The console, all of the kernel's messages on it, and an end instead of a halt when the kernel panics. */
const CONSOLE_ARGUMENTS = "console=ttyS0 loglevel=7 printk.time=1";

export function bootCommand(): Command {
  return new Command("boot")
    .summary("boot a generation in QEMU and show what happened")
    .description(
      "Boots a generation in QEMU, emulated, without root: its console while it runs, a timeline afterwards. " +
        "Ends as soon as the next stage runs (or --until is seen). Exit status: 0 when it came up, 3 when not.",
    )
    .argument("<generation>", "the folder that lazyrd build wrote")
    .addOption(new Option("--classic", "boot the initrd that was split, as it was, for comparison").default(false))
    .option("--memory <MiB>", "the machine's memory", positiveInteger, 2048)
    .option("--cpus <number>", "the machine's processors", positiveInteger, 1)
    .option("--cpu <model>", "the processor, as QEMU names it", "max")
    .addOption(new Option("--disk <bus>", "how the image's disk is attached").choices(DISK_BUSES).default("virtio-blk"))
    .option("--append <text>", "more for the kernel's command line", "")
    .option("--until <pattern>", "go on until a console line matches this regular expression", pattern)
    .option("--timeout <seconds>", "give up after this time", positiveInteger, 300)
    .addOption(new Option("--icount", "count instructions: times that do not depend on this machine").default(false))
    .addOption(new Option("--json", "print the timeline as JSON").default(false))
    .addOption(new Option("-q, --quiet", "do not show the console").default(false))
    .action(run);
}

async function run(folder: string, flags: BootFlags): Promise<void> {
  const machine = machineOf(readGeneration(folder), flags);
  const { until } = flags;
  const { end, lines } = await runMachine(machine, {
    until: (line) => (until === undefined ? showsMilestone(line, "next-stage") : until.test(line.text)),
    timeoutSeconds: flags.timeout,
    onLine: flags.quiet ? undefined : (line) => printStep(line.text),
  });
  const timeline = readTimeline(lines);
  if (flags.json) printJson({ end, ...timeline });
  else printResult(`\n${describeTimeline(timeline)}\n${verdict(end, lines, flags)}`);
  if (end !== "reached") process.exitCode = EXIT.notBooted;
}

function machineOf(generation: Generation, flags: BootFlags): Machine {
  const commandLine = [CONSOLE_ARGUMENTS, generation.manifest.commandLine, flags.append];
  return {
    kernel: generation.path("kernel"),
    initrd: flags.classic ? classicInitrd(generation) : generation.path("firstStage"),
    commandLine: commandLine.filter((part) => part !== "").join(" "),
    disks: [{ path: generation.path("image"), bus: flags.disk, readOnly: true }],
    memoryMib: flags.memory,
    cpus: flags.cpus,
    cpuModel: flags.cpu,
    countInstructions: flags.icount,
    serialFiles: [],
  };
}

function classicInitrd(generation: Generation): string {
  const link = join(generation.folder, LOCAL_FILES.classicInitrd);
  if (existsSync(link)) return realpathSync(link);
  throw new UsageError("Cannot boot the classic way: the initrd that was split is not where it was", {
    hint: "run lazyrd build again",
  });
}

function verdict(end: RunEnd, lines: readonly ConsoleLine[], flags: BootFlags): string {
  if (end === "reached") return flags.until === undefined ? "The next stage runs." : "The pattern was seen.";
  const failure = lines.find((line) => showsMilestone(line, "failed") || showsMilestone(line, "panic"));
  const how = end === "timeout" ? `nothing after ${flags.timeout} s` : "the machine stopped";
  return `The next stage did not come up: ${failure?.text ?? how}`;
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Expected a whole number above 0.");
  return Number(text);
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new InvalidArgumentError(cause.message);
  }
}
