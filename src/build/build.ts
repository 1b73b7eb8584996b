import { createHash } from "node:crypto";
import { type ByteSource, fromText, toText, UsageError } from "../bytes/index.ts";
import type { compress } from "../formats/compression/index.ts";
import { readInitramfs, treeOfInitramfs } from "../formats/cpio/index.ts";
import type { Architecture } from "../formats/gpt/index.ts";
import { inFile, type OutputFolder } from "../host/index.ts";
import { type DriverSelection, parseKernelImage } from "../kernel/index.ts";
import type { Signer } from "../keys/index.ts";
import {
  compilePlan,
  encodePlan,
  explainPlan,
  type LaidOver,
  type Layout,
  layoutOf,
  layoutWarnings,
} from "../plan/index.ts";
import { type Profile, parseProfile } from "../profile/index.ts";
import { imageOverBudget } from "../sizes/index.ts";
import { parseSize } from "../text/index.ts";
import type { Tree } from "../tree/index.ts";
import { BlockStore, type CompressionMeans, type CompressorAhead, imageCompressor } from "./compress/index.ts";
import type { BuildConfig } from "./config.ts";
import { fileEntry } from "./file-entry.ts";
import { encodeSegment, joinFirstStage, planTree, programTree } from "./first-stage.ts";
import { GENERATION_FILES, OPTIONAL_FILES } from "./generation.ts";
import { type ImageOptions, type SignRootHash, writeImage } from "./image.ts";
import { layOutImage } from "./image-layout.ts";
import { type ImageInputs, keepsTree, prepareImageTree } from "./image-tree.ts";
import { checksumsOf } from "./layer.ts";
import { encodeManifest, type Manifest } from "./manifest.ts";
import { manifestOf } from "./manifest-of.ts";
import { checkModuleConditions, type ModuleConditions, moduleTreatment } from "./module-signatures.ts";
import { chooseModules } from "./modules.ts";
import { detectNextStage, detectSystem } from "./next-stage.ts";
import { type PreviousGeneration, previousImage } from "./previous.ts";
import type { ProgressListener } from "./progress.ts";
import { requireUsableShell } from "./shell.ts";
import { checkRootHashConditions, signedImagesOf } from "./signed-images.ts";
import { type KeptParts, keptParts, type ModuleTree } from "./sources.ts";
import { sendable, sendablePart, type Workforce, withThreads } from "./threads/index.ts";
import { policyWarnings, prepareUki, type UkiInputs } from "./uki.ts";
import { usrPartitionOf, usrTreeOf, whyNotInUsr } from "./usr-partition.ts";
import { takeUsr } from "./usr-tree.ts";
import { writeWholeInitrd } from "./whole-initrd.ts";

/** A file that was read, and its name for messages. */
export interface InputFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The same of a file that is too large to be held beside what is made of it. */
export interface InputSource {
  readonly path: string;
  readonly source: ByteSource;
}

/** What a generation is made from: bytes, so that the result depends on nothing else. */
export interface BuildInputs {
  readonly kernel: InputFile;
  readonly initrd: InputSource;
  /** Where to look for the kernel's modules, in this order. */
  readonly modules: readonly ModuleTree[];
  /** Whether the initrd's own modules will do where none of these has any; not when somebody named the place. */
  readonly acceptInitrdModules: boolean;
  /** The first stage's program for the kernel's architecture, the one that knows the network or the other one. */
  readonly firstStageProgram: (architecture: Architecture, hasNetwork: boolean) => Uint8Array;
  readonly drivers: DriverSelection;
  /** The disk image that [location] usr names. */
  readonly usr?: InputSource | undefined;
  /** The program that [first-stage] shell names. */
  readonly shell?: InputFile | undefined;
  /** Generations whose images the plan falls back to, in this order. */
  readonly previous?: readonly PreviousGeneration[];
  readonly config: BuildConfig;
  /** What a boot of this initrd read (docs/formats/profile.md): the image is laid out for it. */
  readonly profile?: InputFile | undefined;
  /** What the settings in [image] name. */
  readonly imageInputs?: ImageInputs;
  /** Signs modules, where the settings want that. */
  readonly moduleSigner?: Signer | undefined;
  /** Signs the image's root hash; without it, nobody does. */
  readonly signRootHash?: SignRootHash | undefined;
  /** For a unified kernel image; without them there is none. */
  readonly uki?: UkiInputs | undefined;
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
  return withThreads((threads) => buildWithThreads(threads, inputs, output, progress));
}

