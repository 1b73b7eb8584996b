import { UsageError } from "../bytes/index.ts";
import type { Architecture } from "../formats/gpt/index.ts";
import { inFile } from "../host/index.ts";
import { parseKernelImage } from "../kernel/index.ts";
import { type Layout, layoutOf, type SelectionOptions, type SignedImages } from "../plan/index.ts";
import { type Profile, parseProfile } from "../profile/index.ts";
import type { ModuleTreatment } from "./first-stage.ts";
import type { TreeSettings } from "./image-tree.ts";
import type { BuildInputs, InputFile } from "./inputs.ts";
import { moduleTreatment } from "./module-signatures.ts";
import { requireUsableShell } from "./shell.ts";
import { signedImagesOf } from "./signed-images.ts";

/** What is to be built, as far as the inputs alone say it. */
export interface BuildRequest {
  readonly inputs: BuildInputs;
  readonly kernel: UsableKernel;
  readonly layout: Layout;
  readonly signedImages: SignedImages | undefined;
  readonly profile: Profile | undefined;
  /** What becomes of modules, in the first stage and in the image. */
  readonly treatment: ModuleTreatment;
  readonly treeSettings: TreeSettings;
  /** What decides which modules the first stage has. */
  readonly selecting: SelectionOptions;
}

export interface UsableKernel {
  readonly release: string;
  /** As `uname -m` prints it. */
  readonly machine: string;
  readonly architecture: Architecture;
}

const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map([["x86_64", "x86-64"]]);

/**
 * Checks what can be checked before any work is done.
 * @throws FormatError for inputs that are not what they should be, UsageError for settings that do not go together.
 */
export async function checkRequest(inputs: BuildInputs): Promise<BuildRequest> {
  const { config } = inputs;
  const kernel = await inFile(inputs.kernel.path, () => usableKernel(inputs.kernel.bytes));
  const layout = layoutOf(config.layout, config.location);
  const isSigned = inputs.signRootHash !== undefined;
  const signedImages = signedImagesOf({ config, architecture: kernel.architecture, layout, isSigned });
  if (layout.needsPlainFiles === true && config.image.compression !== "none") {
    throw new UsageError("Cannot use [location] dax with a compressed image: it is used where it stands", {
      hint: 'set compression = "none" in [image]',
    });
  }
  const profile = await readProfile(inputs.profile);
  if (inputs.shell !== undefined) await requireUsableShell(inputs.shell, inputs.uki);
  const { accelerate } = config["first-stage"];
  const treatment = moduleTreatment(config.modules, inputs.moduleSigner);
  return {
    ...{ inputs, kernel, layout, signedImages, profile, treatment },
    treeSettings: { image: config.image, modules: treatment, laidOver: layout.laidOver },
    selecting: {
      layout,
      drivers: inputs.drivers,
      accelerate,
      preload: accelerate && config.modules.signatures === "strip",
      measure: config.measure,
    },
  };
}

function usableKernel(bytes: Uint8Array): UsableKernel {
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

async function readProfile(file: InputFile | undefined): Promise<Profile | undefined> {
  return file && inFile(file.path, () => parseProfile(file.bytes));
}
