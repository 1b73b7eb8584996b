import { toText } from "../bytes/index.ts";
import {
  type DriverSelection,
  driverModules,
  type FeatureName,
  type KernelConfig,
  knownNeeds,
  type ModuleDatabase,
  type ModulePlan,
  type PlannedModule,
  planModules,
  requireFeatures,
  type WantedModule,
} from "../kernel/index.ts";
import { hashAccelerators } from "./accelerators.ts";
import { busOfAlias } from "./buses.ts";
import type { ColdplugDriver, CorruptionAction, FailureAction, NextStage, Plan, PlanStep } from "./types.ts";

/** What the plan must know of an image; the root hash is known last. */
export interface ImageFacts {
  /** GUIDs of the partitions that hold the data and the hashes. */
  readonly dataPartition: string;
  readonly hashPartition: string;
  readonly rootHash: string;
  /** Hexadecimal, may be empty. */
  readonly salt: string;
  readonly dataBlocks: number;
  /** In hash blocks from the start of the hash partition. */
  readonly hashStartBlock: number;
}

export interface PlanOptions {
  readonly drivers: DriverSelection;
  readonly timeoutSeconds: number;
  readonly onCorruption: CorruptionAction;
  readonly onFailure: FailureAction;
  readonly failureDelaySeconds: number;
  /** Load faster implementations of sha256 first. */
  readonly accelerate: boolean;
  /** Top-level names that the first stage's initrd has besides its own: those of the early segments. */
  readonly skipNames: readonly string[];
}

/** The modules of a first stage, by the step that loads them. */
export interface ModuleSelection {
  readonly accelerators: readonly PlannedModule[];
  readonly required: readonly PlannedModule[];
  readonly drivers: readonly ColdplugDriver[];
  /** Folders of /sys/bus to look at, in the order of the drivers. */
  readonly buses: readonly string[];
  readonly builtin: ModulePlan["builtin"];
  readonly absent: ModulePlan["absent"];
}

/** All that a verified image on a partition needs of the kernel. */
const FEATURES: readonly FeatureName[] = ["erofs", "dm", "dm-verity", "sha256", "overlay"];

/**
 * Chooses the modules of a first stage: what is loaded on every machine, and what only on machines that have the
 * device for it.
 * @throws UsageError naming what the kernel lacks.
 */
export function selectModules(
  database: ModuleDatabase,
  options: Pick<PlanOptions, "drivers" | "accelerate">,
  config?: KernelConfig,
): ModuleSelection {
  const facts = { needs: knownNeeds(config) };
  const accelerators = planModules(database, options.accelerate ? hashAccelerators(database) : [], facts);
  let loaded = accelerators.modules.map((module) => module.name);
  const wanted = requireFeatures(database, FEATURES, config).flatMap((status) => status.wanted);
  const chosenDrivers = driverModules(database, options.drivers);
  const { found, unconditional } = splitByHardware(database, chosenDrivers);
  const required = planModules(database, [...wanted, ...unconditional], { ...facts, loaded });
  loaded = [...loaded, ...required.modules.map((module) => module.name)];

  const drivers: ColdplugDriver[] = [];
  const plans = [accelerators, required];
  for (const { wish, patterns } of found) {
    const plan = planModules(database, [wish], { ...facts, loaded });
    plans.push(plan);
    const driver = plan.modules.find((module) => module.name === wish.name) ?? plan.modules.at(-1);
    if (driver !== undefined) drivers.push({ module: driver, modules: plan.modules.map(loadName), patterns });
  }
  const buses = drivers.flatMap((driver) => driver.patterns.map((pattern) => busOfAlias(pattern) ?? ""));
  return {
    accelerators: accelerators.modules,
    required: required.modules,
    drivers,
    buses: [...new Set(buses)],
    builtin: uniqueByName(plans.flatMap((plan) => plan.builtin)),
    absent: uniqueByName(plans.flatMap((plan) => plan.absent)),
  };
}

/** All files for /lazyrd/modules, each once. */
export function modulesOf(database: ModuleDatabase, selection: ModuleSelection): PlannedModule[] {
  const all = new Map([...selection.accelerators, ...selection.required].map((module) => [module.name, module]));
  for (const driver of selection.drivers) {
    for (const name of driver.modules) {
      const entry = database.get(name);
      if (entry === undefined || all.has(entry.name)) continue;
      const reasons = entry.name === driver.module.name ? driver.module.reasons : needReasons(driver, entry.name);
      all.set(entry.name, { ...entry, reasons, required: false });
    }
  }
  return [...all.values()];
}

