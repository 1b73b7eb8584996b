import { createHash } from "node:crypto";
import type { ByteString } from "../bytes/index.ts";
import { DEFAULT_LIMIT_BYTES, detectCompression } from "../formats/compression/index.ts";
import type { LaidOver } from "../plan/index.ts";
import { counted } from "../text/index.ts";
import {
  type FileContexts,
  type ModulePreparation,
  parseFileContexts,
  parseSubstitutions,
  type Transformation,
  type TransformedTree,
  transformTree,
} from "../transform/index.ts";
import type { Tree } from "../tree/index.ts";
import type { BuildConfig } from "./config.ts";
import { type ModuleTreatment, treatModule } from "./first-stage.ts";
import type { InputFile } from "./inputs.ts";
import { baseAt, outlineOf } from "./layer.ts";
import type { Manifest } from "./manifest.ts";
import type { ProgressListener } from "./progress.ts";
import { sendable, type Workforce } from "./threads/index.ts";

/** What an image is to be laid over, and what tells it from anything else. */
export interface BaseTree {
  /** For messages. */
  readonly name: string;
  readonly tree: Tree;
  readonly identity: NonNullable<Manifest["image"]["base"]> & { readonly sizeBytes: number };
}

/** What stands beside a file_contexts and belongs to it, by suffix: more lines, then paths that stand for others. */
export const FILE_CONTEXTS_SUFFIXES = ["", ".homedirs", ".local", ".subs", ".subs_dist"] as const;
type FileContextsSuffix = (typeof FILE_CONTEXTS_SUFFIXES)[number];

/** What the settings in [image] name, read. */
export interface ImageInputs {
  readonly base?: BaseTree | undefined;
  /** What is there in the end, where that is known already. */
  readonly finalBase?: Pick<BaseTree, "name" | "tree"> | undefined;
  readonly fileContexts?: ReadonlyMap<FileContextsSuffix, InputFile> | undefined;
  readonly capabilities?: InputFile | undefined;
}

/** What helps with the work, and hears of it. */
export interface ImageTreeMeans {
  readonly threads: Workforce;
  readonly progress: ProgressListener;
}

/** The tree that becomes the image, and what made it so. */
export interface ImageTree {
  readonly tree: Tree;
  /** What changed it besides the inputs, as text that is the same for the same settings; "" for nothing. */
  readonly settings: string;
  /** For the manifest, besides the initrd. */
  readonly inputs: Manifest["inputs"];
  readonly base: Manifest["image"]["base"];
  readonly layer: TransformedTree["layer"];
  readonly transformations: readonly Transformation[];
  readonly warnings: readonly string[];
}

const STAGE = "changing the image's tree";

/** The settings that decide what becomes of the tree. */
export interface TreeSettings {
  readonly image: BuildConfig["image"];
  readonly modules: ModuleTreatment;
  /** What the layout can lay the image over. */
  readonly laidOver?: LaidOver | undefined;
}

/** Whether nothing asks for a tree that differs from the initrd's. */
export function keepsTree(
  { image, modules }: TreeSettings,
  { base, fileContexts, capabilities }: ImageInputs,
): boolean {
  const inputs = [base, fileContexts, capabilities];
  return !unpacksModules(image, modules) && image.drop.length === 0 && inputs.every((input) => input === undefined);
}

/** A module that is re-signed loses its compression as well: the file has to change anyway, and the image has its own. */
function unpacksModules(image: BuildConfig["image"], { signatures }: ModuleTreatment): boolean {
  return image.modules === "unpack" || (image.modules === "auto" && signatures === "resign");
}

/**
 * Carries out what [image] says about the initrd's tree. Without any such setting it is the image's tree as it is.
 * @param init what the boot starts
 * @throws UsageError and FormatError as the transformations do.
 */
