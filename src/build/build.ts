import { createHash } from "node:crypto";
import { type PositionedSink, toHex, toText, UsageError } from "../bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../formats/cpio/index.ts";
import type { Architecture } from "../formats/gpt/index.ts";
import { inFile, type OutputFolder } from "../host/index.ts";
import { type DriverSelection, parseKernelImage } from "../kernel/index.ts";
import { compilePlan, encodePlan, explainPlan, modulesOf, selectModules } from "../plan/index.ts";
import { imageOverBudget } from "../sizes/index.ts";
import { parseSize } from "../text/index.ts";
import type { Tree } from "../tree/index.ts";
import { compressImage } from "./compress/index.ts";
import type { BuildConfig } from "./config.ts";
import { encodeFirstStage, firstStageTree } from "./first-stage.ts";
import { GENERATION_FILES } from "./generation.ts";
import { writeImage } from "./image.ts";
import { encodeManifest, type Manifest } from "./manifest.ts";
import { detectNextStage } from "./next-stage.ts";
import type { ProgressListener } from "./progress.ts";
import { findModules, keptParts, type ModuleTree, readModule, requireSameRelease } from "./sources.ts";

/** A file that was read, and its name for messages. */
export interface InputFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** What a generation is made from: bytes, so that the result depends on nothing else. */
export interface BuildInputs {
  readonly kernel: InputFile;
  readonly initrd: InputFile;
  /** Where to look for the kernel's modules, in this order. */
  readonly modules: readonly ModuleTree[];
  /** Whether the initrd's own modules will do where none of these has any; not when somebody named the place. */
  readonly acceptInitrdModules: boolean;
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
  progress: ProgressListener,
): Promise<BuildResult> {
  const { config, initrd } = inputs;
  const kernel = await inFile(inputs.kernel.path, () => usableKernel(inputs.kernel.bytes));
  const { architecture } = kernel;

  await progress("reading the initrd");
  const { initramfs, tree, warnings, nextStage } = await inFile(initrd.path, async () => {
    const initramfs = await readInitramfs(initrd.bytes);
    const unpacked = treeOfInitramfs(initramfs, { includeEarly: false });
    return { initramfs, ...unpacked, nextStage: detectNextStage(unpacked.tree) };
  });

  await progress("choosing modules");
  const ownModules = inputs.acceptInitrdModules ? [{ path: initrd.path, tree }] : [];
  const source = await findModules([...inputs.modules, ...ownModules], kernel.release);
  const { database } = source;
  const kept = keptParts(initrd.bytes, initramfs);
  const options = {
    drivers: inputs.drivers,
    accelerate: config["first-stage"].accelerate,
    timeoutSeconds: config.boot.timeout,
    onCorruption: config.boot["on-corruption"],
    onFailure: config.boot["on-failure"],
    failureDelaySeconds: config.boot["failure-delay"],
    skipNames: kept.topLevelNames,
  };
  const { selection, modules, files } = await inFile(source.path, async () => {
    const selection = selectModules(database, options);
    const modules = modulesOf(selection);
    const read = modules.map((module) => readModule(source, module.path, module.name, config.modules.signatures));
    const files = await Promise.all(read);
    requireSameRelease(files, kernel.release);
    return { selection, modules, files };
  });

  const erofsModule = files.find(({ name }) => name === "erofs")?.content;
  const compressed = await compressImage(tree, config.image, { release: kernel.release, erofsModule }, progress);
  const seed = digest(initrd.bytes);
  const writing = "writing the image";
  await progress(writing);
  const otherBytes = sum([kept.early, inputs.kernel.bytes, ...files.map((file) => file.content)]) + SMALL_FILES_BYTES;
  const image = output.writePositioned(GENERATION_FILES.image, (file) => {
    let totalBytes = 0;
    const reserve = (imageBytes: number): void => {
      totalBytes = imageBytes;
      checkBudget(tree, imageBytes, config.image.budget);
      output.requireSpace(imageBytes + otherBytes);
    };
    const sink = countingSink(file, (doneBytes) => progress(writing, { doneBytes, totalBytes }));
    return writeImage(tree, { seed, architecture, reserve, ...compressed }, sink);
  });

  await progress("writing the first stage");
  const plan = compilePlan(selection, modules, image, nextStage, options);
  const program = inputs.firstStageProgram(architecture);
  const firstStage = await encodeFirstStage(
    firstStageTree(program, plan, files),
    kept,
    config["first-stage"].compression,
  );
  const planText = Buffer.from(encodePlan(plan), "utf8");
  output.write(GENERATION_FILES.kernel, inputs.kernel.bytes);
  output.write(GENERATION_FILES.firstStage, firstStage);
  output.write(GENERATION_FILES.plan, planText);

  const sizes = new Map(files.map((file) => [file.name, file.content.length]));
  const manifest: Omit<Manifest, "version"> = {
    generator: inputs.generator,
    kernel: { release: kernel.release, architecture: kernel.machine },
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
      [GENERATION_FILES.kernel]: fileEntry(inputs.kernel.bytes),
      [GENERATION_FILES.firstStage]: fileEntry(firstStage),
      [GENERATION_FILES.image]: { sizeBytes: image.sizeBytes, sha256: output.digest(GENERATION_FILES.image) },
      [GENERATION_FILES.plan]: fileEntry(planText),
    },
    inputs: { initrd: { sizeBytes: initrd.bytes.length, sha256: toHex(seed) } },
    explanation: explainPlan(plan, selection, sizes),
  };
  output.write(GENERATION_FILES.manifest, Buffer.from(encodeManifest(manifest), "utf8"));
  const unpacking = warnings.map(({ name, message }) => `${toText(name)}: ${message}`);
  return { manifest, warnings: [...initramfs.warnings, ...database.warnings, ...unpacking] };
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

function usableKernel(bytes: Uint8Array): { release: string; machine: string; architecture: Architecture } {
  const { release, architecture: machine } = parseKernelImage(bytes);
  const architecture = ARCHITECTURES.get(machine);
  if (architecture === undefined) {
    throw new UsageError(`Cannot build for ${machine}: the first stage exists for x86_64 only`);
  }
  if (release === undefined) {
    throw new UsageError("Cannot tell the kernel's release: give the bzImage that the distribution installs");
  }
  return { release, machine, architecture };
}

/** Passes everything on to `output` and says after each write how many bytes that were in all. */
function countingSink(output: PositionedSink, onWritten: (bytes: number) => void): PositionedSink {
  let written = 0;
  return {
    writeAt(offset, bytes) {
      output.writeAt(offset, bytes);
      written += bytes.length;
      onWritten(written);
    },
  };
}

function sum(parts: readonly Uint8Array[]): number {
  return parts.reduce((bytes, part) => bytes + part.length, 0);
}

function digest(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

function fileEntry(bytes: Uint8Array): { sizeBytes: number; sha256: string } {
  return { sizeBytes: bytes.length, sha256: toHex(digest(bytes)) };
}