/** The same for a caller who has had threads started while there was something else to do. */
export async function buildWithThreads(
  threads: Workforce,
  inputs: BuildInputs,
  output: OutputFolder,
  progress: ProgressListener,
): Promise<BuildResult> {
  const store = new BlockStore(() => output.scratchFile());
  try {
    return await buildWith({ threads, store, progress }, inputs, output);
  } finally {
    store.close();
  }
}

async function buildWith(means: CompressionMeans, inputs: BuildInputs, output: OutputFolder): Promise<BuildResult> {
  const { threads, progress } = means;
  const { config, initrd } = inputs;
  const kernel = await inFile(inputs.kernel.path, () => usableKernel(inputs.kernel.bytes));
  const { architecture } = kernel;
  const imageLayout = layoutOf(config.layout, config.location);
  const isSigned = inputs.signRootHash !== undefined;
  const signedImages = signedImagesOf({ config, architecture, layout: imageLayout, isSigned });
  if (imageLayout.needsPlainFiles === true && config.image.compression !== "none") {
    throw new UsageError("Cannot use [location] dax with a compressed image: it is used where it stands", {
      hint: 'set compression = "none" in [image]',
    });
  }

  const profile = await readProfile(inputs.profile);
  const commandLine = config.boot["command-line"];
  if (inputs.shell !== undefined) await requireUsableShell(inputs.shell, inputs.uki);

  await progress("reading the initrd");
  const treatment = moduleTreatment(config.modules, inputs.moduleSigner);
  const { laidOver } = imageLayout;
  const treeSettings = { image: config.image, modules: treatment, laidOver };
  const compressor = imageCompressor(config.image, kernel.release, means);
  const ahead = keepsTree(treeSettings, inputs.imageInputs ?? {}) ? compressor?.ahead : undefined;
  const { accelerate, compression } = config["first-stage"];
  const selecting = {
    layout: imageLayout,
    drivers: inputs.drivers,
    accelerate,
    preload: accelerate && config.modules.signatures === "strip",
    measure: config.measure,
  };
  // One thread unpacks, the others begin to compress what is there. Meanwhile this one sees to the modules.
  const initrdWork = inFile(initrd.path, () => readInitrd(initrd, threads, { ahead, layout: imageLayout }));
  const digestWork = threads.run("digest", sendablePart(initrd.source), initrd.source.size);
  const wishes = { ...inputs, ...selecting, release: kernel.release, treatment };
  const modulesWork = chooseModules(wishes, initrdWork, progress);
  const pack: typeof compress = (bytes, options) =>
    threads.run("pack", { bytes: sendable(bytes), ...options }, bytes.length);
  const program = inputs.firstStageProgram(architecture, imageLayout.needsNetwork === true);
  // Of several things that are wrong, it is the initrd's fault that is told.
  modulesWork.catch(() => undefined);
  const [moduleWarnings, { initramfs, tree, warnings, nextStage }, initrdDigest] = await Promise.all([
    checkModuleConditions(moduleConditions(inputs, kernel.release), threads),
    initrdWork,
    digestWork,
  ]);

  // Now rather than after the image has been written: whatever the stub or the kernel is not fit for is said here.
  const assembleUki =
    inputs.uki && (await prepareUki(inputs.uki, { kernel: inputs.kernel, release: kernel.release, commandLine, tree }));

  await progress("choosing modules");
  const { source, selection, modules, files } = await modulesWork;
  const kept = keptParts(initrd.source, initramfs);
  const wanted = { layout: imageLayout.name, release: kernel.release, nextStage };
  const options = {
    ...selecting,
    signedImages,
    usr: inputs.usr && usrPartitionOf(inputs.usr),
    isLayer: laidOver !== undefined && inputs.imageInputs?.base !== undefined,
    previous: (inputs.previous ?? []).map((generation) => previousImage(generation, wanted)),
    timeoutSeconds: config.boot.timeout,
    onCorruption: config.boot["on-corruption"],
    onFailure: config.boot["on-failure"],
    failureDelaySeconds: config.boot["failure-delay"],
    skipNames: kept.topLevelNames,
  };

  const erofsModule = files.find(({ name }) => name === "erofs")?.content;
  const kernelFacts = { release: kernel.release, erofsModule };
  const verityModule = files.find(({ name }) => name === "dm_verity")?.content;
  const { keyring } = config["image-signature"];
  const signatureWarnings =
    signedImages === undefined ? [] : checkRootHashConditions(verityModule, keyring, kernel.release);
  const init = fromText(nextStage.init);
  const imageTree = await prepareImageTree(tree, init, treeSettings, await withFinalBase(inputs, laidOver), means);
  const usr = imageLayout.designator === "usr" ? takeUsr(imageTree.tree) : undefined;
  const content = usr?.usr ?? imageTree.tree;
  const layout = layOutImage(content, profile, imageTree.layer?.whole);
  const compressed = await compressor?.compress(content, layout, kernelFacts);
  // While this thread lays the image out, the others have nothing else to do.
  const programWork = encodeSegment(programTree(program, files, inputs.shell?.bytes), compression, pack);
  programWork.catch(() => undefined);
  const inputEntries: Manifest["inputs"] = {
    initrd: { sizeBytes: initrd.source.size, sha256: initrdDigest },
    ...(inputs.profile === undefined ? {} : { profile: fileEntry(inputs.profile.bytes) }),
    ...(treatment.signer === undefined ? {} : { "module-certificate": fileEntry(treatment.signer.certificate.der) }),
    ...imageTree.inputs,
  };
  // What the base decides is in the settings: an image put into the base it was made for makes another base.
  const { base: _, ...imageEntries } = inputEntries;
  const seed = seedOf(imageEntries, imageTree.settings);
  const writing = "writing the image";
  await progress(writing);
  const loadedBytes = bytesToLoad({ inputs, kept, modules: files });
  const { initrdPath } = imageLayout;
  const imageFile = output.create(GENERATION_FILES.image);
  let doneBytes = 0;
  let totalBytes = 0;
  const imageOptions: ImageOptions = {
    seed,
    architecture,
    designator: imageLayout.designator ?? "root",
    kernel: kernelFacts,
    files: {
      ...compressed?.files,
      order: layout.order,
      equalFiles: layout.equalFiles,
      inlineFileTails: imageLayout.needsPlainFiles !== true,
    },
    isRecorded: profile !== undefined,
    name: config.image.name,
    version: config.image.version,
    signRootHash: inputs.signRootHash,
    sizeMultiple: imageLayout.sizeMultiple,
    threads,
    reserve: (imageBytes) => {
      totalBytes = imageBytes;
      checkBudget(content, imageBytes, config.image.budget);
      output.requireSpace(imageBytes + loadedBytes + (initrdPath === undefined ? 0 : copiesOf(inputs) * imageBytes));
    },
    onWritten: (bytes) => {
      doneBytes += bytes;
      progress(writing, { doneBytes, totalBytes });
    },
  };
  const image = await writeImage(content, imageOptions, imageFile);

  await progress("writing the first stage");
  const plan = compilePlan(selection, modules, image, nextStage, options);
  const wholeImage = { descriptor: imageFile.descriptor, offset: 0, length: image.sizeBytes };
  const [segments, imageDigest] = await Promise.all([
    Promise.all([programWork, encodeSegment(planTree(plan, usr?.skeleton), compression, pack)]),
    imageFile.elsewhere(threads.run("digest", wholeImage, image.sizeBytes)),
    imageFile.sync(),
    (async () => output.write(GENERATION_FILES.kernel, inputs.kernel.bytes))(),
  ]);
  const firstStage = joinFirstStage(segments, kept);
  const place = imageLayout.place(image);
  const whyNot =
    inputs.usr &&
    place.kind === "usr" &&
    (await whyNotInUsr(inputs.usr, place.fileSystem, { path: place.path, sha256: imageDigest }));
  const parts = { firstStage, bootconfig: kept.bootconfig, image: imageFile.source(image.sizeBytes) };
  const initrdWithImage = initrdPath && (await writeWholeInitrd({ ...parts, imagePath: initrdPath }, output, threads));
  imageFile.close();
  const planText = Buffer.from(encodePlan(plan), "utf8");
  output.write(GENERATION_FILES.firstStage, firstStage);
  output.write(GENERATION_FILES.plan, planText);
  const uki = assembleUki?.(initrdWithImage ? initrdWithImage.bytes() : firstStage);
  if (initrdWithImage) initrdWithImage.close();
  if (uki !== undefined) output.write(OPTIONAL_FILES.uki, uki);
  const leftOut = imageTree.layer && checksumsOf(imageTree.layer, laidOver?.path ?? "");
  if (leftOut !== undefined) output.write(OPTIONAL_FILES.leftOut, leftOut);

  const sizes = new Map(files.map((file) => [file.name, file.content.length]));
  const manifest = manifestOf({
    inputs,
    kernel,
    layout: imageLayout.name,
    place,
    nextStage,
    image,
    imageTree,
    files: {
      [GENERATION_FILES.kernel]: fileEntry(inputs.kernel.bytes),
      [GENERATION_FILES.firstStage]: fileEntry(firstStage),
      [GENERATION_FILES.image]: { sizeBytes: image.sizeBytes, sha256: imageDigest },
      [GENERATION_FILES.plan]: fileEntry(planText),
      ...(initrdWithImage ? { [OPTIONAL_FILES.initrd]: initrdWithImage.entry } : {}),
      ...(uki === undefined ? {} : { [OPTIONAL_FILES.uki]: fileEntry(uki) }),
      ...(leftOut === undefined ? {} : { [OPTIONAL_FILES.leftOut]: fileEntry(leftOut) }),
    },
    inputEntries,
    explanation: explainPlan(plan, selection, sizes),
  });
  output.write(GENERATION_FILES.manifest, Buffer.from(encodeManifest(manifest), "utf8"));
  const unpacking = warnings.map(({ name, message }) => `${toText(name)}: ${message}`);
  const asTheyWere = files.flatMap(({ name, untouched }) =>
    untouched === undefined ? [] : `${toText(name)}: ${untouched}`,
  );
  return {
    manifest,
    warnings: [
      ...moduleWarnings,
      ...initramfs.warnings,
      ...source.database.warnings,
      ...asTheyWere,
      ...imageTree.warnings,
      ...layoutWarnings(imageLayout, nextStage),
      ...(usr?.warnings ?? []),
      ...(whyNot ? [whyNot] : []),
      ...layout.warnings,
      ...signatureWarnings,
      ...unpacking,
      ...(inputs.uki === undefined ? [] : policyWarnings(inputs.uki, tree)),
    ],
  };
}

