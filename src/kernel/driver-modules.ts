import { type ByteString, toText } from "../bytes/index.ts";
import type { ModuleDatabase } from "./database.ts";
import { type DriverSetName, driverSets, networkDriverSets } from "./driver-sets.ts";
import type { WantedModule } from "./plan-modules.ts";

/** A device of the running machine, as its `modalias` file in /sys shows it. */
export interface HostDevice {
  readonly modalias: ByteString;
  /** For the explanation, for instance the device's path in /sys. */
  readonly device: string;
}

export type DriverSelection =
  | { readonly kind: "set"; readonly set: DriverSetName }
  /** Exactly these, by name or alias; each must be there. */
  | { readonly kind: "list"; readonly names: readonly ByteString[] }
  | { readonly kind: "host"; readonly devices: readonly HostDevice[] };

/** What drivers are for. */
export type DriverPurpose = "storage" | "network";

/**
 * The drivers of a selection, each once, with the reason for it; an argument for `planModules`. Of a set, those that
 * serve `purposes`; lists and machines say themselves what is in them.
 */
export function driverModules(
  database: ModuleDatabase,
  selection: DriverSelection,
  purposes: readonly DriverPurpose[] = ["storage"],
): WantedModule[] {
  if (purposes.length === 0) return [];
  if (selection.kind === "list") {
    return selection.names.map((name) => ({
      name,
      reason: `${purposes.join(" or ")} driver from the list that was given`,
    }));
  }
  if (selection.kind === "set") {
    const { set } = selection;
    const groups = purposes.flatMap((purpose) => {
      const sets = purpose === "storage" ? driverSets : networkDriverSets;
      return sets[set].map((group) => ({ ...group, reason: `${purpose} driver for ${group.hardware}, set ${set}` }));
    });
    return groups
      .flatMap(({ modules, reason }) => modules.map((name) => ({ name, reason, optional: true })))
      .filter(({ name }, index, all) => all.findIndex((other) => other.name === name) === index);
  }
  const wanted = new Map<ByteString, WantedModule>();
  for (const { modalias, device } of selection.devices) {
    for (const name of database.resolveAlias(modalias)) {
      // Several drivers may claim one device, and one of them will refuse it: none may stop the boot.
      const reason = `driver of ${device}, ${toText(modalias)}`;
      if (!wanted.has(name)) wanted.set(name, { name, reason, optional: true });
    }
  }
  return [...wanted.values()];
}
