import { FormatError, UsageError } from "../bytes/index.ts";
import { planVerity } from "../formats/verity/index.ts";
import type { ImageFacts, NextStage } from "../plan/index.ts";
import { GENERATION_FILES } from "./generation.ts";
import type { Manifest } from "./manifest.ts";

/** A generation, as far as another one's plan may need its image. */
export interface PreviousGeneration {
  readonly folder: string;
  readonly manifest: Pick<Manifest, "image" | "layout" | "kernel" | "nextStage" | "files">;
}

/**
 * The image of a generation as one that the plan of another generation falls back to.
 * @throws UsageError when that generation's image cannot stand in for the other's.
 */
export function previousImage(
  { folder, manifest }: PreviousGeneration,
  wanted: { readonly layout: string; readonly release: string; readonly nextStage: NextStage },
): ImageFacts {
  const { image, layout, kernel, nextStage, files } = manifest;
  const refuse = (why: string): never => {
    throw new UsageError(`Cannot fall back to ${folder}: ${why}`, { hint: "leave it out of location.previous" });
  };
  if (layout !== wanted.layout) refuse(`its image is laid out for "${layout}", not for "${wanted.layout}"`);
  // A kernel takes no modules but its own, and the image is full of them.
  if (kernel.release !== wanted.release) refuse(`it was made for kernel ${kernel.release}, not for ${wanted.release}`);
  if (nextStage.kind !== wanted.nextStage.kind || nextStage.init !== wanted.nextStage.init) {
    refuse("its initrd begins in another way, and the steps behind the candidates are the same for all");
  }
  if (image.base !== undefined) refuse("its image is a layer to be laid over another one");
  const { sizeBytes } = files[GENERATION_FILES.image] ?? noImage(folder);
  return { ...image, sizeBytes, hashStartBlock: planVerity(image.dataBlocks).hashStartBlock };
}

function noImage(folder: string): NonNullable<Manifest["files"][string]> {
  throw new FormatError(`Cannot use ${folder}: its manifest has no ${GENERATION_FILES.image}`, { format: "manifest" });
}
