import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type ProgressListener, readGeneration } from "../../build/index.ts";
import { UsageError } from "../../bytes/index.ts";
import { FileSource, inFile, onInterrupt, packageVersion, readInput } from "../../host/index.ts";
import { parseKernelImage } from "../../kernel/index.ts";
import {
  DEFAULT_VARIANTS,
  describeMeasurements,
  isSystem,
  type Measurement,
  type NamedVariant,
  type Omission,
  parseVariants,
  scalingPoints,
  titleOf,
  VARIANT_PATTERNS,
} from "../../measure/index.ts";
import { parseSize } from "../../text/index.ts";
import { type Machine, qemuVersion, recordMachine } from "../../vm/index.ts";
import { BootSeries } from "../boot-series.ts";
import { moduleTrees, readConfig } from "../build-inputs.ts";
import { addHardwareOptions, type HardwareFlags, positiveInteger } from "../machine.ts";
import {
  counting,
  ENDS,
  endOf,
  type MeasureFlags,
  measureBoot,
  type PreparedBoot,
  type RootDisk,
  readsOfImage,
  requireReachable,
  VariantMaker,
  type WantedVariant,
  withPreparedGeneration,
  withSignsOf,
  writeRootDisk,
} from "../measured-boots/index.ts";
import { startProgress } from "../progress.ts";
import { EXIT, printJson, printResult } from "../terminal.ts";
import { writeTextFile } from "../text-file.ts";

interface BenchFlags extends HardwareFlags, MeasureFlags {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly modules?: string;
  readonly config?: string;
  readonly drivers: string;
  readonly variants: string;
  readonly beside: readonly NamedInitrd[];
  readonly root?: string;
  readonly scaling?: string;
  readonly points?: string;
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
    .option("--variants <names>", `separated by commas, of: ${VARIANT_PATTERNS}`, DEFAULT_VARIANTS)
    .addOption(
      new Option("--beside <name=initrd>", "measure another initrd too, as it is; may be repeated")
        .argParser(namedInitrd)
        .default([], "none"),
    )
    .option(
      "--root <path>",
      "what the initrd hands over to: a root file system's image, or a folder (which becomes ext4)",
    )
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

interface NamedInitrd {
  readonly name: string;
  readonly path: string;
}

async function run(folders: string[], given: BenchFlags): Promise<void> {
  const flags = withSignsOf(given.until, given);
  const additions = parseAdditions(flags.scaling);
  const variants = parseVariants(flags.variants);
  const generations = folders.map((folder) => ({
    name: basename(resolve(folder)),
    generation: readGeneration(folder),
  }));
  const version = qemuVersion();
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-bench-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  const interruptible = onInterrupt(removeFolder);
  const progress = startProgress(flags);
  const measurements: Measurement[] = [];
  const omissions: Omission[] = [];
  const subjects = flags.kernel === undefined ? [] : subjectsOf(variants, additions, flags.beside);
  const boots = new BootSeries(progress.listener, (generations.length + subjects.length) * flags.runs);
  const measure = async (boot: PreparedBoot): Promise<void> => {
    measurements.push(await measureBoot(boot, flags, boots));
  };
  /** A variant that cannot be made is left out, and said so; the others are measured all the same. */
  const measureVariant = async (maker: VariantMaker, wanted: WantedVariant): Promise<void> => {
    let isMade = false;
    try {
      requireReachable(isSystem(wanted.variant) ? "system" : "initrd", flags.until);
      await maker.with(wanted, async (boot) => {
        isMade = true;
        await measure(boot);
      });
    } catch (cause) {
      if (isMade || !(cause instanceof UsageError)) throw cause;
      omissions.push({ variant: titleOf(wanted.name, wanted.addedBytes), reason: cause.message });
      boots.skip(flags.runs);
    }
  };
  try {
    const maker = await variantMaker(flags, folder, progress.listener);
    if (maker === undefined && generations.length === 0) {
      throw new UsageError("Cannot measure: nothing was named", {
        hint: "give a kernel and an initrd with -k and -i, or generations that lazyrd build wrote",
      });
    }
    for (const { name, generation } of generations) {
      requireReachable(generation.manifest.nextStage.kind === "system" ? "system" : "initrd", flags.until);
      await withPreparedGeneration(name, generation, flags, measure);
    }
    if (maker !== undefined) for (const subject of subjects) await measureVariant(maker, subject);
  } finally {
    progress.end();
    interruptible();
    removeFolder();
  }
  if (flags.json) printJson({ machine: machineFacts(flags, version), until: flags.until, measurements, omissions });
  else printResult(`${HEADING}\n${describeMeasurements(measurements, omissions)}`);
  // Last: what took so long to measure is shown even where this fails.
  if (flags.points !== undefined) writePoints(flags.points, measurements);
  const isComplete = measurements.length > 0 && measurements.every(({ failure }) => failure === null);
  if (!isComplete) process.exitCode = EXIT.notBooted;
}

function namedInitrd(text: string, others: readonly NamedInitrd[]): NamedInitrd[] {
  const at = text.indexOf("=");
  if (at > 0 && at < text.length - 1) return [...others, { name: text.slice(0, at), path: text.slice(at + 1) }];
  throw new InvalidArgumentError("Expected a name and a file: squash=initrd.img.");
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
  beside: readonly NamedInitrd[],
): WantedVariant[] {
  const made = additions.flatMap((addedBytes) =>
    variants
      .filter(({ variant }) => addedBytes === 0 || variant.kind !== "floor")
      .map((variant) => ({ ...variant, addedBytes, initrd: undefined })),
  );
  const others = beside.map(({ name, path }): WantedVariant => {
    return { name, variant: { kind: "classic" }, addedBytes: 0, initrd: path };
  });
  return [...made, ...others];
}

async function rootDisk(path: string, folder: string, progress: ProgressListener): Promise<RootDisk> {
  await progress("writing a disk with the root file system");
  return writeRootDisk(path, join(folder, "root"));
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
  for (const other of [{ path: initrd }, ...flags.beside]) new FileSource(other.path, "the initrd").close();
  const kernel = { path, bytes: readInput(path, "the kernel") };
  const { release } = await inFile(path, () => parseKernelImage(kernel.bytes));
  const root = flags.root === undefined ? undefined : await rootDisk(flags.root, folder, progress);
  const inputs = {
    kernel,
    kernelRelease: release,
    initrd,
    hardware: flags,
    root,
    readsOf: async (machine: Machine, name: string) => {
      await progress(`${name}: boot for its profile`);
      return readsOfImage(await recordMachine(counting(machine, flags), endOf(flags.until, flags)));
    },
    modules: moduleTrees(flags.modules, release),
    acceptInitrdModules: flags.modules === undefined,
    drivers: flags.drivers,
    config: readConfig(flags.config),
  };
  return new VariantMaker(inputs, folder, progress);
}

function machineFacts({ memory, cpus, cpu, disk, skipWaits }: BenchFlags, version: string): object {
  const facts = { memoryMib: memory, cpus, cpuModel: cpu, diskBus: disk, skipsIdle: skipWaits };
  return { generator: `lazyrd ${packageVersion()}`, qemuVersion: version, ...facts };
}

const POINTS_BEGINNING = '[{"variant":';

function writePoints(path: string, measurements: readonly Measurement[]): void {
  writeTextFile(path, `${JSON.stringify(scalingPoints(measurements))}\n`, { beginning: POINTS_BEGINNING });
}
