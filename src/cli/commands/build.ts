import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import {
  type BuildConfig,
  type BuildResult,
  buildGeneration,
  type DriverChoice,
  defaultConfig,
  GENERATION_FILES,
  LOCAL_FILES,
  type ModuleTree,
  OWN_NAMES,
  parseConfig,
} from "../../build/index.ts";
import { fromText, UsageError } from "../../bytes/index.ts";
import {
  inFile,
  nextTurn,
  OutputFolder,
  onInterrupt,
  packageFile,
  packageVersion,
  readDiskDevices,
  readHostTree,
  readInput,
} from "../../host/index.ts";
import { type DriverSelection, type DriverSetName, driverSets, parseKernelImage } from "../../kernel/index.ts";
import { formatSize } from "../../text/index.ts";
import { startProgress } from "../progress.ts";
import { printJson, printResult, printWarnings } from "../terminal.ts";

interface BuildFlags {
  readonly kernel: string;
  readonly initrd: string;
  readonly modules?: string;
  readonly config?: string;
  readonly drivers?: string;
  readonly output: string;
  readonly json: boolean;
  readonly quiet: boolean;
}

export function buildCommand(): Command {
  return new Command("build")
    .summary("turn an initrd into a first stage and a verified image")
    .description(
      "Reads a kernel and the initrd it boots with, and writes a generation: the small first stage, the image with " +
        "everything else (EROFS on dm-verity), the plan that connects them, and a manifest. Needs no root.",
    )
    .requiredOption("-k, --kernel <file>", "the kernel, as installed in /boot")
    .requiredOption("-i, --initrd <file>", "the initrd to split; it is only read")
    .option("-m, --modules <folder>", "the kernel's modules (default: /lib/modules/RELEASE, then the initrd's own)")
    .option("-c, --config <file>", "settings (default: ./lazyrd.toml where there is one)")
    .option("-d, --drivers <set>", "storage drivers: generic, virtio, host, or names separated by commas")
    .requiredOption("-o, --output <folder>", "where the generation goes; replaces one that lazyrd wrote")
    .addOption(new Option("--json", "print the manifest as JSON").default(false))
    .addOption(new Option("-q, --quiet", "no progress").default(false))
    .action(run);
}

async function run(flags: BuildFlags): Promise<void> {
  const config = readConfig(flags.config);
  const kernel = { path: flags.kernel, bytes: readInput(flags.kernel, "the kernel") };
  const { release } = await inFile(flags.kernel, () => parseKernelImage(kernel.bytes));
  const initrd = { path: flags.initrd, bytes: readInput(flags.initrd, "the initrd") };
  const inputs = {
    kernel,
    initrd,
    modules: moduleTrees(flags.modules, release),
    acceptInitrdModules: flags.modules === undefined,
    firstStageProgram: () => readInput(packageFile("dist/first-stage/init-x86_64"), "the first stage"),
    drivers: selectDrivers(flags.drivers ?? config["first-stage"].drivers),
    config,
    generator: `lazyrd ${packageVersion()}`,
  };
  const output = new OutputFolder(flags.output, OWN_NAMES);
  const interruptible = onInterrupt(() => output.discard());
  const progress = startProgress(flags);
  try {
    const result = await buildGeneration(inputs, output, progress.listener);
    // For `lazyrd boot --classic` only; no part of the generation.
    output.link(LOCAL_FILES.classicInitrd, flags.initrd);
    // The last moment to notice that somebody wants this to end.
    await nextTurn();
    output.commit();
    progress.end();
    printWarnings(result.warnings);
    if (flags.json) printJson(result.manifest);
    else printResult(summary(flags.output, initrd.bytes.length, result));
  } catch (error) {
    output.discard();
    throw error;
  } finally {
    progress.end();
    interruptible();
  }
}

const DEFAULT_CONFIG = "lazyrd.toml";

function readConfig(path: string | undefined): BuildConfig {
  if (path === undefined && !existsSync(DEFAULT_CONFIG)) return defaultConfig();
  const chosen = path ?? DEFAULT_CONFIG;
  return parseConfig(Buffer.from(readInput(chosen, "the configuration")).toString("utf8"), chosen);
}

function selectDrivers(choice: DriverChoice | string): DriverSelection {
  if (choice === "host") return { kind: "host", devices: readDiskDevices() };
  if (typeof choice === "string" && Object.hasOwn(driverSets, choice))
    return { kind: "set", set: choice as DriverSetName };
  const names = typeof choice === "string" ? choice.split(",") : choice;
  if (names.some((name) => !/^[\w-]+$/.test(name))) {
    throw new UsageError(`Cannot use ${JSON.stringify(choice)} as drivers: expected names of modules`, {
      hint: "give generic, virtio, host, or names separated by commas: nvme,sd_mod,ahci",
    });
  }
  return { kind: "list", names: names.map(fromText) };
}

function moduleTrees(folder: string | undefined, release: string | undefined): ModuleTree[] {
  const installed = `/lib/modules/${release}`;
  const path = folder ?? (existsSync(installed) ? installed : undefined);
  return path === undefined ? [] : [{ path, tree: readHostTree(path) }];
}

function summary(folder: string, initrdBytes: number, { manifest }: BuildResult): string {
  const size = (name: string): string => formatSize(manifest.files[name]?.sizeBytes ?? 0);
  return [
    `${folder}: kernel ${manifest.kernel.release}, initrd of ${formatSize(initrdBytes)} split into`,
    `  ${GENERATION_FILES.firstStage}  ${size(GENERATION_FILES.firstStage)}, ${manifest.explanation.modules.length} modules`,
    `  ${GENERATION_FILES.image}         ${size(GENERATION_FILES.image)}, root hash ${manifest.image.rootHash}`,
    `next: lazyrd boot ${folder}, lazyrd explain ${folder}`,
  ].join("\n");
}
