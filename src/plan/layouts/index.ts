import { memoryLayout } from "./memory.ts";
import { networkLayout } from "./network.ts";
import { partitionLayout } from "./partition.ts";
import { type Layout, type LayoutName, type LocationSettings, NO_SETTINGS } from "./types.ts";

export * from "./types.ts";
export { IMAGE_MOUNT } from "./verified.ts";

const LAYOUTS: Readonly<Record<LayoutName, (settings: LocationSettings) => Layout>> = {
  partition: partitionLayout,
  memory: memoryLayout,
  network: networkLayout,
};

/**
 * The layout of that name with its settings.
 * @throws UsageError for settings that it does not take, or not like this.
 */
export function layoutOf(name: LayoutName, settings: LocationSettings = NO_SETTINGS): Layout {
  return LAYOUTS[name](settings);
}
