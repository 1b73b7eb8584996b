import type { NextStage } from "../types.ts";
import { bootLayout, espLayout } from "./boot.ts";
import { memoryLayout } from "./memory.ts";
import { networkLayout } from "./network.ts";
import { partitionLayout } from "./partition.ts";
import { pmemLayout } from "./pmem.ts";
import { systemLayout } from "./system.ts";
import { type Layout, type LayoutName, type LocationSettings, NO_SETTINGS } from "./types.ts";
import { usrLayout } from "./usr.ts";
import { usrFileLayout } from "./usr-file.ts";

export { imageFileName } from "./boot.ts";
export * from "./types.ts";
export { FACTORY, FACTORY_DIRECTORIES } from "./usr.ts";
export { IMAGE_MOUNT, NEW_ROOT } from "./verified.ts";

const LAYOUTS: Readonly<Record<LayoutName, (settings: LocationSettings) => Layout>> = {
  partition: partitionLayout,
  system: systemLayout,
  usr: usrLayout,
  "usr-file": usrFileLayout,
  boot: bootLayout,
  esp: espLayout,
  memory: memoryLayout,
  pmem: pmemLayout,
  network: networkLayout,
};

/** What goes well when booting and may be missed afterwards. */
export function layoutWarnings({ keepsInUse }: Layout, { kind }: NextStage): string[] {
  if (keepsInUse === undefined || kind !== "script") return [];
  return [
    `this initrd covers its root instead of leaving it, so that the image stays in use, and ${keepsInUse} with it: it cannot be mounted writable until the machine is shut down`,
  ];
}

/**
 * The layout of that name with its settings.
 * @throws UsageError for settings that it does not take, or not like this.
 */
export function layoutOf(name: LayoutName, settings: LocationSettings = NO_SETTINGS): Layout {
  return LAYOUTS[name](settings);
}
