import { closeSync, ftruncateSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BuildConfig,
  type BuildInputs,
  buildGeneration,
  defaultConfig,
  encodeFirstStage,
  firstStageTree,
  type Generation,
  type InputFile,
  LOCAL_FILES,
  OWN_NAMES,
  type ProgressListener,
  readGeneration,
  withSettings,
} from "../../build/index.ts";
import { fromHex } from "../../bytes/index.ts";
import { planUsrWithImage, writeUsrDisk } from "../../disk/index.ts";
import {
  FileSource,
  inFile,
  OutputFolder,
  openSharedInput,
  packageFile,
  packageVersion,
  readInput,
  type ServedRequest,
} from "../../host/index.ts";
import {
  isSystem,
  type LazyVariant,
  type NamedVariant,
  type Subject,
  startsFromFirmware,
  titleOf,
  type Variant,
} from "../../measure/index.ts";
import { driverPurposes, imageFileName, layoutOf } from "../../plan/index.ts";
import { encodeProfile } from "../../profile/index.ts";
import { mapImage, profileOfReads } from "../../trace/index.ts";
import type { FirmwareMachine, Machine, RecordedRead } from "../../vm/index.ts";
import { selectDrivers } from "../build-inputs.ts";
import { withMachineOf } from "../layout-machine.ts";
import { type BootFiles, type HardwareFlags, machineWith } from "../machine.ts";
import { writeInitrd, writeSystem } from "./initrd.ts";
import type { RootDisk } from "./root-disk.ts";
import { firmwareMachine, writeUnifiedDisk } from "./unified.ts";

/** A machine without an image has a disk all the same, so that all have the same devices. */
const BLANK_DISK_BYTES = 1 << 20;
/** Below /usr, where that holds the image. */
const USR_FOLDER = "/lib/lazyrd";

/** What can be booted and measured. */
export interface PreparedBoot extends Subject {
  readonly machine: Machine | FirmwareMachine;
  /** What boots: a program and nothing else, an initrd, or a system that is not behind any initrd. */
  readonly kind: "floor" | "initrd" | "system";
  /** Whether what is read of the first disk is read of the image: some have none, or not on a disk. */
  readonly hasImageDisk: boolean;
  /** What the machine fetched of its image, where that is on a server: its boots add to it. */
  readonly fetched: readonly ServedRequest[];
}

