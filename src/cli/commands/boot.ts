import { Command, Option } from "commander";
import { readGeneration } from "../../build/index.ts";
import {
  type ConsoleLine,
  describeTimeline,
  type RunEnd,
  readTimeline,
  runMachine,
  showsMilestone,
  standsStill,
} from "../../vm/index.ts";
import { withMachineOf } from "../layout-machine.ts";
import { addMachineOptions, type MachineFlags } from "../machine.ts";
import { EXIT, printJson, printResult, printStep } from "../terminal.ts";

interface BootFlags extends MachineFlags {
  readonly icount: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

export function bootCommand(): Command {
  const command = new Command("boot")
    .summary("boot a generation in QEMU and show what happened")
    .description(
      "Boots a generation in QEMU, emulated, without root: its console while it runs, a timeline afterwards. " +
        "Ends as soon as the next stage runs (or --until is seen). Exit status: 0 when it came up, 3 when not.",
    )
    .argument("<generation>", "the folder that lazyrd build wrote");
  return addMachineOptions(command)
    .addOption(new Option("--icount", "count instructions: times that do not depend on this machine").default(false))
    .addOption(new Option("--json", "print the timeline as JSON").default(false))
    .addOption(new Option("-q, --quiet", "do not show the console").default(false))
    .action(run);
}

async function run(folder: string, flags: BootFlags): Promise<void> {
  const generation = readGeneration(folder);
  const { until } = flags;
  const isUp = (line: ConsoleLine): boolean =>
    until === undefined ? showsMilestone(line, "next-stage") : until.test(line.text);
  const { end, lines } = await withMachineOf(generation, flags, { countInstructions: flags.icount }, (machine) =>
    runMachine(machine, {
      until: (line) => isUp(line) || standsStill(line),
      timeoutSeconds: flags.timeout,
      onLine: flags.quiet ? undefined : (line) => printStep(line.text),
    }),
  );
  const timeline = readTimeline(lines);
  const lastLine = lines.at(-1);
  const cameUp = end === "reached" && lastLine !== undefined && isUp(lastLine);
  if (flags.json) printJson({ end: end === "reached" && !cameUp ? "panicked" : end, ...timeline });
  else printResult(`\n${describeTimeline(timeline)}\n${verdict(end, cameUp, lines, flags)}`);
  if (!cameUp) process.exitCode = EXIT.notBooted;
}

function verdict(end: RunEnd, cameUp: boolean, lines: readonly ConsoleLine[], flags: BootFlags): string {
  if (cameUp) return flags.until === undefined ? "The next stage runs." : "The pattern was seen.";
  const failure = lines.find((line) => showsMilestone(line, "failed") || showsMilestone(line, "panic"));
  const how = end === "timeout" ? `nothing after ${flags.timeout} s` : "the machine stopped";
  return `The next stage did not come up: ${failure?.text ?? how}`;
}
