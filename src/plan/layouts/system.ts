import { UsageError } from "../../bytes/index.ts";
import { step } from "../step.ts";
import type { PlanStep } from "../types.ts";
import { partitionLayout } from "./partition.ts";
import { requireOnly } from "./settings.ts";
import { type Layout, type LocationSettings, NO_SETTINGS } from "./types.ts";
import { IMAGE_MOUNT, NEW_ROOT } from "./verified.ts";

const ROOTS = ["overlay", "read-only"] as const;

/** An operating system on partitions of its own, which the boot does not leave again. */
export function systemLayout(settings: LocationSettings): Layout {
  requireOnly("system", settings, ["root", "previous"]);
  const { root } = settings;
  if (root !== "" && !ROOTS.some((known) => known === root)) {
    throw new UsageError(`Cannot use [location] root = ${JSON.stringify(root)}: expected ${ROOTS.join(" or ")}`);
  }
  return {
    ...partitionLayout(NO_SETTINGS),
    name: "system",
    continuesInto: "system",
    ...(root === "read-only" ? { rootSteps: readOnlyRoot, hasReadOnlyRoot: true } : {}),
  };
}

/** The image as it is; what programs must be able to write is in memory. */
function readOnlyRoot(): PlanStep[] {
  const writable = (path: string, reason: string): PlanStep =>
    step("overlay", [`${NEW_ROOT}${path}`, `lower=${NEW_ROOT}${path}`], [reason]);
  return [
    step("move", [IMAGE_MOUNT, NEW_ROOT], ["the image is the root directory, and read-only"]),
    writable("/etc", "settings that are made while the machine runs"),
    writable("/var", "what programs keep"),
  ];
}
