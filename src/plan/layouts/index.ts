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

/**
 * The layout of that name with its settings.
 * @throws UsageError for settings that it does not take, or not like this.
 */
export function layoutOf(name: LayoutName, settings: LocationSettings = NO_SETTINGS): Layout {
  return LAYOUTS[name](settings);
}
