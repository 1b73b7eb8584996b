import { createHash } from "node:crypto";
import { UsageError } from "../bytes/index.ts";
import type { WrittenFile } from "../host/index.ts";
import type { ImageFacts } from "../plan/index.ts";
import { imageOverBudget } from "../sizes/index.ts";
import { parseSize } from "../text/index.ts";
import type { Tree } from "../tree/index.ts";
import type { ImageContent } from "./content.ts";
import { fileEntry } from "./file-entry.ts";
import type { GatheredParts } from "./gather.ts";
import { GENERATION_FILES } from "./generation.ts";
import { writeImage } from "./image.ts";
import type { BuildInputs } from "./inputs.ts";
import type { Manifest } from "./manifest.ts";
import type { BuildMeans } from "./means.ts";
import type { BuildRequest } from "./request.ts";

/** An image that was written, and is neither durable yet nor closed. */
export interface WrittenImage {
  readonly facts: ImageFacts;
  readonly file: WrittenFile;
  /** What decided what is in it. */
  readonly inputEntries: Manifest["inputs"];
}

/**
 * Writes the image's file into the output.
 * @throws UsageError when it is larger than the configuration allows, or there is no room for it and what belongs to it.
 */
export async function writeImageFile(
  request: BuildRequest,
  parts: GatheredParts,
  content: ImageContent,
  { threads, progress, output }: BuildMeans,
): Promise<WrittenImage> {
  const { inputs, layout, kernel, profile } = request;
  const { image: settings } = inputs.config;
  const inputEntries = entriesOf(request, parts, content);
  // What the base decides is in the settings: an image put into the base it was made for makes another base.
  const { base: _, ...seeding } = inputEntries;
  const stage = "writing the image";
  await progress(stage);
  const loadedBytes = bytesToLoad(inputs, parts);
  const file = output.create(GENERATION_FILES.image);
  let doneBytes = 0;
  let totalBytes = 0;
  const options = {
    seed: seedOf(seeding, content.imageTree.settings),
    architecture: kernel.architecture,
    designator: layout.designator ?? "root",
    kernel: content.kernelFacts,
    files: {
      ...content.compressed?.files,
      order: content.layout.order,
      equalFiles: content.layout.equalFiles,
      inlineFileTails: layout.needsPlainFiles !== true,
    },
    isRecorded: profile !== undefined,
    name: settings.name,
    version: settings.version,
    signRootHash: inputs.signRootHash,
    sizeMultiple: layout.sizeMultiple,
    threads,
    reserve: (imageBytes: number) => {
      totalBytes = imageBytes;
      checkBudget(content.tree, imageBytes, settings.budget);
      const copies = layout.initrdPath === undefined ? 0 : copiesOf(inputs);
      output.requireSpace(imageBytes + loadedBytes + copies * imageBytes);
    },
    onWritten: (bytes: number) => {
      doneBytes += bytes;
      progress(stage, { doneBytes, totalBytes });
    },
  } as const;
  return { facts: await writeImage(content.tree, options, file), file, inputEntries };
}

function entriesOf(
  { inputs, treatment }: BuildRequest,
  { initrdSha256 }: GatheredParts,
  { imageTree }: ImageContent,
): Manifest["inputs"] {
  const { initrd, profile } = inputs;
  return {
    initrd: { sizeBytes: initrd.source.size, sha256: initrdSha256 },
    ...(profile === undefined ? {} : { profile: fileEntry(profile.bytes) }),
    ...(treatment.signer === undefined ? {} : { "module-certificate": fileEntry(treatment.signer.certificate.der) }),
    ...imageTree.inputs,
  };
}

/**
 * Salt and UUIDs follow from all that decides what is in the image, and how.
 * @param settings what changes the tree besides, as text
 */
function seedOf(entries: Readonly<Record<string, { readonly sha256: string }>>, settings: string): Uint8Array {
  const digests = Object.entries(entries).map(([name, { sha256 }]) => `${name} ${sha256}\n`);
  return createHash("sha256")
    .update(Buffer.from(digests.join("") + settings, "utf8"))
    .digest();
}

/** @throws UsageError when the image is larger than the configuration allows. */
function checkBudget(tree: Tree, imageBytes: number, budget: string): void {
  const budgetBytes = parseSize(budget);
  const excess = budgetBytes === undefined ? undefined : imageOverBudget(tree, imageBytes, budgetBytes);
  if (excess === undefined) return;
  throw new UsageError(`Cannot build the image: it would have ${excess}`, {
    hint: "raise image.budget, or leave something out of the initrd; lazyrd size INITRD shows what costs what",
  });
}

/** Room for program, plan and manifest, and for the archive's headers: none of them comes near a megabyte. */
const SMALL_FILES_BYTES = 4 << 20;

/** A unified kernel image holds all that is loaded once more. */
function copiesOf({ uki }: BuildInputs): number {
  return uki === undefined ? 1 : 2;
}

/** About what kernel and first stage take in the output. */
function bytesToLoad(inputs: BuildInputs, { kept, chosen }: GatheredParts): number {
  const modules = chosen.files.map(({ content }) => content);
  const contents = [kept.early, inputs.kernel.bytes, inputs.shell?.bytes ?? new Uint8Array(), ...modules];
  const bytes = contents.reduce((sum, { length }) => sum + length, 0);
  return copiesOf(inputs) * (bytes + SMALL_FILES_BYTES);
}
