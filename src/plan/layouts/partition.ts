import type { ImageFacts } from "../image.ts";
import { step } from "../step.ts";
import type { PlanStep } from "../types.ts";
import { requireOnly } from "./settings.ts";
import type { Layout, LayoutOptions, LocationSettings, SignedImages } from "./types.ts";
import { imageMountStep, reactions, verityStep } from "./verified.ts";

/** The image on partitions of its own, found by GUIDs that are its root hash (Discoverable Partitions Specification). */
export function partitionLayout(settings: LocationSettings): Layout {
  requireOnly("partition", settings, ["previous"]);
  return {
    name: "partition",
    features: [],
    findsSignedImages: true,
    needsDrivers: true,
    place: () => ({ kind: "partitions" }),
    waitForOneOf: waitForPartitions,
    steps: (image, options) => {
      const { signedImages } = options;
      if (signedImages === undefined) return [...knownImage(image, options), imageMountStep(image)];
      // What was recorded was a boot of this image, and it may be another one.
      return [signedImage(signedImages, options), imageMountStep({ ...image, prefetchBytes: undefined })];
    },
  };
}

/** The step that waits for the data partition of one of several images. */
export function waitForPartitions(images: readonly ImageFacts[], { timeoutSeconds }: LayoutOptions): PlanStep {
  const partitions = images.map(({ dataPartition }) => dataPartition).join(",");
  return step("device", ["any", `partuuid=${partitions}`, `timeout=${timeoutSeconds}s`], [WHY_ANY]);
}

export const WHY_ANY = "one of the images: when it is there, those that are missing are not waited for as long";

/** The steps that open an image by its two partitions, wherever the device is that has them. */
export function knownImage(image: ImageFacts, options: LayoutOptions): PlanStep[] {
  const timeout = `timeout=${options.timeoutSeconds}s`;
  const devices = { data: "data", hash: "hash", hashStartBlock: image.hashStartBlock };
  return [
    step("device", ["data", `partuuid=${image.dataPartition}`, timeout], ["first half of the root hash"]),
    step("device", ["hash", `partuuid=${image.hashPartition}`, timeout], ["second half of the root hash"]),
    verityStep(image, devices, options),
  ];
}

function signedImage({ signatureType, label, floor }: SignedImages, options: LayoutOptions): PlanStep {
  const words = ["root", `type=${signatureType}`, `label=${label}`, ...(floor === "" ? [] : [`floor=${floor}`])];
  const reasons = ["image-signature.required: any image with a good signature, the newest first"];
  return step(
    "signed",
    [...words, `timeout=${options.timeoutSeconds}s`, ...reactions(options)],
    floor === "" ? reasons : [...reasons, "image-signature.floor: no older one"],
  );
}
