import { closeSync, ftruncateSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BuildConfig,
  type BuildInputs,
  buildGeneration,
  encodeFirstStage,
  firstStageTree,
  type Generation,
  type InputFile,
  loadedFile,
  OWN_NAMES,
  type ProgressListener,
  readGeneration,
  withSettings,
} from "../../build/index.ts";
import {
  FileSource,
  inFile,
  OutputFolder,
  openSharedInput,
  packageFile,
  packageVersion,
  readInput,
} from "../../host/index.ts";
import { type NamedVariant, type Subject, startsFromFirmware, titleOf, type Variant } from "../../measure/index.ts";
import { encodeProfile } from "../../profile/index.ts";
import { mapImage, profileOfReads } from "../../trace/index.ts";
import type { FirmwareMachine, Machine, RecordedRead } from "../../vm/index.ts";
import { type BootFiles, commandLineWith, type HardwareFlags, machineWith } from "../machine.ts";
import { writeInitrd } from "./initrd.ts";
import type { RootDisk } from "./root-disk.ts";
import { firmwareMachine, writeUnifiedDisk } from "./unified.ts";

/** A machine without an image has a disk all the same, so that all have the same devices. */
const BLANK_DISK_BYTES = 1 << 20;

/** What can be booted and measured. */
export interface PreparedBoot extends Subject {
  readonly machine: Machine | FirmwareMachine;
  /** There is nothing to boot but a program. */
  readonly isFloor: boolean;
}

/** What all variants are made of. */
export interface VariantInputs
  extends Pick<BuildInputs, "modules" | "acceptInitrdModules" | "drivers" | "config" | "kernel"> {
  readonly kernelRelease: string | undefined;
  /** The initrd's file. */
  readonly initrd: string;
  readonly hardware: HardwareFlags;
  /** What the initrd is to hand over to, if anything. */
  readonly root: RootDisk | undefined;
  /** Boots a machine as far as measurements go, and tells what it read of its first disk. */
  readonly readsOf: (machine: Machine, name: string) => Promise<readonly RecordedRead[]>;
}

/** A variant of an initrd to which content is added. */
export interface WantedVariant extends NamedVariant {
  readonly addedBytes: number;
  /** Instead of the one that the others are made of: a file. */
  readonly initrd: string | undefined;
}

/** What is made for one measurement, and removed after it. */
interface Workplace {
  readonly initrd: string;
  readonly generation: string;
  readonly disk: string;
  readonly firmwareVariables: string;
}

/** Makes the variants of one kernel and one initrd, in a folder that it is given. */
export class VariantMaker {
  readonly #inputs: VariantInputs;
  readonly #place: Workplace;
  readonly #progress: ProgressListener;
  readonly #blankDisk: string;

  constructor(inputs: VariantInputs, folder: string, progress: ProgressListener) {
    this.#inputs = inputs;
    this.#progress = progress;
    this.#place = {
      initrd: join(folder, "initrd"),
      generation: join(folder, "generation"),
      disk: join(folder, "disk"),
      firmwareVariables: join(folder, "variables"),
    };
    this.#blankDisk = join(folder, "blank");
    const disk = openSync(this.#blankDisk, "w");
    ftruncateSync(disk, BLANK_DISK_BYTES);
    closeSync(disk);
  }

