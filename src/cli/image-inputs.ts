import { existsSync } from "node:fs";
import { type BuildConfig, FILE_CONTEXTS_SUFFIXES, type ImageInputs, type InputFile } from "../build/index.ts";
import { openBase } from "../content/index.ts";
import { readInput } from "../host/index.ts";

/** The options about what the image holds. */
export interface ImageFlags {
  readonly drop?: readonly string[];
  readonly against?: string;
}

/** The settings with the options of the command line: patterns add up, the base of the command line is stronger. */
export function withImageFlags(config: BuildConfig, { drop = [], against }: ImageFlags): BuildConfig {
  const { image } = config;
  return { ...config, image: { ...image, drop: [...image.drop, ...drop], against: against ?? image.against } };
}

/** What the settings in [image] name, opened. */
export interface OpenImageInputs {
  readonly inputs: ImageInputs;
  readonly warnings: readonly string[];
  close(): void;
}

/** @throws UsageError when something cannot be read, FormatError when the base is damaged or no file tree. */
export async function openImageInputs(image: BuildConfig["image"]): Promise<OpenImageInputs> {
  const fileContexts = image["file-contexts"] === "" ? undefined : readFileContexts(image["file-contexts"]);
  const capabilities = image.capabilities === "" ? undefined : readFile(image.capabilities, "the capabilities");
  const base = image.against === "" ? undefined : await openBase(image.against);
  return {
    inputs: { fileContexts, capabilities, base: base?.base },
    warnings: base?.warnings ?? [],
    close: () => base?.close(),
  };
}

/** The file itself must be there; as in libselinux, those beside it are taken where they are. */
function readFileContexts(path: string): NonNullable<ImageInputs["fileContexts"]> {
  const suffixes = FILE_CONTEXTS_SUFFIXES.filter((suffix) => suffix === "" || existsSync(path + suffix));
  return new Map(suffixes.map((suffix) => [suffix, readFile(path + suffix, "the file contexts")]));
}

function readFile(path: string, what: string): InputFile {
  return { path, bytes: readInput(path, what) };
}
