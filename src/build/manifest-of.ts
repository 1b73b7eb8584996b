import type { Explanation, ImageFacts } from "../plan/index.ts";
import { fileEntry } from "./file-entry.ts";
import type { GatheredParts } from "./gather.ts";
import type { ImageTree } from "./image-tree.ts";
import type { Manifest } from "./manifest.ts";
import type { BuildRequest } from "./request.ts";

/** What a generation's manifest is made of. */
export interface ManifestFacts {
  readonly request: BuildRequest;
  readonly parts: GatheredParts;
  readonly place: Manifest["place"];
  readonly image: ImageFacts;
  readonly imageTree: ImageTree;
  readonly files: Manifest["files"];
  /** What decided what is in the image. */
  readonly inputEntries: Manifest["inputs"];
  readonly explanation: Explanation;
}

/** What belongs to a generation, and what it was made from: the manifest that is kept with it. */
export function manifestOf({ request, parts, image, imageTree, ...facts }: ManifestFacts): Omit<Manifest, "version"> {
  const { rootHash, salt, dataBlocks, dataPartition, hashPartition, dataOffsetBytes, hashOffsetBytes } = image;
  const { base, transformations } = imageTree;
  const { inputs, kernel, layout } = request;
  return {
    generator: inputs.generator,
    kernel: { release: kernel.release, architecture: kernel.machine },
    commandLine: inputs.config.boot["command-line"],
    layout: layout.name,
    place: facts.place,
    nextStage: parts.nextStage,
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
