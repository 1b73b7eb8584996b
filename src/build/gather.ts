import { toText } from "../bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../formats/cpio/index.ts";
import { inFile } from "../host/index.ts";
import { type Layout, layoutWarnings, type NextStage, type PlanOptions } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";
import type { CompressorAhead } from "./compress/index.ts";
import { keepsTree } from "./image-tree.ts";
import type { BuildInputs, InputSource } from "./inputs.ts";
import type { BuildMeans } from "./means.ts";
import { checkModuleConditions, type ModuleConditions } from "./module-signatures.ts";
import { type ChosenModules, chooseModules } from "./modules.ts";
import { detectNextStage, detectSystem } from "./next-stage.ts";
import { previousImage } from "./previous.ts";
import type { BuildRequest } from "./request.ts";
import { checkRootHashConditions } from "./signed-images.ts";
import { type KeptParts, keptParts } from "./sources.ts";
import { sendablePart, type Workforce } from "./threads/index.ts";
import { policyWarnings, prepareUki } from "./uki.ts";
import { usrPartitionOf } from "./usr-partition.ts";

/** All that an image and a first stage are made of, read and chosen. */
export interface GatheredParts {
  /** What the initrd unpacks to. */
  readonly tree: Tree;
  readonly initrdSha256: string;
  /** What of the initrd stays as it is. */
  readonly kept: KeptParts;
  readonly nextStage: NextStage;
  readonly chosen: ChosenModules;
  readonly planOptions: PlanOptions;
  /** Makes a unified kernel image of what is loaded, where one is wanted. */
  readonly assembleUki: Awaited<ReturnType<typeof prepareUki>> | undefined;
  readonly warnings: readonly string[];
}

/**
 * Reads the initrd and the modules. One thread unpacks, the others begin to compress what is there; meanwhile this one sees
 * to the modules.
 */
export async function gatherParts(
  request: BuildRequest,
  { threads, progress, compressor }: BuildMeans,
): Promise<GatheredParts> {
  const { inputs, kernel, layout, treatment } = request;
  const { initrd } = inputs;
  await progress("reading the initrd");
  const ahead = keepsTree(request.treeSettings, inputs.imageInputs ?? {}) ? compressor?.ahead : undefined;
  const initrdWork = inFile(initrd.path, () => readInitrd(initrd, threads, { ahead, layout }));
  const digestWork = threads.run("digest", sendablePart(initrd.source), initrd.source.size);
  const wishes = { ...inputs, ...request.selecting, release: kernel.release, treatment };
  const modulesWork = chooseModules(wishes, initrdWork, progress);
  // Of several things that are wrong, it is the initrd's fault that is told.
  modulesWork.catch(() => undefined);
  const [moduleWarnings, { initramfs, tree, warnings, nextStage }, initrdSha256] = await Promise.all([
    checkModuleConditions(moduleConditions(inputs, kernel.release), threads),
    initrdWork,
    digestWork,
  ]);
  // Now rather than after the image has been written: whatever the stub or the kernel is not fit for is said here.
  const facts = {
    kernel: inputs.kernel,
    release: kernel.release,
    commandLine: inputs.config.boot["command-line"],
    tree,
  };
  const assembleUki = inputs.uki && (await prepareUki(inputs.uki, facts));
  await progress("choosing modules");
  const chosen = await modulesWork;
  const kept = keptParts(initrd.source, initramfs);
  return {
    ...{ tree, initrdSha256, kept, nextStage, chosen, assembleUki },
    planOptions: planOptionsOf(request, nextStage, kept),
    warnings: [
      ...moduleWarnings,
      ...initramfs.warnings,
      ...chosen.source.database.warnings,
      ...chosen.files.flatMap(({ name, untouched }) =>
        untouched === undefined ? [] : `${toText(name)}: ${untouched}`,
      ),
      ...layoutWarnings(layout, nextStage),
      ...signatureWarnings(request, chosen),
      ...warnings.map(({ name, message }) => `${toText(name)}: ${message}`),
      ...(inputs.uki === undefined ? [] : policyWarnings(inputs.uki, tree)),
    ],
  };
}

function planOptionsOf(request: BuildRequest, nextStage: NextStage, kept: KeptParts): PlanOptions {
  const { inputs, kernel, layout, signedImages, selecting } = request;
  const { boot } = inputs.config;
  const wanted = { layout: layout.name, release: kernel.release, nextStage };
  return {
    ...selecting,
    signedImages,
    usr: inputs.usr && usrPartitionOf(inputs.usr),
    isLayer: layout.laidOver !== undefined && inputs.imageInputs?.base !== undefined,
    previous: (inputs.previous ?? []).map((generation) => previousImage(generation, wanted)),
    timeoutSeconds: boot.timeout,
    onCorruption: boot["on-corruption"],
    onFailure: boot["on-failure"],
    failureDelaySeconds: boot["failure-delay"],
    skipNames: kept.topLevelNames,
  };
}

/** The file of one of the modules that were chosen, where the kernel does not have it built in. */
export function chosenModule({ files }: ChosenModules, name: string): Uint8Array | undefined {
  return files.find((file) => file.name === name)?.content;
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

function signatureWarnings({ inputs, kernel, signedImages }: BuildRequest, chosen: ChosenModules): string[] {
  if (signedImages === undefined) return [];
  const { keyring } = inputs.config["image-signature"];
  return checkRootHashConditions(chosenModule(chosen, "dm_verity"), keyring, kernel.release);
}
