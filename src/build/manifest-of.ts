import type { Explanation, ImageFacts, NextStage } from "../plan/index.ts";
import type { BuildInputs } from "./build.ts";
import { fileEntry } from "./file-entry.ts";
import type { ImageTree } from "./image-tree.ts";
import type { Manifest } from "./manifest.ts";

/** What a generation's manifest is made of. */
export interface ManifestFacts {
  readonly inputs: BuildInputs;
  readonly kernel: { readonly release: string; readonly machine: string };
  readonly layout: Manifest["layout"];
  readonly place: Manifest["place"];
  readonly nextStage: NextStage;
  readonly image: ImageFacts;
  readonly imageTree: ImageTree;
  readonly files: Manifest["files"];
  /** What decided what is in the image. */
  readonly inputEntries: Manifest["inputs"];
  readonly explanation: Explanation;
}

/** What belongs to a generation, and what it was made from: the manifest that is kept with it. */
export function manifestOf({ inputs, kernel, image, imageTree, ...facts }: ManifestFacts): Omit<Manifest, "version"> {
  const { rootHash, salt, dataBlocks, dataPartition, hashPartition, dataOffsetBytes, hashOffsetBytes } = image;
  const { base, transformations } = imageTree;
  return {
    generator: inputs.generator,
    kernel: { release: kernel.release, architecture: kernel.machine },
    commandLine: inputs.config.boot["command-line"],
    layout: facts.layout,
    place: facts.place,
    nextStage: facts.nextStage,
    image: {
      ...{ rootHash, salt, dataBlocks, dataPartition, hashPartition, dataOffsetBytes, hashOffsetBytes },
      ...(base === undefined ? {} : { base }),
    },
    files: facts.files,
    inputs: {
      ...facts.inputEntries,
      ...(inputs.shell === undefined ? {} : { shell: fileEntry(inputs.shell.bytes) }),
    },
    explanation: { ...facts.explanation, ...(transformations.length > 0 ? { image: transformations } : {}) },
  };
}
