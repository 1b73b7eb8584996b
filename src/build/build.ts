import type { OutputFolder } from "../host/index.ts";
import { BlockStore, imageCompressor } from "./compress/index.ts";
import { prepareContent } from "./content.ts";
import { gatherParts } from "./gather.ts";
import { GENERATION_FILES } from "./generation.ts";
import { writeImageFile } from "./image-file.ts";
import type { BuildInputs } from "./inputs.ts";
import { type BuildResult, packProgram, writeLoadedFiles } from "./loaded-files.ts";
import { encodeManifest } from "./manifest.ts";
import type { BuildMeans } from "./means.ts";
import type { ProgressListener } from "./progress.ts";
import { type BuildRequest, checkRequest } from "./request.ts";
import { type Workforce, withThreads } from "./threads/index.ts";

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
  const request = await checkRequest(inputs);
  const store = new BlockStore(() => output.scratchFile());
  const compressor = imageCompressor(inputs.config.image, request.kernel.release, { threads, store, progress });
  try {
    return await build(request, { threads, store, progress, compressor, output });
  } finally {
    store.close();
  }
}

async function build(request: BuildRequest, means: BuildMeans): Promise<BuildResult> {
  const parts = await gatherParts(request, means);
  const content = await prepareContent(request, parts, means);
  // While this thread lays the image out, the others have nothing else to do.
  const program = packProgram(request, parts, means.threads);
  const image = await writeImageFile(request, parts, content, means);
  const { manifest, warnings } = await writeLoadedFiles(request, parts, { content, image, program }, means);
  means.output.write(GENERATION_FILES.manifest, Buffer.from(encodeManifest(manifest), "utf8"));
  return { manifest, warnings: [...parts.warnings, ...content.warnings, ...warnings] };
}