/** The plan for an image on partitions of its own. */
export function compilePlan(
  selection: ModuleSelection,
  modules: readonly PlannedModule[],
  image: ImageFacts,
  nextStage: NextStage,
  options: PlanOptions,
): Plan {
  const timeout = `timeout=${options.timeoutSeconds}s`;
  const steps: PlanStep[] = [
    step("failure", [options.onFailure, `after=${options.failureDelaySeconds}s`], ["set by on-failure"]),
    ...moduleSteps(selection),
    step("device", ["data", `partuuid=${image.dataPartition}`, timeout], ["first half of the root hash"]),
    step("device", ["hash", `partuuid=${image.hashPartition}`, timeout], ["second half of the root hash"]),
    step(
      "verity",
      [
        "root",
        "data=data",
        "hash=hash",
        `data-blocks=${image.dataBlocks}`,
        `hash-start=${image.hashStartBlock}`,
        `root-hash=${image.rootHash}`,
        `salt=${image.salt}`,
        `on-corruption=${options.onCorruption}`,
      ],
      ["the root hash authenticates every byte of the image"],
    ),
    step("mount", ["root", "/lazyrd/image", "erofs"], ["the image"]),
    ...rootSteps(nextStage, options.skipNames),
  ];
  return { steps, drivers: selection.drivers, modules };
}

function moduleSteps(selection: ModuleSelection): PlanStep[] {
  const steps: PlanStep[] = [];
  const { accelerators, required, drivers, buses } = selection;
  if (accelerators.length > 0) {
    steps.push(step("try-modules", accelerators.map(loadName), accelerators.flatMap(describeModule)));
  }
  if (required.length > 0) steps.push(step("modules", required.map(loadName), required.flatMap(describeModule)));
  if (drivers.length > 0) {
    steps.push(step("coldplug", buses, [`${drivers.length} drivers, loaded where their device is present`]));
  }
  return steps;
}

/** From the mounted image to the next stage's first instruction, in a root directory that it accepts. */
function rootSteps(nextStage: NextStage, skipNames: readonly string[]): PlanStep[] {
  const skip = skipNames.length === 0 ? [] : [`skip=${skipNames.join(",")}`];
  const appended = "files that the loader or the network appended to the initrd";
  const forward = step("forward", ["/lazyrd/new", ...skip], [appended]);
  const leave = step("switch", ["/lazyrd/new", nextStage.init], ["the image's own init"]);
  if (nextStage.kind === "systemd") {
    const reason = "systemd accepts an overlay as its root directory, and frees it when it leaves";
    return [step("overlay", ["/lazyrd/new", "lower=/lazyrd/image"], [reason]), forward, leave];
  }
  return [
    step("overlay", ["/lazyrd/overlay", "lower=/lazyrd/image"], ["the image with a writable layer"]),
    step("mount", ["none", "/lazyrd/new", "tmpfs", "options=mode=0755"], ["run-init and switch_root want a tmpfs as /"]),
    step("graft", ["/lazyrd/overlay", "/lazyrd/new"], ["the image's content, spared when they empty the tmpfs"]),
    forward,
    leave,
  ];
}

function step(verb: PlanStep["verb"], words: readonly string[], reasons: readonly string[]): PlanStep {
  return { verb, words, reasons };
}

/** Drivers that hardware asks for, and those that nothing would: these are loaded on every machine. */
function splitByHardware(database: ModuleDatabase, wishes: readonly WantedModule[]) {
  const found: { wish: WantedModule; patterns: string[] }[] = [];
  const unconditional: WantedModule[] = [];
  for (const wish of wishes) {
    const entry = database.get(wish.name);
    const patterns = entry === undefined ? [] : database.aliasesOf(entry.name).filter(isHardwareAlias);
    if (entry !== undefined && patterns.length > 0) found.push({ wish: { ...wish, name: entry.name }, patterns });
    else unconditional.push(wish);
  }
  return { found, unconditional };
}

function isHardwareAlias(pattern: string): boolean {
  return busOfAlias(pattern) !== undefined;
}

/** The name by which the first stage finds a module's file. */
function loadName(module: PlannedModule): string {
  return toText(module.name);
}


function describeModule(module: PlannedModule): string[] {
  return [`${toText(module.name)}: ${module.reasons.join("; ")}`];
}

function needReasons(driver: ColdplugDriver, name: string): string[] {
  return [...driver.module.reasons, `${toText(driver.module.name)} needs ${toText(name)}`];
}

function uniqueByName<T extends { readonly name: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.name, item])).values()];
}
