import {
  type BuildConfig,
  type BuildInputs,
  type BuildResult,
  buildWithThreads,
  GENERATION_FILES,
  type InputFile,
  LOCAL_FILES,
  OPTIONAL_FILES,
  OWN_NAMES,
  readGeneration,
  type Workforce,
} from "../build/index.ts";
import {
  FileSource,
  inFile,
  nextTurn,
  OutputFolder,
  onInterrupt,
  packageFile,
  packageVersion,
  readInput,
} from "../host/index.ts";
import { parseKernelImage } from "../kernel/index.ts";
import { type Signer, signProgram, signRootHash } from "../keys/index.ts";
import { driverPurposes, layoutOf } from "../plan/index.ts";
import { formatSize } from "../text/index.ts";
import { summaryOfTransformation } from "../transform/index.ts";
import { moduleTrees, readConfig, selectDrivers } from "./build-inputs.ts";
import { type ImageFlags, openImageInputs, withImageFlags } from "./image-inputs.ts";
import { startProgress } from "./progress.ts";
import { readSigner, type SigningFlags } from "./signing.ts";
import { printJson, printResult, printWarnings } from "./terminal.ts";
import { type ContentFlags, openArchive } from "./tree-input.ts";
import { readUkiInputs, type UkiFlags } from "./uki-inputs.ts";

/** `lazyrd build`, as it was called. */
export interface BuildFlags extends UkiFlags, SigningFlags, ImageFlags, ContentFlags {
  readonly kernel: string;
  readonly modules?: string;
  readonly config?: string;
  readonly drivers?: string;
  readonly profile?: string;
  readonly output: string;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Opens what the flags name, makes a generation of it and says what became of it. */
export async function buildFromFlags(threads: Workforce, flags: BuildFlags): Promise<void> {
  const config = withImageFlags(readConfig(flags.config), flags);
  const kernel = { path: flags.kernel, bytes: readInput(flags.kernel, "the kernel") };
  const { release } = await inFile(flags.kernel, () => parseKernelImage(kernel.bytes));
  const initrd = await openArchive(flags);
  const imageInputs = await openImageInputs(config.image);
  const signer = readSigner(flags);
  const usrPath = config.location.usr;
  const usr = usrPath === "" ? undefined : { path: usrPath, source: new FileSource(usrPath, "the image with /usr") };
  const inputs = {
    kernel,
    initrd,
    modules: moduleTrees(flags.modules, release),
    acceptInitrdModules: flags.modules === undefined,
    firstStageProgram: (_: string, hasNetwork: boolean) =>
      readInput(packageFile(`dist/first-stage/${hasNetwork ? "init-network" : "init"}-x86_64`), "the first stage"),
    drivers: selectDrivers(
      flags.drivers ?? config["first-stage"].drivers,
      driverPurposes(layoutOf(config.layout, config.location)),
    ),
    config,
    previous: config.location.previous.map(readGeneration),
    usr,
    imageInputs: imageInputs.inputs,
    profile: readNamed(flags.profile ?? config.image.profile, "the profile"),
    shell: readNamed(config["first-stage"].shell, "the shell"),
    moduleSigner: config.modules.signatures === "resign" ? readModuleSigner(config.modules, signer) : undefined,
    signRootHash: signRootHashWith(config["image-signature"]),
    uki: flags.uki ? { ...readUkiInputs(flags, config.uki), sign: signer && signWith(signer) } : undefined,
    generator: `lazyrd ${packageVersion()}`,
  };
  const output = new OutputFolder(flags.output, OWN_NAMES);
  const interruptible = onInterrupt(() => output.discard());
  const progress = startProgress(flags);
  try {
    const result = await buildWithThreads(threads, inputs, output, progress.listener);
    // For `lazyrd boot --classic` only; no part of the generation.
    initrd.link(output);
    if (usr !== undefined) output.link(LOCAL_FILES.usr, usr.path);
    // The last moment to notice that somebody wants this to end.
    await nextTurn();
    output.commit();
    progress.end();
    printWarnings([...initrd.warnings, ...imageInputs.warnings, ...result.warnings]);
    if (flags.json) printJson(result.manifest);
    else printResult(summary(flags.output, initrd.source.size, result));
  } catch (error) {
    output.discard();
    throw error;
  } finally {
    progress.end();
    imageInputs.close();
    initrd.source.close();
    usr?.source.close();
    interruptible();
  }
}

function signRootHashWith(settings: SignerSettings): BuildInputs["signRootHash"] {
  const found = readConfiguredSigner(settings, "image-signature");
  return found && ((rootHash) => signRootHash(rootHash, found));
}

/** Without one of their own, modules get the signer of the unified kernel image: its certificate is in db. */
function readModuleSigner(settings: SignerSettings, ofUki: Signer | undefined): Signer | undefined {
  return readConfiguredSigner(settings, "modules") ?? ofUki;
}

type SignerSettings = Pick<BuildConfig["image-signature"], "key" | "signer" | "certificate">;

function readConfiguredSigner({ key, signer, certificate }: SignerSettings, table: string): Signer | undefined {
  const names = { key: key || undefined, signer: signer || undefined, certificate: certificate || undefined };
  return readSigner(names, `set key or signer, and certificate, in [${table}]`);
}

function signWith(signer: Signer): (program: Uint8Array) => Uint8Array {
  return (program) => signProgram(program, signer);
}

function readNamed(path: string, what: string): InputFile | undefined {
  return path === "" ? undefined : { path, bytes: readInput(path, what) };
}

function summary(folder: string, initrdBytes: number, { manifest }: BuildResult): string {
  const uki = manifest.files[OPTIONAL_FILES.uki];
  const initrd = manifest.files[OPTIONAL_FILES.initrd];
  const size = (name: string): string => formatSize(manifest.files[name]?.sizeBytes ?? 0);
  return [
    `${folder}: kernel ${manifest.kernel.release}, initrd of ${formatSize(initrdBytes)} split into`,
    `  ${GENERATION_FILES.firstStage}  ${size(GENERATION_FILES.firstStage)}, ${manifest.explanation.modules.length} modules`,
    `  ${GENERATION_FILES.image}         ${size(GENERATION_FILES.image)}, root hash ${manifest.image.rootHash}`,
    ...(initrd === undefined ? [] : [`  ${OPTIONAL_FILES.initrd}       ${formatSize(initrd.sizeBytes)}, both in one`]),
    ...(manifest.explanation.image ?? []).map((change) => `    ${summaryOfTransformation(change)}`),
    ...(uki === undefined ? [] : [`  ${OPTIONAL_FILES.uki}        ${formatSize(uki.sizeBytes)}, unified kernel image`]),
    `next: lazyrd boot ${folder}, lazyrd explain ${folder}`,
  ].join("\n");
}
