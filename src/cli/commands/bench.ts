import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { Command, Option } from "commander";
import { type ProgressListener, readGeneration } from "../../build/index.ts";
import { UsageError } from "../../bytes/index.ts";
import { inFile, onInterrupt, packageVersion, readInput } from "../../host/index.ts";
import { parseKernelImage } from "../../kernel/index.ts";
import {
  DEFAULT_VARIANTS,
  describeMeasurements,
  type Measurement,
  type NamedVariant,
  parseVariants,
  type Run,
  repeatUntilStable,
  scalingPoints,
  summarise,
  timeOfRun,
  titleOf,
  VARIANTS,
} from "../../measure/index.ts";
import { parseSize } from "../../text/index.ts";
import { memoryOf } from "../../trace/index.ts";
import {
  type ConsoleLine,
  type Milestone,
  qemuVersion,
  type Recording,
  recordMachine,
  showsMilestone,
} from "../../vm/index.ts";
import { BootSeries } from "../boot-series.ts";
import { moduleTrees, readConfig, selectDrivers } from "../build-inputs.ts";
import { addHardwareOptions, type HardwareFlags, machineWith, positiveInteger } from "../machine.ts";
import { type PreparedBoot, preparedGeneration, VariantMaker } from "../measured-boots.ts";
import { startProgress } from "../progress.ts";
import { EXIT, printJson, printResult } from "../terminal.ts";
import { writeTextFile } from "../text-file.ts";
import { milestonesOf } from "../traced-boot.ts";

/** How far a boot can be asked to come. */
const ENDS = [
  "next-stage",
  "root-wanted",
  "initrd-target",
  "switch-root",
  "multi-user",
] as const satisfies Milestone["name"][];

interface BenchFlags extends HardwareFlags {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly modules?: string;
  readonly config?: string;
  readonly drivers: string;
  readonly variants: string;
  readonly scaling?: string;
  readonly points?: string;
  readonly until: (typeof ENDS)[number];
  readonly runs: number;
  readonly skipWaits: boolean;
  readonly timeout: number;
  readonly json: boolean;
  readonly quiet: boolean;
}

export function benchCommand(): Command {
  const command = new Command("bench")
    .summary("boot an initrd in several ways, and compare times and reads")
    .description(
      "Boots a kernel and an initrd in QEMU the classic way and as lazyrd splits it, counting instructions (1 ns each), " +
        "and shows when each boot got how far, what was loaded and what was read. Each is repeated until the two fastest " +
        "boots differ by less than 0.5 %. Exit status: 3 when one of them did not get as far as it should.",
    )
    .argument("[generations...]", "what lazyrd build wrote, measured as it is")
    .option("-k, --kernel <file>", "the kernel that variants are made for")
    .option("-i, --initrd <file>", "the initrd that variants are made of; it is only read")
    .option("-m, --modules <folder>", "the kernel's modules, as for lazyrd build")
    .option("-c, --config <file>", "settings, as for lazyrd build")
    .option("-d, --drivers <set>", "storage drivers, as for lazyrd build", "virtio")
    .option("--variants <names>", `separated by commas, of ${[...VARIANTS.keys()].join(", ")}`, DEFAULT_VARIANTS)
    .option("--scaling <sizes>", "measure also with so much more in the initrd: 25M,200M")
    .option("--points <file>", "write time by content, for lazyrd report --scaling")
    .addOption(new Option("--until <milestone>", "how far each boot has to come").choices(ENDS).default("next-stage"))
    .option("--runs <number>", "boot each at most this often", positiveInteger, 5)
    .addOption(new Option("--skip-waits", "while the guest waits, let its time jump to its next timer").default(false))
    .option("--timeout <seconds>", "give up a boot after this time", positiveInteger, 600);
  return addHardwareOptions(command)
    .addOption(new Option("--json", "print the measurements as JSON").default(false))
    .addOption(new Option("-q, --quiet", "no progress").default(false))
    .addHelpText(
      "after",
      "\nExample:\n  lazyrd bench -k vmlinuz -i initrd.img --variants floor,classic-zstd,lazy-lz4-strip",
    )
    .action(run);
}

const HEADING = "Guest time in seconds, 1 ns an instruction; the fastest of several boots";

async function run(folders: string[], flags: BenchFlags): Promise<void> {
  const additions = parseAdditions(flags.scaling);
  const variants = parseVariants(flags.variants);
  const generations = folders.map((folder) => preparedGeneration(basename(resolve(folder)), readGeneration(folder)));
  const version = qemuVersion();
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-bench-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  const interruptible = onInterrupt(removeFolder);
  const progress = startProgress(flags);
  const measurements: Measurement[] = [];
  const subjects = flags.kernel === undefined ? [] : subjectsOf(variants, additions);
  const boots = new BootSeries(progress.listener, (generations.length + subjects.length) * flags.runs);
  const measure = async (boot: PreparedBoot): Promise<void> => {
    measurements.push(await measureBoot(boot, flags, boots));
  };
  try {
    const maker = await variantMaker(flags, folder, progress.listener);
    if (maker === undefined && generations.length === 0) {
      throw new UsageError("Cannot measure: nothing was named", {
        hint: "give a kernel and an initrd with -k and -i, or generations that lazyrd build wrote",
      });
    }
    for (const boot of generations) await measure(boot);
    for (const { variant, addedBytes } of subjects) await maker?.with(variant, addedBytes, measure);
  } finally {
    progress.end();
    interruptible();
    removeFolder();
  }
  if (flags.json) printJson({ machine: machineFacts(flags, version), until: flags.until, measurements });
  else printResult(`${HEADING}\n${describeMeasurements(measurements)}`);
  // Last: what took so long to measure is shown even where this fails.
  if (flags.points !== undefined) writePoints(flags.points, measurements);
  if (measurements.some(({ failure }) => failure !== null)) process.exitCode = EXIT.notBooted;
}

