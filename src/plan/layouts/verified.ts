import type { ImageFacts } from "../image.ts";
import { step } from "../step.ts";
import type { PlanStep } from "../types.ts";
import type { LayoutOptions } from "./types.ts";

/** Where every layout leaves the image. */
export const IMAGE_MOUNT = "/lazyrd/image";
/** Where the next stage's root directory is made. */
export const NEW_ROOT = "/lazyrd/new";

/**
 * Half of the kernel's usual 128 KiB. Programs are read here and there, not from end to end, and what is read without
 * being used is hashed all the same: starting systemd reads 12.8 MB instead of 14.4 (docs/architecture.md).
 */
const READ_AHEAD_KIB = 64;
const KIB = 1024;
/** What the first stage takes: of a profile of a million files it is the first part. */
const MAX_PREFETCH_KIB = 64 << 10;

/** Names of devices that earlier steps found, and where the hashes begin on theirs: in hash blocks. */
export interface ImageDevices {
  readonly data: string;
  readonly hash: string;
  readonly hashStartBlock: number;
}

/** The step that opens the image as the device `root`. */
export function verityStep(image: ImageFacts, devices: ImageDevices, options: LayoutOptions): PlanStep {
  return step(
    "verity",
    [
      "root",
      `data=${devices.data}`,
      `hash=${devices.hash}`,
      `data-blocks=${image.dataBlocks}`,
      `hash-start=${devices.hashStartBlock}`,
      `root-hash=${image.rootHash}`,
      `salt=${image.salt}`,
      ...reactions(options),
    ],
    ["the root hash authenticates every byte of the image"],
  );
}

/** What every image is opened with. */
export function reactions({ onCorruption }: LayoutOptions): string[] {
  return [`on-corruption=${onCorruption}`, `read-ahead=${READ_AHEAD_KIB}`];
}

/** The step that mounts what `verityStep` opened. */
export function imageMountStep({ prefetchBytes }: ImageFacts): PlanStep {
  const words = ["root", IMAGE_MOUNT, "erofs"];
  if (prefetchBytes === undefined) return step("mount", words, ["the image"]);
  const prefetch = `prefetch=${Math.min(Math.ceil(prefetchBytes / KIB), MAX_PREFETCH_KIB)}`;
  return step("mount", [...words, prefetch], ["the image, and at once what the recorded boot looked up in it"]);
}
