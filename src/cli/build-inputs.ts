import { existsSync } from "node:fs";
import { type BuildConfig, type DriverChoice, defaultConfig, type ModuleTree, parseConfig } from "../build/index.ts";
import { fromText, UsageError } from "../bytes/index.ts";
import { hostFolder, readDiskDevices, readInput, readNetworkDevices } from "../host/index.ts";
import { type DriverPurpose, type DriverSelection, type DriverSetName, driverSets } from "../kernel/index.ts";

const DEFAULT_CONFIG = "lazyrd.toml";

/** The settings of a file; without one, of ./lazyrd.toml where it is there. @throws UsageError when it is not right. */
export function readConfig(path: string | undefined): BuildConfig {
  if (path === undefined && !existsSync(DEFAULT_CONFIG)) return defaultConfig();
  const chosen = path ?? DEFAULT_CONFIG;
  return parseConfig(Buffer.from(readInput(chosen, "the configuration")).toString("utf8"), chosen);
}

/** What `--drivers` or the settings choose. @throws UsageError for what names no modules. */
export function selectDrivers(
  choice: DriverChoice | string,
  purposes: readonly DriverPurpose[] = ["storage"],
): DriverSelection {
  if (choice === "host") {
    const read = { storage: readDiskDevices, network: readNetworkDevices };
    return { kind: "host", devices: purposes.flatMap((purpose) => read[purpose]()) };
  }
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

/** Where the modules of a kernel are: in the folder that was named, or where they are installed. */
export function moduleTrees(folder: string | undefined, release: string | undefined): ModuleTree[] {
  const installed = `/lib/modules/${release}`;
  const path = folder ?? (existsSync(installed) ? installed : undefined);
  return path === undefined ? [] : [{ path, tree: hostFolder(path) }];
}