/** What is added to the initrd, one after the other: first nothing. @throws UsageError for what is no size. */
function parseAdditions(text: string | undefined): number[] {
  const sizes = text?.split(",") ?? [];
  return [
    0,
    ...sizes.map((size) => {
      const bytes = parseSize(size);
      if (bytes !== undefined && bytes > 0) return bytes;
      throw new UsageError(`Cannot use ${JSON.stringify(size)} as a size to add`, { hint: "give sizes like 25M,200M" });
    }),
  ];
}

/** Every variant with everything that is added. The floor boots nothing that could be added to. */
function subjectsOf(
  variants: readonly NamedVariant[],
  additions: readonly number[],
): { variant: NamedVariant; addedBytes: number }[] {
  return additions.flatMap((addedBytes) =>
    variants
      .filter(({ variant }) => addedBytes === 0 || variant.kind !== "floor")
      .map((variant) => ({ variant, addedBytes })),
  );
}

async function variantMaker(
  flags: BenchFlags,
  folder: string,
  progress: ProgressListener,
): Promise<VariantMaker | undefined> {
  const { kernel: path, initrd } = flags;
  if (path === undefined && initrd === undefined) return undefined;
  if (path === undefined || initrd === undefined) {
    throw new UsageError("Cannot make variants: both a kernel and an initrd are needed", { hint: "give -k and -i" });
  }
  const kernel = { path, bytes: readInput(path, "the kernel") };
  const { release } = await inFile(path, () => parseKernelImage(kernel.bytes));
  const inputs = {
    kernel,
    initrd,
    modules: moduleTrees(flags.modules, release),
    acceptInitrdModules: flags.modules === undefined,
    drivers: selectDrivers(flags.drivers),
    config: readConfig(flags.config),
  };
  return new VariantMaker(inputs, folder, progress);
}

async function measureBoot(boot: PreparedBoot, flags: BenchFlags, boots: BootSeries): Promise<Measurement> {
  const { variant, contentBytes, addedBytes, loadedBytes, imageBytes } = boot;
  const name = titleOf(variant, addedBytes);
  const machine = { ...machineWith(boot, flags), countInstructions: true, skipsIdle: flags.skipWaits };
  // The floor is a kernel that starts a program; there is nothing that this could go on to.
  const until = variant === "floor" ? "first-stage" : flags.until;
  const options = { until: (line: ConsoleLine) => showsMilestone(line, until), timeoutSeconds: flags.timeout };
  const runs = await repeatUntilStable(
    async (number) => {
      const stage = `${name}: boot ${number} of at most ${flags.runs}`;
      return runOf(await boots.run(stage, (onLine) => recordMachine(machine, { ...options, onLine })));
    },
    timeOfRun,
    flags.runs,
  );
  boots.skip(flags.runs - runs.length);
  return summarise({ variant, contentBytes, addedBytes, loadedBytes, imageBytes }, runs);
}

function runOf(recording: Recording): Run {
  const { end, lines, reads } = recording;
  return {
    milestones: milestonesOf(recording),
    reads: { requests: reads.length, bytes: reads.reduce((sum, { length }) => sum + length, 0) },
    initrdMemoryBytes: memoryOf(lines).find(({ what }) => what === "initrd-freed")?.bytes ?? null,
    failure: end === "reached" ? null : failureOf(recording),
  };
}

function failureOf({ end, lines }: Recording): string {
  const said = lines.find((line) => showsMilestone(line, "failed") || showsMilestone(line, "panic")) ?? lines.at(-1);
  return `${end === "timeout" ? "the time is over" : "the machine stopped"}, ${said?.text ?? "without a word"}`;
}

function machineFacts({ memory, cpus, cpu, disk, skipWaits }: BenchFlags, version: string): object {
  const facts = { memoryMib: memory, cpus, cpuModel: cpu, diskBus: disk, skipsIdle: skipWaits };
  return { generator: `lazyrd ${packageVersion()}`, qemuVersion: version, ...facts };
}

const POINTS_BEGINNING = '[{"variant":';

function writePoints(path: string, measurements: readonly Measurement[]): void {
  writeTextFile(path, `${JSON.stringify(scalingPoints(measurements))}\n`, { beginning: POINTS_BEGINNING });
}
