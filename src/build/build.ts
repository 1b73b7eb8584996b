import { createHash } from "node:crypto";
import { fromText, toHex, toText, UsageError } from "../bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../formats/cpio/index.ts";
import type { Architecture } from "../formats/gpt/index.ts";
import type { OutputFolder } from "../host/index.ts";
import { type DriverSelection, parseKernelImage } from "../kernel/index.ts";
import { compilePlan, encodePlan, explainPlan, modulesOf, selectModules } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";
import type { BuildConfig } from "./config.ts";
import { encodeFirstStage, firstStageTree } from "./first-stage.ts";
import { writeImage } from "./image.ts";
import { GENERATION_FILES } from "./generation.ts";
import { encodeManifest, type Manifest } from "./manifest.ts";
import { detectNextStage } from "./next-stage.ts";
import { findModules, keptParts, readModule } from "./sources.ts";

/** What a generation is made from: bytes, so that the result depends on nothing else. */
export interface BuildInputs {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  /** Where to look for the kernel's modules, in this order; the initrd's own come last. */
  readonly modules: readonly Tree[];
  /** The first stage's program for the kernel's architecture. */
  readonly firstStageProgram: (architecture: Architecture) => Uint8Array;
  readonly drivers: DriverSelection;
  readonly config: BuildConfig;
  /** For the manifest: "lazyrd 0.1.0". */
  readonly generator: string;
}

/** A generation that was written. */
export interface BuildResult {
  readonly manifest: Omit<Manifest, "version">;
  readonly warnings: readonly string[];
}

const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map([["x86_64", "x86-64"]]);

/**
 * Makes a generation and writes its files to `output`, without putting the folder in its place.
 * @throws FormatError for inputs that are not what they should be, UsageError for what the caller can change.
 */
export async function buildGeneration(
  inputs: BuildInputs,
  output: OutputFolder,
  progress: (stage: string) => void,
): Promise<BuildResult> {
  const kernel = parseKernelImage(inputs.kernel);
  const architecture = ARCHITECTURES.get(kernel.architecture);
  if (architecture === undefined) {
    throw new UsageError(`Cannot build for ${kernel.architecture}: the first stage exists for x86_64 only`);
  }
  if (kernel.release === undefined) {
    throw new UsageError("Cannot tell the kernel's release: give the bzImage that the distribution installs");
  }

  progress("reading the initrd");
  const initramfs = await readInitramfs(inputs.initrd);
  const { tree, warnings } = treeOfInitramfs(initramfs, { includeEarly: false });
  const nextStage = detectNextStage(tree);

  progress("choosing modules");
  const source = await findModules([...inputs.modules, tree], kernel.release);
  const { database } = source;
  const kept = keptParts(inputs.initrd, initramfs);
  const { config } = inputs;
  const options = {
    drivers: inputs.drivers,
    accelerate: config["first-stage"].accelerate,
    timeoutSeconds: config.boot.timeout,
    onCorruption: config.boot["on-corruption"],
    onFailure: config.boot["on-failure"],
    failureDelaySeconds: config.boot["failure-delay"],
    skipNames: kept.topLevelNames,
  };
  const selection = selectModules(database, options);
  const modules = modulesOf(database, selection);
  const files = await Promise.all(
    modules.map((module) => readModule(source, module.path, module.name, config.modules.signatures)),
  );

  progress("writing the image");
  const image = output.writePositioned(GENERATION_FILES.image, (sink) =>
    writeImage(tree, { seed: digest(inputs.initrd), architecture, reserve: (bytes) => output.requireSpace(bytes) }, sink),
  );

  progress("writing the first stage");
  const plan = compilePlan(selection, modules, image, nextStage, options);
  const program = inputs.firstStageProgram(architecture);
  const firstStage = await encodeFirstStage(
    firstStageTree(program, plan, files),
    kept,
    config["first-stage"].compression,
  );
  const planText = Buffer.from(encodePlan(plan), "utf8");
  output.write(GENERATION_FILES.kernel, inputs.kernel);
  output.write(GENERATION_FILES.firstStage, firstStage);
  output.write(GENERATION_FILES.plan, planText);

  const sizes = new Map(files.map((file) => [fromText(file.name), file.content.length]));
  const manifest: Omit<Manifest, "version"> = {
    generator: inputs.generator,
    kernel: { release: kernel.release, architecture: kernel.architecture },
    commandLine: config.boot["command-line"],
    nextStage,
    image: {
      rootHash: image.rootHash,
      salt: image.salt,
      dataBlocks: image.dataBlocks,
      dataPartition: image.dataPartition,
      hashPartition: image.hashPartition,
    },
    files: {
      [GENERATION_FILES.kernel]: fileEntry(inputs.kernel),
      [GENERATION_FILES.firstStage]: fileEntry(firstStage),
      [GENERATION_FILES.image]: { sizeBytes: image.sizeBytes, sha256: output.digest(GENERATION_FILES.image) },
      [GENERATION_FILES.plan]: fileEntry(planText),
    },
    inputs: { initrd: fileEntry(inputs.initrd) },
    explanation: explainPlan(plan, selection, sizes),
  };
  output.write(GENERATION_FILES.manifest, Buffer.from(encodeManifest(manifest), "utf8"));
  const unpacking = warnings.map(({ name, message }) => `${toText(name)}: ${message}`);
  return { manifest, warnings: [...initramfs.warnings, ...database.warnings, ...unpacking] };
}

function digest(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

function fileEntry(bytes: Uint8Array): { sizeBytes: number; sha256: string } {
  return { sizeBytes: bytes.length, sha256: toHex(digest(bytes)) };
}