/** Where the tree that an image is laid over is known as it will be in the end, the image has to fit that. */
async function withFinalBase(
  { usr, imageInputs = {} }: BuildInputs,
  laidOver: LaidOver | undefined,
): Promise<ImageInputs> {
  const { base } = imageInputs;
  if (usr === undefined || base === undefined || laidOver === undefined) return imageInputs;
  return { ...imageInputs, finalBase: { name: usr.path, tree: await usrTreeOf(usr, laidOver.fileSystem) } };
}

function moduleConditions({ config, kernel, moduleSigner, uki }: BuildInputs, release: string): ModuleConditions {
  return {
    modules: config.modules,
    certificate: moduleSigner?.certificate,
    kernel: { ...kernel, release },
    commandLines: [
      config.boot["command-line"],
      ...(uki?.profiles.flatMap((profile) => profile.commandLine ?? []) ?? []),
    ],
    forSecureBoot: uki?.sign !== undefined,
  };
}

async function readProfile(file: InputFile | undefined): Promise<Profile | undefined> {
  return file && inFile(file.path, () => parseProfile(file.bytes));
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
function bytesToLoad(parts: {
  readonly inputs: BuildInputs;
  readonly kept: Pick<KeptParts, "early">;
  readonly modules: readonly { readonly content: Uint8Array }[];
}): number {
  const { kernel, shell } = parts.inputs;
  const contents = [parts.kept.early, kernel.bytes, shell?.bytes ?? new Uint8Array()];
  const bytes = sum([...contents, ...parts.modules.map(({ content }) => content)]) + SMALL_FILES_BYTES;
  return copiesOf(parts.inputs) * bytes;
}

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

/** The files that the initrd unpacks to. */
async function readInitrd(
  { path, source }: InputSource,
  threads: Workforce,
  { ahead, layout }: { readonly ahead: CompressorAhead | undefined; readonly layout: Layout },
) {
  const initramfs = await readInitramfs(source, {
    unpack: async ({ offset, length }, limitBytes) => {
      const follow = ahead?.follow(length);
      const request = { input: sendablePart(source, offset, length), limitBytes };
      const unpacked = await threads.run("decompress", request, length, follow);
      follow?.(unpacked.output);
      return unpacked;
    },
  });
  const unpacked = treeOfInitramfs(initramfs, { includeEarly: false });
  const detect = layout.continuesInto === "system" ? detectSystem : detectNextStage;
  return { path, initramfs, ...unpacked, nextStage: detect(unpacked.tree) };
}

function sum(parts: readonly Uint8Array[]): number {
  return parts.reduce((bytes, part) => bytes + part.length, 0);
}

function digest(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/**
 * Salt and UUIDs follow from all that decides what is in the image, and how.
 * @param settings what changes the tree besides, as text
 */
function seedOf(entries: Readonly<Record<string, { readonly sha256: string }>>, settings: string): Uint8Array {
  const digests = Object.entries(entries).map(([name, { sha256 }]) => `${name} ${sha256}\n`);
  return digest(Buffer.from(digests.join("") + settings, "utf8"));
}
