import type { ImageFacts } from "../image.ts";
import { step } from "../step.ts";
import type { PlanStep } from "../types.ts";
import type { LayoutOptions } from "./types.ts";
import { verityStep } from "./verified.ts";

const BLOCK_BYTES = 4096;
const DEVICE = "image";

/** The part of an image's file from the data on, in whole blocks: hashes, and what may come behind them. */
function usedPart(image: ImageFacts): string[] {
  const behind = image.sizeBytes - image.dataOffsetBytes;
  return [`offset=${image.dataOffsetBytes}`, `size=${behind - (behind % BLOCK_BYTES)}`];
}

/** The steps that open an image out of a file: one device from its data on, with the hashes behind them. */
export function fileSteps(path: string, image: ImageFacts, options: LayoutOptions): PlanStep[] {
  const why = "EROFS can be mounted from a file, but not checked by dm-verity then";
  return [step("loop", [DEVICE, path, ...usedPart(image)], [why]), verityOnOneDevice(DEVICE, image, options)];
}

/** The same for a file on `device`, whose file system is not needed afterwards. */
export function mappedFileSteps(path: string, device: string, image: ImageFacts, options: LayoutOptions): PlanStep[] {
  const why = "the image's blocks, read from the device itself: nothing keeps its file system busy";
  const map = step("map", [DEVICE, path, `device=${device}`, ...usedPart(image)], [why]);
  return [map, verityOnOneDevice(DEVICE, image, options)];
}

/** The step that opens an image whose device begins with the data. */
export function verityOnOneDevice(device: string, image: ImageFacts, options: LayoutOptions): PlanStep {
  const blocksBefore = (image.hashOffsetBytes - image.dataOffsetBytes) / BLOCK_BYTES;
  const hashStartBlock = blocksBefore + image.hashStartBlock;
  return verityStep(image, { data: device, hash: device, hashStartBlock }, options);
}
