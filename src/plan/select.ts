import { type ByteString, toText } from "../bytes/index.ts";
import {
  type DriverPurpose,
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
import { earlyModules, hashAccelerators } from "./accelerators.ts";
import { busOfAlias } from "./buses.ts";
import type { Layout } from "./layouts/index.ts";
import { type MeasureOptions, requireTpmDriver, tpmModules } from "./measure.ts";
import type { ColdplugDriver, NextStage } from "./types.ts";

export interface SelectionOptions {
  readonly layout: Layout;
  readonly drivers: DriverSelection;
  /** Load faster implementations of sha256. */
  readonly accelerate: boolean;
  /** Load what the next stage would load at its start: pays where the first stage's modules load faster than its own. */
  readonly preload: boolean;
  /** Without it, nothing is measured. */
  readonly measure?: MeasureOptions | undefined;
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

/** What a verified image needs of the kernel wherever it is. */
const FEATURES: readonly FeatureName[] = ["erofs", "dm", "dm-verity", "sha256", "overlay"];

/**
 * Chooses the modules of a first stage: what is loaded on every machine, and what only on machines that have the
 * device for it.
 * @param nextStage what to preload for; undefined where that is not known or not wanted
 * @throws UsageError naming what the kernel lacks.
 */
export function selectModules(
  database: ModuleDatabase,
  nextStage: NextStage | undefined,
  options: SelectionOptions,
  config?: KernelConfig,
): ModuleSelection {
  // Layouts mount FAT with character sets of their own choice, not with the kernel's.
  const facts = { needs: knownNeeds(config).filter(({ module }) => module !== "vfat") };
  const accelerators = planModules(database, options.accelerate ? hashAccelerators(database) : [], facts);
  const early = options.preload && nextStage !== undefined ? earlyModules(nextStage) : [];
  const features = requireFeatures(database, [...FEATURES, ...options.layout.features], config).flatMap(
    (status) => status.wanted,
  );
  const { hotplugged, unconditional } = splitByHardware(database, [
    ...early,
    ...driverModules(database, options.drivers, driverPurposes(options.layout)),
    ...(options.layout.drivers ?? []),
  ]);
  const measuring = options.measure?.when ?? "never";
  const wishes = [...features, ...(options.layout.modules ?? []), ...unconditional, ...tpmModules(measuring)];
  const required = planModules(database, wishes, {
    ...facts,
    loaded: accelerators.modules.map((module) => module.name),
  });

  requireTpmDriver(measuring, required.absent);
  const loaded = [...accelerators.modules, ...required.modules].map((module) => module.name);
  // Not optional: without what a driver depends on, the kernel refuses it.
  const plans = hotplugged.map((wish) => planModules(database, [{ ...wish, optional: false }], { ...facts, loaded }));
  const drivers = plans.flatMap(({ modules }, index): ColdplugDriver[] => {
    // Not among them where it is loaded already, because something that every machine needs needs it.
    const module = modules.find(({ name }) => name === hotplugged[index]?.name);
    return module === undefined ? [] : [{ module, modules, patterns: hardwareAliases(database, module.name) }];
  });
  const buses = drivers.flatMap((driver) => driver.patterns.flatMap((pattern) => busOfAlias(pattern) ?? []));
  const all = [accelerators, required, ...plans];
  return {
    accelerators: accelerators.modules,
    required: required.modules,
    drivers,
    buses: [...new Set(buses)],
    builtin: uniqueByName(all.flatMap((plan) => plan.builtin)),
    absent: uniqueByName(all.flatMap((plan) => plan.absent)),
  };
}

/** Which hardware stands between the first stage and the image. Disks come first, as they are there sooner. */
export function driverPurposes({ needsDrivers, needsNetwork }: Layout): DriverPurpose[] {
  return [...(needsDrivers ? (["storage"] as const) : []), ...(needsNetwork ? (["network"] as const) : [])];
}

/** All files for /lazyrd/modules, each once. */
export function modulesOf({ accelerators, required, drivers }: ModuleSelection): PlannedModule[] {
  return uniqueByName([...accelerators, ...required, ...drivers.flatMap((driver) => driver.modules)]);
}

/** Drivers that hardware asks for, and those that nothing would: these are loaded on every machine. */
function splitByHardware(database: ModuleDatabase, wishes: readonly WantedModule[]) {
  const hotplugged = new Map<ByteString, WantedModule>();
  const unconditional: WantedModule[] = [];
  for (const wish of wishes) {
    const name = database.get(wish.name)?.name;
    if (name === undefined || hardwareAliases(database, name).length === 0) {
      unconditional.push(wish);
      continue;
    }
    for (const dependency of database.dependencies(name)) {
      // A driver of a bus is needed before there are devices on the bus: nothing else would load hv_vmbus, since the
      // devices of hv_storvsc only appear when it is loaded.
      if (hotplugged.has(dependency) || hardwareAliases(database, dependency).length === 0) continue;
      const reason = `${wish.reason}; may bring the devices that ${toText(name)} drives`;
      hotplugged.set(dependency, { name: dependency, reason, optional: true });
    }
    hotplugged.set(name, { ...wish, name });
  }
  return { hotplugged: [...hotplugged.values()], unconditional };
}

function hardwareAliases(database: ModuleDatabase, name: ByteString): ByteString[] {
  return database.aliasesOf(name).filter((pattern) => busOfAlias(pattern) !== undefined);
}

/** The first of each name. */
function uniqueByName<T extends { readonly name: ByteString }>(items: readonly T[]): T[] {
  return items.filter((item, index) => items.findIndex(({ name }) => name === item.name) === index);
}
