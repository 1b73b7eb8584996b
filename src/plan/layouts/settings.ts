import { UsageError } from "../../bytes/index.ts";
import type { LayoutName, LocationSettings } from "./types.ts";

/**
 * Refuses settings in [location] that a layout has no use for: whoever wrote them expects something of them.
 * @throws UsageError that names them.
 */
export function requireOnly(
  name: LayoutName,
  settings: LocationSettings,
  known: readonly (keyof LocationSettings)[],
): void {
  const isSet = ([, value]: [string, unknown]): boolean => !["", "false", "0"].includes(String(value));
  const unknown = Object.entries(settings)
    .filter(isSet)
    .map(([key]) => key)
    .filter((key) => !known.includes(key as keyof LocationSettings));
  if (unknown.length === 0) return;
  const takes = known.length === 0 ? "takes no settings" : `takes ${known.join(", ")}`;
  throw new UsageError(`Cannot use [location] ${unknown.join(", ")}: the layout "${name}" ${takes}`, {
    hint: "docs/layouts describes each layout and its settings",
  });
}
