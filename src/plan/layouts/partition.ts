import { step } from "../step.ts";
import { requireOnly } from "./settings.ts";
import type { Layout, LocationSettings } from "./types.ts";
import { imageMountStep, verityStep } from "./verified.ts";

/** The image on partitions of its own, found by GUIDs that are its root hash (Discoverable Partitions Specification). */
export function partitionLayout(settings: LocationSettings): Layout {
  requireOnly("partition", settings, []);
  return {
    name: "partition",
    features: [],
    needsDrivers: true,
    place: () => ({ kind: "partitions" }),
    steps(image, options) {
      const timeout = `timeout=${options.timeoutSeconds}s`;
      const devices = { data: "data", hash: "hash", hashStartBlock: image.hashStartBlock };
      return [
        step("device", ["data", `partuuid=${image.dataPartition}`, timeout], ["first half of the root hash"]),
        step("device", ["hash", `partuuid=${image.hashPartition}`, timeout], ["second half of the root hash"]),
        verityStep(image, devices, options),
        imageMountStep(image),
      ];
    },
  };
}