export async function prepareImageTree(
  initrdTree: Tree,
  init: ByteString,
  { image, modules, laidOver }: TreeSettings,
  given: ImageInputs,
  { threads, progress }: ImageTreeMeans,
): Promise<ImageTree> {
  const { base, finalBase, fileContexts, capabilities } = given;
  const inputs = entriesOf(given);
  const unpacks = unpacksModules(image, modules);
  if (keepsTree({ image, modules }, given)) {
    return {
      tree: initrdTree,
      settings: "",
      inputs,
      base: undefined,
      layer: undefined,
      transformations: [],
      warnings: [],
    };
  }
  await progress(STAGE);
  const treatment = unpacks ? modulePreparation(modules, { threads, progress }) : undefined;
  const wishes = {
    drop: image.drop,
    modules: treatment?.preparation,
    fileContexts: fileContexts && readContexts(fileContexts),
    capabilities,
    base: base && baseAt({ ...base, description: describeBase(manifestBase(base.identity, laidOver)) }, laidOver),
    finalBase: finalBase && baseAt({ ...finalBase, description: "" }, laidOver),
  };
  const { tree, layer, transformations, warnings } = await transformTree(initrdTree, wishes, init);
  return {
    tree,
    settings: JSON.stringify({
      drop: image.drop,
      modules: unpacks ? modulesText(modules) : null,
      layer: layer && outlineOf(tree),
    }),
    inputs,
    base: base && manifestBase(base.identity, laidOver),
    layer,
    transformations,
    warnings: [
      ...warnings,
      ...(treatment?.warnings() ?? []),
      ...(base === undefined || laidOver !== undefined ? [] : [incomplete(base)]),
    ],
  };
}

/** What decides, besides the key, what becomes of modules. */
function modulesText({ signatures, symbols, unwind = "keep" }: ModuleTreatment): object {
  return { signatures, symbols, unwind };
}

interface PreparedModules {
  readonly preparation: ModulePreparation;
  /** Once all modules are done. */
  readonly warnings: () => string[];
}

/** Modules are unpacked, and otherwise treated as those in the first stage. */
function modulePreparation(treatment: ModuleTreatment, { threads, progress }: ImageTreeMeans): PreparedModules {
  let untouched = 0;
  return {
    preparation: {
      purpose: `unpacks kernel modules${describeTreatment(treatment)}`,
      prepare: async (file) => {
        const module = await treatModule(await unpack(file, threads), treatment);
        if (module.untouched !== undefined) untouched++;
        return module.content;
      },
      onProgress: (doneBytes, totalBytes) => progress(STAGE, { doneBytes, totalBytes }),
    },
    warnings: () =>
      untouched === 0
        ? []
        : [`${counted(untouched, "module")} in the image could not be made smaller, and stay as built`],
  };
}

function describeTreatment({ signatures, symbols }: ModuleTreatment): string {
  if (signatures === "keep") return "";
  const without = symbols === "keep" ? "" : " and the symbols that nobody needs";
  return `, without their signatures${without}${signatures === "resign" ? ", and signs them anew" : ""}`;
}

async function unpack(file: Uint8Array, threads: Workforce): Promise<Uint8Array> {
  if (detectCompression(file) === undefined) return file;
  const request = { input: sendable(file), limitBytes: DEFAULT_LIMIT_BYTES };
  return (await threads.run("decompress", request, file.length)).output;
}

function readContexts(files: ReadonlyMap<FileContextsSuffix, InputFile>): FileContexts {
  const of = (...suffixes: FileContextsSuffix[]): InputFile[] => suffixes.flatMap((suffix) => files.get(suffix) ?? []);
  return {
    specs: parseFileContexts(of("", ".homedirs", ".local")),
    substitutions: of(".subs", ".subs_dist").map(parseSubstitutions),
  };
}

function manifestBase(
  { kind, sha256, rootHash }: BaseTree["identity"],
  laidOver: LaidOver | undefined,
): NonNullable<Manifest["image"]["base"]> {
  return {
    kind,
    ...(laidOver === undefined ? {} : { path: `/${laidOver.path}` }),
    sha256,
    ...(rootHash === undefined ? {} : { rootHash }),
  };
}

/** What an image is laid over, in words. */
export function describeBase({ kind, path, rootHash, sha256 }: NonNullable<Manifest["image"]["base"]>): string {
  return `${path === undefined ? "" : `${path}, `}the ${kind} with the ${rootHash === undefined ? `digest ${sha256}` : `root hash ${rootHash}`}`;
}

function incomplete({ name, identity }: BaseTree): string {
  return `the image holds only what differs from ${name}, ${describeBase(identity)}: it boots only laid over that`;
}

function entriesOf({ base, fileContexts = new Map(), capabilities }: ImageInputs): Manifest["inputs"] {
  const files: [name: string, file: InputFile][] = [...fileContexts].map(([suffix, file]) => [
    `file-contexts${suffix}`,
    file,
  ]);
  if (capabilities !== undefined) files.push(["capabilities", capabilities]);
  const entries = Object.fromEntries(
    files.map(([name, { bytes }]) => {
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      return [name, { sizeBytes: bytes.length, sha256 }];
    }),
  );
  if (base === undefined) return entries;
  return { ...entries, base: { sizeBytes: base.identity.sizeBytes, sha256: base.identity.sha256 } };
}
