import { step } from "../step.ts";
import type { PlanStep } from "../types.ts";
import { partitionLayout } from "./partition.ts";
import { requireOnly } from "./settings.ts";
import { type Layout, type LocationSettings, NO_SETTINGS } from "./types.ts";
import { IMAGE_MOUNT, NEW_ROOT } from "./verified.ts";

/** Where an operating system in /usr keeps what /etc and /var begin with (file-hierarchy(7)). */
export const FACTORY = "share/factory";
/** What is made anew at every boot, out of what FACTORY has of it. */
export const FACTORY_DIRECTORIES = ["etc", "var"] as const;

/** An operating system that is all in /usr, on partitions of its own; the rest of the root directory is in memory. */
export function usrLayout(settings: LocationSettings): Layout {
  requireOnly("usr", settings, ["previous"]);
  return {
    ...partitionLayout(NO_SETTINGS),
    name: "usr",
    continuesInto: "system",
    designator: "usr",
    rootSteps,
  };
}

function rootSteps(): PlanStep[] {
  const fromFactory = (name: string): PlanStep =>
    step(
      "overlay",
      [`${NEW_ROOT}/${name}`, `lower=${NEW_ROOT}/usr/${FACTORY}/${name}`],
      [`/${name} begins at every boot as /usr/${FACTORY}/${name} has it`],
    );
  return [
    step("mount", ["none", NEW_ROOT, "tmpfs", "options=mode=0755"], ["the root directory, in memory"]),
    step("move", [IMAGE_MOUNT, `${NEW_ROOT}/usr`], ["the image is /usr"]),
    ...FACTORY_DIRECTORIES.map(fromFactory),
  ];
}
