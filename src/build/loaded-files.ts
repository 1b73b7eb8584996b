import type { OutputMethod } from "../formats/compression/index.ts";
import { compilePlan, encodePlan, explainPlan } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";
import type { ImageContent } from "./content.ts";
import { fileEntry } from "./file-entry.ts";
import { encodeSegment, joinFirstStage, planTree, programTree } from "./first-stage.ts";
import type { GatheredParts } from "./gather.ts";
import { GENERATION_FILES, OPTIONAL_FILES } from "./generation.ts";
import type { WrittenImage } from "./image-file.ts";
import { checksumsOf } from "./layer.ts";
import type { Manifest } from "./manifest.ts";
import { manifestOf } from "./manifest-of.ts";
import type { BuildMeans } from "./means.ts";
import type { BuildRequest } from "./request.ts";
import { sendable, type Workforce } from "./threads/index.ts";
import { whyNotInUsr } from "./usr-partition.ts";
import { writeWholeInitrd } from "./whole-initrd.ts";

/** The segment of the first stage that does not depend on the image: its program and its modules. */
export function packProgram(
  { inputs, kernel, layout }: BuildRequest,
  { chosen }: GatheredParts,
  threads: Workforce,
): Promise<Uint8Array> {
  const program = inputs.firstStageProgram(kernel.architecture, layout.needsNetwork === true);
  const packed = packTree(
    programTree(program, chosen.files, inputs.shell?.bytes),
    inputs.config["first-stage"],
    threads,
  );
  // Whoever needs it hears of it; where something else fails before, nobody does.
  packed.catch(() => undefined);
  return packed;
}

function packTree(tree: Tree, { compression }: { readonly compression: OutputMethod }, threads: Workforce) {
  return encodeSegment(tree, compression, (bytes, options) =>
    threads.run("pack", { bytes: sendable(bytes), ...options }, bytes.length),
  );
}

/** A generation that was written. */
export interface BuildResult {
  readonly manifest: Omit<Manifest, "version">;
  readonly warnings: readonly string[];
}

/** Writes all that belongs to an image: the plan, what is loaded before it, and the manifest. Closes the image's file. */
export async function writeLoadedFiles(
  request: BuildRequest,
  parts: GatheredParts,
  made: {
    readonly content: ImageContent;
    readonly image: WrittenImage;
    readonly program: Promise<Uint8Array>;
  },
  { threads, progress, output }: BuildMeans,
): Promise<BuildResult> {
  const { inputs, layout } = request;
  const { content, image } = made;
  const { facts, file } = image;
  await progress("writing the first stage");
  const { selection, modules, files: moduleFiles } = parts.chosen;
  const plan = compilePlan(selection, modules, facts, parts.nextStage, parts.planOptions);
  const wholeImage = { descriptor: file.descriptor, offset: 0, length: facts.sizeBytes };
  const [program, rest, imageSha256] = await Promise.all([
    made.program,
    packTree(planTree(plan, content.usr?.skeleton), inputs.config["first-stage"], threads),
    file.elsewhere(threads.run("digest", wholeImage, facts.sizeBytes)),
    file.sync(),
    (async () => output.write(GENERATION_FILES.kernel, inputs.kernel.bytes))(),
  ]);
  const firstStage = joinFirstStage([program, rest], parts.kept);
  const place = layout.place(facts);
  const whyNot =
    inputs.usr &&
    place.kind === "usr" &&
    (await whyNotInUsr(inputs.usr, place.fileSystem, { path: place.path, sha256: imageSha256 }));
  const imageParts = { firstStage, bootconfig: parts.kept.bootconfig, image: file.source(facts.sizeBytes) };
  const initrd =
    layout.initrdPath && (await writeWholeInitrd({ ...imageParts, imagePath: layout.initrdPath }, output, threads));
  file.close();
  const uki = parts.assembleUki?.(initrd ? initrd.bytes() : firstStage);
  if (initrd) initrd.close();
  const { layer } = content.imageTree;
  const leftOut = layer && checksumsOf(layer, layout.laidOver?.path ?? "");
  const write = (name: string, bytes: Uint8Array): Manifest["files"][string] => {
    output.write(name, bytes);
    return fileEntry(bytes);
  };
  const manifest = manifestOf({
    ...{ request, parts, place },
    image: facts,
    imageTree: content.imageTree,
    files: {
      [GENERATION_FILES.kernel]: fileEntry(inputs.kernel.bytes),
      [GENERATION_FILES.firstStage]: write(GENERATION_FILES.firstStage, firstStage),
      [GENERATION_FILES.image]: { sizeBytes: facts.sizeBytes, sha256: imageSha256 },
      [GENERATION_FILES.plan]: write(GENERATION_FILES.plan, Buffer.from(encodePlan(plan), "utf8")),
      ...(initrd ? { [OPTIONAL_FILES.initrd]: initrd.entry } : {}),
      ...(uki === undefined ? {} : { [OPTIONAL_FILES.uki]: write(OPTIONAL_FILES.uki, uki) }),
      ...(leftOut === undefined ? {} : { [OPTIONAL_FILES.leftOut]: write(OPTIONAL_FILES.leftOut, leftOut) }),
    },
    inputEntries: image.inputEntries,
    explanation: explainPlan(plan, selection, new Map(moduleFiles.map((file) => [file.name, file.content.length]))),
  });
  return { manifest, warnings: whyNot ? [whyNot] : [] };
}
