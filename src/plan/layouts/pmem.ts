import type { WantedModule } from "../../kernel/index.ts";
import type { ImageFacts } from "../image.ts";
import { step } from "../step.ts";
import type { PlanStep } from "../types.ts";
import { knownImage, waitForPartitions } from "./partition.ts";
import { requireOnly } from "./settings.ts";
import type { Layout, LayoutOptions, LocationSettings } from "./types.ts";
import { IMAGE_MOUNT, imageMountStep } from "./verified.ts";

/**
 * What brings memory that is a disk: `memmap=nn!ss`, NVDIMMs and RAM disks of the firmware, virtio-pmem (behind the driver of
 * virtio devices on PCI, which no module names).
 */
const DRIVERS: readonly WantedModule[] = ["nd_e820", "nfit", "virtio_pci", "virtio_pmem", "nd_pmem"].map((name) => ({
  name,
  reason: "driver for persistent memory",
  optional: true,
}));

/**
 * Linux maps such memory in sections of this size (memremap_compat_align) and refuses a virtio-pmem device of another one:
 * "misaligned, unable to map".
 */
const SECTION_BYTES = 2 << 20;

/** The image in memory that a loader, the firmware or a hypervisor filled: a disk like any other, without a copy. */
export function pmemLayout(settings: LocationSettings): Layout {
  requireOnly("pmem", settings, ["dax", "previous"]);
  return {
    name: "pmem",
    features: ["pmem"],
    findsSignedImages: false,
    needsDrivers: false,
    drivers: DRIVERS,
    place: () => ({ kind: "memory" }),
    waitForOneOf: waitForPartitions,
    sizeMultiple: SECTION_BYTES,
    needsPlainFiles: settings.dax,
    steps: settings.dax ? directSteps : checkedSteps,
  };
}

/**
 * DAX goes past dm-verity, which has no way to check what a processor reads by itself. But memory, other than a disk,
 * cannot be exchanged behind the machine's back: all of it is checked once, and then used.
 */
function directSteps(image: ImageFacts, options: LayoutOptions): PlanStep[] {
  return [
    ...knownImage(image, { ...options, onCorruption: "error" }),
    step("check", ["root"], ["every byte of the image, while that can still be refused"]),
    step("mount", ["data", IMAGE_MOUNT, "erofs", "options=dax=always"], ["the image, used where it is: no copies"]),
  ];
}

function checkedSteps(image: ImageFacts, options: LayoutOptions): PlanStep[] {
  return [...knownImage(image, options), imageMountStep(image)];
}