/** What all variants are made of. */
export interface VariantInputs extends Pick<BuildInputs, "modules" | "acceptInitrdModules" | "config" | "kernel"> {
  /** As `--drivers` names them. */
  readonly drivers: string;
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
      const contentBytes = await this.#writeContent(variant, initrd, addedBytes);
      const subject = { variant: name, contentBytes, addedBytes };
      if (variant.kind === "lazy") return await this.#withGeneration(subject, variant, measure);
      const machine = this.#withDisks(machineWith(this.#classicFiles(), this.#inputs.hardware), { hasImage: false });
      const kind = variant.kind === "floor" ? "floor" : "initrd";
      const started = await this.#started(variant, machine, undefined);
      return await measure({ ...subject, ...started, kind, imageBytes: 0, hasImageDisk: false, fetched: [] });
    } finally {
      for (const path of Object.values(this.#place)) rmSync(path, { recursive: true, force: true });
    }
  }

  /** @returns how much content it has; null where it has none of the initrd's */
  async #writeContent(variant: Variant, path: string, addedBytes: number): Promise<number | null> {
    const { initrd } = this.#place;
    if (variant.kind === "floor") {
      writeFileSync(initrd, await trivialInitrd());
      return null;
    }
    // What a build unpacks at once needs no compression.
    const method = variant.kind === "lazy" ? "as it is or none" : variant.method;
    if (!isSystem(variant)) return writeInitrd({ path, addedBytes, method }, initrd);
    const { root } = this.#inputs;
    if (root !== undefined) return writeSystem({ path: root.source, addedBytes }, initrd);
    return writeInitrd({ path, addedBytes, method, asSystem: true }, initrd);
  }

  #classicFiles(): BootFiles {
    const { kernel } = this.#inputs;
    return {
      kernel: kernel.path,
      initrd: this.#place.initrd,
      image: this.#blankDisk,
      commandLine: this.#commandLine({ hasRoot: true }),
    };
  }

  /** @param hasRoot whether there is something to hand over to */
  #commandLine({ hasRoot }: { readonly hasRoot: boolean }): string {
    const { config, root } = this.#inputs;
    const parts = [config.boot["command-line"], hasRoot ? (root?.commandLine ?? "") : ""];
    return parts.filter((part) => part !== "").join(" ");
  }

  /** Makes the generation, and has it measured with its image where the layout looks for it. */
  async #withGeneration<T>(
    subject: Pick<Subject, "variant" | "contentBytes" | "addedBytes">,
    variant: LazyVariant,
    measure: (boot: PreparedBoot) => Promise<T>,
  ): Promise<T> {
    const generation = await this.#prepare(subject.variant, variant);
    return withImage(generation, this.#inputs.hardware, async (boot) => {
      const hasImage = boot.hasImageDisk;
      const isImageLoaded = generation.manifest.place.kind === "initrd";
      const machine = this.#withDisks(boot.machine, { hasImage, hasRoot: !isSystem(variant) });
      const started = await this.#started(variant, machine, isImageLoaded ? undefined : generation.path("image"));
      return measure({ ...boot, ...subject, ...started });
    });
  }

  async #prepare(name: string, variant: LazyVariant): Promise<Generation> {
    const commandLine = this.#commandLine({ hasRoot: !isSystem(variant) });
    const given = this.#settingsOf(variant, commandLine);
    const settings = given.layout === "usr-file" ? await this.#withUsr(given) : given;
    const plain = await this.#build(settings, undefined);
    if (variant.profiled !== true) return plain;
    const reads = await withImage(plain, this.#inputs.hardware, ({ machine }) =>
      this.#inputs.readsOf(this.#withDisks(machine, { hasImage: true }), name),
    );
    return this.#build(settings, await profileOf(plain, reads));
  }

  #settingsOf({ settings }: LazyVariant, commandLine: string): BuildConfig {
    const { config } = this.#inputs;
    const isOther = settings["layout"] !== undefined && settings["layout"] !== config.layout;
    // What is said of the place in another layout means nothing to this one.
    const own = isOther ? { ...config, location: defaultConfig().location } : config;
    return withSettings(own, { ...settings, boot: { "command-line": commandLine } });
  }

  /** Makes a /usr that holds the image: that does not depend on where it lives. */
  async #withUsr(config: BuildConfig): Promise<BuildConfig> {
    const { manifest, path } = await this.#build(
      { ...config, layout: "partition", location: defaultConfig().location },
      undefined,
    );
    const image = new FileSource(path("image"), "the image");
    try {
      const seed = fromHex(manifest.image.rootHash);
      const filePath = `${USR_FOLDER}/${imageFileName(manifest.image)}`;
      writeUsrDisk(planUsrWithImage(filePath, image, seed), seed, this.#place.disk);
    } finally {
      image.close();
    }
    return withSettings(config, { location: { usr: this.#place.disk, folder: USR_FOLDER } });
  }

  async #build(config: BuildConfig, profile: InputFile | undefined): Promise<Generation> {
    const source = openSharedInput(this.#place.initrd, "the initrd");
    const usrPath = config.location.usr;
    const usr = usrPath === "" ? undefined : new FileSource(usrPath, "the disk with /usr");
    const inputs: BuildInputs = {
      ...this.#inputs,
      initrd: { path: this.#inputs.initrd, source },
      drivers: selectDrivers(this.#inputs.drivers, driverPurposes(layoutOf(config.layout, config.location))),
      usr: usr && { path: usrPath, source: usr },
      config,
      profile,
      firstStageProgram: (_, hasNetwork) => firstStageProgram(hasNetwork),
      generator: `lazyrd ${packageVersion()}`,
    };
    const output = new OutputFolder(this.#place.generation, OWN_NAMES);
    try {
      await buildGeneration(inputs, output, this.#progress);
      if (usr !== undefined) output.link(LOCAL_FILES.usr, usrPath);
      output.commit();
    } finally {
      output.discard();
      source.close();
      usr?.close();
    }
    return readGeneration(this.#place.generation);
  }

  /** @param image goes onto the disk that firmware starts from, if there is one */
  async #started(
    variant: Variant,
    machine: Machine,
    image: string | undefined,
  ): Promise<Pick<PreparedBoot, "machine" | "loadedBytes">> {
    if (!startsFromFirmware(variant)) return { machine, loadedBytes: sizeOf(machine.initrd) };
    const { kernelRelease, config } = this.#inputs;
    const { unifiedBytes } = await writeUnifiedDisk(
      { ...machine, image, kernelRelease, uki: config.uki },
      this.#place.disk,
    );
    const started = firmwareMachine(machine, this.#place.disk, this.#place.firmwareVariables);
    return { machine: started, loadedBytes: unifiedBytes };
  }

  /** All machines have the same disks, whether these hold something or not. */
  #withDisks(machine: Machine, { hasImage, hasRoot = true }: { hasImage: boolean; hasRoot?: boolean }): Machine {
    const { hardware, root } = this.#inputs;
    const blank = { path: this.#blankDisk, bus: hardware.disk, readOnly: true };
    const rootDisk = { path: root?.path ?? "", bus: hardware.disk, readOnly: false, forgetsWrites: true };
    const disks = [...(hasImage ? machine.disks : [blank]), ...(root === undefined || !hasRoot ? [] : [rootDisk])];
    return { ...machine, disks };
  }
}

/** Calls `measure` with a generation as it is, and with its image where the layout looks for it. */
export function withPreparedGeneration<T>(
  name: string,
  generation: Generation,
  hardware: HardwareFlags,
  measure: (boot: PreparedBoot) => Promise<T>,
): Promise<T> {
  const subject = { variant: name, contentBytes: null, addedBytes: 0 };
  return withImage(generation, hardware, (boot) => measure({ ...boot, ...subject }));
}

function withImage<T>(
  generation: Generation,
  hardware: HardwareFlags,
  run: (boot: Omit<PreparedBoot, "variant" | "contentBytes" | "addedBytes"> & { machine: Machine }) => Promise<T>,
): Promise<T> {
  const { place, nextStage } = generation.manifest;
  const fetched: ServedRequest[] = [];
  const options = { countInstructions: false, onRequest: (request: ServedRequest) => void fetched.push(request) };
  return withMachineOf(generation, { ...hardware, classic: false }, options, (machine) =>
    run({
      machine,
      kind: nextStage.kind === "system" ? "system" : "initrd",
      loadedBytes: sizeOf(machine.initrd),
      imageBytes: place.kind === "initrd" ? 0 : sizeOf(generation.path("image")),
      hasImageDisk: place.kind === "partitions" || place.kind === "file" || place.kind === "usr",
      fetched,
    }),
  );
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
  const tree = firstStageTree(firstStageProgram(false), { steps: [], drivers: [], modules: [] }, []);
  return encodeFirstStage(tree, { early: new Uint8Array(), bootconfig: undefined }, "zstd");
}

function firstStageProgram(hasNetwork: boolean): Uint8Array {
  return readInput(packageFile(`dist/first-stage/${hasNetwork ? "init-network" : "init"}-x86_64`), "the first stage");
}

function sizeOf(path: string): number {
  return statSync(path).size;
}
