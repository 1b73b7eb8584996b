import { UsageError } from "../../bytes/index.ts";
import type { ImageFacts } from "../image.ts";
import { step } from "../step.ts";
import type { PlanStep } from "../types.ts";
import { deviceOption } from "./device-key.ts";
import { fileSteps, mappedFileSteps } from "./file.ts";
import { fileSystemType } from "./file-systems.ts";
import { WHY_ANY } from "./partition.ts";
import { requireOnly } from "./settings.ts";
import type { Layout, LayoutName, LayoutOptions, LocationSettings } from "./types.ts";
import { imageMountStep } from "./verified.ts";

const DEVICE = "place";
const MOUNT = "/lazyrd/place";
const DEFAULT_FOLDER = "/lazyrd";
/** Each name a folder's: no "..", nothing that a plan cannot hold, no comma, which stands between files. */
export const FOLDER = /^(\/(?!\.{1,2}(\/|$))[!-+\--.0-~]+)+$/;
/** Of the root hash: enough to tell images apart. */
const NAME_DIGITS = 16;

/** The image as a file on the boot partition. */
export function bootLayout(settings: LocationSettings): Layout {
  requireOnly("boot", settings, ["device", "file-system", "folder", "previous"]);
  if (settings.device === "" || settings["file-system"] === "") {
    throw new UsageError('Cannot use the layout "boot": it needs [location] device and file-system', {
      hint: 'for instance device = "LABEL=boot" and file-system = "ext4"; findmnt -no UUID,FSTYPE /boot shows both',
    });
  }
  return fileLayout("boot", settings.device, settings["file-system"], settings.folder);
}

/** The image as a file on the EFI system partition, which is known by its type, or on another one like it. */
export function espLayout(settings: LocationSettings): Layout {
  requireOnly("esp", settings, ["device", "folder", "previous"]);
  return fileLayout("esp", settings.device === "" ? "PARTTYPE=esp" : settings.device, "vfat", settings.folder);
}

/** The name of an image's file, which no other image's has. */
export function imageFileName({ rootHash }: Pick<ImageFacts, "rootHash">): string {
  return `${rootHash.slice(0, NAME_DIGITS)}.raw`;
}

function fileLayout(name: LayoutName, device: string, fileSystem: string, givenFolder: string): Layout {
  const type = fileSystemType(fileSystem);
  const key = deviceOption(device);
  const folder = givenFolder === "" ? DEFAULT_FOLDER : givenFolder;
  if (!FOLDER.test(folder)) {
    throw new UsageError(`Cannot use [location] folder = ${JSON.stringify(folder)}`, {
      hint: 'write it as it is on that file system, from its root on: "/lazyrd"',
    });
  }
  const pathOf = (image: ImageFacts): string => `${folder}/${imageFileName(image)}`;
  const mountOptions = type.options === "" ? [] : [`options=${type.options}`];
  const deviceStep = (
    name: string,
    images: readonly ImageFacts[],
    { timeoutSeconds }: LayoutOptions,
    reason: string,
  ): PlanStep =>
    step(
      "device",
      [
        ...[name, key, `holds=${images.map(pathOf).join(",")}`, `type=${type.name}`],
        ...[...mountOptions, `timeout=${timeoutSeconds}s`],
      ],
      [reason],
    );
  return {
    name,
    features: ["loop", ...type.features],
    needsDrivers: true,
    findsSignedImages: false,
    ...(type.canBeMapped ? {} : { keepsInUse: `${device} (${fileSystem})` }),
    place: (image) => ({ kind: "file", device, fileSystem, path: pathOf(image) }),
    waitForOneOf: (images, options) => deviceStep("any", images, options, WHY_ANY),
    steps(image, options) {
      const file = `${MOUNT}${pathOf(image)}`;
      return [
        deviceStep(DEVICE, [image], options, `${device}; of several ones, one that has the image`),
        step("mount", [DEVICE, MOUNT, type.name, ...mountOptions], ["read-only, without a look at its journal"]),
        ...(type.canBeMapped ? mappedFileSteps(file, DEVICE, image, options) : fileSteps(file, image, options)),
        imageMountStep(image),
        step("unmount", [MOUNT], [whyUnmounted(type.canBeMapped)]),
      ];
    },
  };
}

function whyUnmounted(isMapped: boolean): string {
  return isMapped
    ? "where the image is on its device is known by now: the next stage finds the file system unused"
    : "it stays open for as long as the image is in use, without being seen";
}
