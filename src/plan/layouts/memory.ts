import { fileSteps } from "./file.ts";
import { requireOnly } from "./settings.ts";
import type { Layout, LocationSettings } from "./types.ts";
import { imageMountStep } from "./verified.ts";

/** Among the first stage's own things, which are not forwarded. */
const IMAGE_PATH = "/lazyrd/image.raw";

/** The image in the initrd, behind the first stage: whoever loads that has loaded all. */
export function memoryLayout(settings: LocationSettings): Layout {
  requireOnly("memory", settings, []);
  return {
    name: "memory",
    features: ["loop"],
    findsSignedImages: false,
    needsDrivers: false,
    initrdPath: IMAGE_PATH,
    place: () => ({ kind: "initrd", path: IMAGE_PATH }),
    steps: (image, options) => [...fileSteps(IMAGE_PATH, image, options), imageMountStep(image)],
  };
}
