import { closeSync, ftruncateSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BuildConfig,
  type BuildInputs,
  buildGeneration,
  encodeFirstStage,
  firstStageTree,
  type Generation,
  keptParts,
  OWN_NAMES,
  type ProgressListener,
  readGeneration,
} from "../build/index.ts";
import { MemorySource, UsageError } from "../bytes/index.ts";
import { OUTPUT_METHODS, type OutputMethod } from "../formats/compression/index.ts";
import { type Initramfs, readInitramfs, treeOfInitramfs } from "../formats/cpio/index.ts";
import { inFile, OutputFolder, openSharedInput, packageFile, packageVersion, readInput } from "../host/index.ts";
import {
  addContent,
  contentBytesOf,
  type NamedVariant,
  type Subject,
  titleOf,
  type Variant,
} from "../measure/index.ts";
import type { BootFiles } from "./machine.ts";

/** A machine without an image has a disk all the same, so that all have the same devices. */
const BLANK_DISK_BYTES = 1 << 20;

/** What can be booted and measured. */
export interface PreparedBoot extends Subject, BootFiles {}

/** What all variants are made of. */
export interface VariantInputs
  extends Pick<BuildInputs, "modules" | "acceptInitrdModules" | "drivers" | "config" | "kernel"> {
  /** The initrd's file. */
  readonly initrd: string;
}

/** Makes the variants of one kernel and one initrd, in a folder that it is given. */
export class VariantMaker {
  readonly #inputs: VariantInputs;
  readonly #folder: string;
  readonly #progress: ProgressListener;
  readonly #blankDisk: string;

  constructor(inputs: VariantInputs, folder: string, progress: ProgressListener) {
    this.#inputs = inputs;
    this.#folder = folder;
    this.#progress = progress;
    this.#blankDisk = join(folder, "disk");
    const disk = openSync(this.#blankDisk, "w");
    ftruncateSync(disk, BLANK_DISK_BYTES);
    closeSync(disk);
  }

  /**
   * Calls `measure` with a variant of the initrd with `addedBytes` more, and removes its files afterwards.
   * @throws FormatError and UsageError, as a build.
   */
  async with<T>(
    { name, variant }: NamedVariant,
    addedBytes: number,
    measure: (boot: PreparedBoot) => Promise<T>,
  ): Promise<T> {
    const { kernel, config } = this.#inputs;
    const made = join(this.#folder, "initrd");
    const generation = join(this.#folder, "generation");
    try {
      await this.#progress(`${titleOf(name, addedBytes)}: preparing`);
      const contentBytes = await this.#writeInitrd(variant, addedBytes, made);
      const files =
        variant.kind === "lazy"
          ? filesOf(await this.#build(made, generation, withVariant(config, variant)))
          : { kernel: kernel.path, initrd: made, image: this.#blankDisk, commandLine: config.boot["command-line"] };
      const imageBytes = variant.kind === "lazy" ? sizeOf(files.image) : 0;
      const loadedBytes = sizeOf(files.initrd);
      return await measure({ variant: name, contentBytes, addedBytes, loadedBytes, imageBytes, ...files });
    } finally {
      rmSync(made, { force: true });
      rmSync(generation, { recursive: true, force: true });
    }
  }

  /** @returns how much content it has; null where it has none of the initrd's */
  async #writeInitrd(variant: Variant, addedBytes: number, output: string): Promise<number | null> {
    if (variant.kind === "floor") {
      writeFileSync(output, await trivialInitrd());
      return null;
    }
    const path = this.#inputs.initrd;
    const bytes = readInput(path, "the initrd");
    const initramfs = await inFile(path, () => readInitramfs(bytes));
    const { tree } = treeOfInitramfs(initramfs, { includeEarly: false });
    addContent(tree, addedBytes);
    const asItIs = addedBytes === 0 && (variant.kind === "lazy" || variant.compression === undefined);
    // What a build unpacks at once needs no compression.
    const method = variant.kind === "lazy" ? "none" : (variant.compression ?? ownMethod(initramfs));
    const kept = keptParts(new MemorySource(bytes), initramfs);
    writeFileSync(output, asItIs ? bytes : await encodeFirstStage(tree, kept, method));
    return contentBytesOf(tree);
  }

  async #build(initrd: string, folder: string, config: BuildConfig): Promise<Generation> {
    const source = openSharedInput(initrd, "the initrd");
    const inputs: BuildInputs = {
      ...this.#inputs,
      initrd: { path: this.#inputs.initrd, source },
      config,
      firstStageProgram,
      generator: `lazyrd ${packageVersion()}`,
    };
    const output = new OutputFolder(folder, OWN_NAMES);
    try {
      await buildGeneration(inputs, output, this.#progress);
      output.commit();
    } finally {
      output.discard();
      source.close();
    }
    return readGeneration(folder);
  }
}

/** A generation that is there, as it is. */
export function preparedGeneration(name: string, generation: Generation): PreparedBoot {
  const files = filesOf(generation);
  const sizes = { loadedBytes: sizeOf(files.initrd), imageBytes: sizeOf(files.image) };
  return { variant: name, contentBytes: null, addedBytes: 0, ...sizes, ...files };
}

function filesOf({ path, manifest }: Generation): BootFiles {
  const { commandLine } = manifest;
  return { kernel: path("kernel"), initrd: path("firstStage"), image: path("image"), commandLine };
}

function withVariant(config: BuildConfig, variant: Variant & { kind: "lazy" }): BuildConfig {
  const { compression, signatures } = variant;
  return {
    ...config,
    image: { ...config.image, compression },
    modules: { ...config.modules, signatures, symbols: "auto" },
  };
}

/** Nothing but a program: how long a kernel takes by itself. */
function trivialInitrd(): Promise<Uint8Array> {
  const tree = firstStageTree(firstStageProgram(), { steps: [], drivers: [], modules: [] }, []);
  return encodeFirstStage(tree, { early: new Uint8Array(), bootconfig: undefined }, "zstd");
}

function firstStageProgram(): Uint8Array {
  return readInput(packageFile("dist/first-stage/init-x86_64"), "the first stage");
}

/** How the initrd's own archive is packed. @throws UsageError when it is packed as lazyrd packs nothing. */
function ownMethod({ segments }: Initramfs): OutputMethod {
  const own = segments.findLast(({ early }) => !early)?.method ?? "none";
  const method = OUTPUT_METHODS.find((candidate) => candidate === own);
  if (method !== undefined) return method;
  throw new UsageError(`Cannot add content to an initrd and pack it with ${own} again`, {
    hint: `measure ${OUTPUT_METHODS.map((candidate) => `classic-${candidate}`).join(", ")} instead of classic`,
  });
}

function sizeOf(path: string): number {
  return statSync(path).size;
}