  /**
   * Calls `measure` with a variant of the initrd, and removes its files afterwards.
   * @throws FormatError and UsageError, as a build.
   */
  async with<T>(
    { name, variant, addedBytes, initrd = this.#inputs.initrd }: WantedVariant,
    measure: (boot: PreparedBoot) => Promise<T>,
  ): Promise<T> {
    try {
      await this.#progress(`${titleOf(name, addedBytes)}: preparing`);
      const contentBytes = await this.#writeInitrd(variant, initrd, addedBytes);
      const files = await this.#prepare(name, variant);
      const imageBytes = files.image === this.#blankDisk ? 0 : sizeOf(files.image);
      const subject = { variant: name, contentBytes, addedBytes, imageBytes, isFloor: variant.kind === "floor" };
      return await measure({ ...subject, ...(await this.#machine(variant, files)) });
    } finally {
      for (const path of Object.values(this.#place)) rmSync(path, { recursive: true, force: true });
    }
  }

  /** @returns how much content it has; null where it has none of the initrd's */
  async #writeInitrd(variant: Variant, path: string, addedBytes: number): Promise<number | null> {
    if (variant.kind !== "floor") {
      // What a build unpacks at once needs no compression.
      const method = variant.kind === "lazy" ? "as it is or none" : variant.method;
      return writeInitrd({ path, addedBytes, method }, this.#place.initrd);
    }
    writeFileSync(this.#place.initrd, await trivialInitrd());
    return null;
  }

  async #prepare(name: string, variant: Variant): Promise<BootFiles> {
    const { kernel, config, root } = this.#inputs;
    const commandLine = [config.boot["command-line"], root?.commandLine ?? ""].filter((part) => part !== "").join(" ");
    if (variant.kind !== "lazy") {
      return { kernel: kernel.path, initrd: this.#place.initrd, image: this.#blankDisk, commandLine };
    }
    const settings = withSettings(config, { ...variant.settings, boot: { "command-line": commandLine } });
    const plain = await this.#build(settings, undefined);
    if (variant.profiled !== true) return this.#filesOf(plain);
    const reads = await this.#inputs.readsOf(this.#machineOf(this.#filesOf(plain)), name);
    return this.#filesOf(await this.#build(settings, await profileOf(plain, reads)));
  }

  async #build(config: BuildConfig, profile: InputFile | undefined): Promise<Generation> {
    const source = openSharedInput(this.#place.initrd, "the initrd");
    const inputs: BuildInputs = {
      ...this.#inputs,
      initrd: { path: this.#inputs.initrd, source },
      config,
      profile,
      firstStageProgram,
      generator: `lazyrd ${packageVersion()}`,
    };
    const output = new OutputFolder(this.#place.generation, OWN_NAMES);
    try {
      await buildGeneration(inputs, output, this.#progress);
      output.commit();
    } finally {
      output.discard();
      source.close();
    }
    return readGeneration(this.#place.generation);
  }

  /** Where the image is a part of what is loaded, it is on no disk. */
  #filesOf(generation: Generation): BootFiles {
    const files = filesOf(generation);
    return generation.manifest.place.kind === "initrd" ? { ...files, image: this.#blankDisk } : files;
  }

  async #machine(variant: Variant, files: BootFiles): Promise<Pick<PreparedBoot, "machine" | "loadedBytes">> {
    const machine = this.#machineOf(files);
    if (!startsFromFirmware(variant)) return { machine, loadedBytes: sizeOf(files.initrd) };
    const { kernelRelease, config, hardware } = this.#inputs;
    const parts = { ...files, commandLine: commandLineWith(files.commandLine, hardware), kernelRelease };
    const image = files.image === this.#blankDisk ? undefined : files.image;
    const { unifiedBytes } = await writeUnifiedDisk({ ...parts, image, uki: config.uki }, this.#place.disk);
    const started = firmwareMachine(machine, this.#place.disk, this.#place.firmwareVariables);
    return { machine: started, loadedBytes: unifiedBytes };
  }

  #machineOf(files: BootFiles): Machine {
    const machine = machineWith(files, this.#inputs.hardware);
    const root = this.#inputs.root;
    const disks = root === undefined ? [] : [{ path: root.path, bus: this.#inputs.hardware.disk, readOnly: false, forgetsWrites: true }];
    return { ...machine, disks: [...machine.disks, ...disks] };
  }
}

/** A generation that is there, as it is. */
export function preparedGeneration(name: string, generation: Generation, hardware: HardwareFlags): PreparedBoot {
  const files = filesOf(generation);
  const sizes = { loadedBytes: sizeOf(files.initrd), imageBytes: sizeOf(files.image) };
  const machine = machineWith(files, hardware);
  return { variant: name, contentBytes: null, addedBytes: 0, ...sizes, machine, isFloor: false };
}

function filesOf({ folder, path, manifest }: Generation): BootFiles {
  const { commandLine } = manifest;
  return { kernel: path("kernel"), initrd: join(folder, loadedFile(manifest)), image: path("image"), commandLine };
}

async function profileOf({ path, manifest }: Generation, reads: readonly RecordedRead[]): Promise<InputFile> {
  const source = new FileSource(path("image"), "the image");
  try {
    const map = await inFile(path("image"), () => mapImage(source, manifest.image.rootHash));
    return { path: "the profile", bytes: Buffer.from(encodeProfile(profileOfReads({ reads }, map)), "latin1") };
  } finally {
    source.close();
  }
}

/** Nothing but a program: how long a kernel takes by itself. */
function trivialInitrd(): Promise<Uint8Array> {
  const tree = firstStageTree(firstStageProgram(), { steps: [], drivers: [], modules: [] }, []);
  return encodeFirstStage(tree, { early: new Uint8Array(), bootconfig: undefined }, "zstd");
}

function firstStageProgram(): Uint8Array {
  return readInput(packageFile("dist/first-stage/init-x86_64"), "the first stage");
}

function sizeOf(path: string): number {
  return statSync(path).size;
}
