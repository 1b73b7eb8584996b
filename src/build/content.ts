import { fromText } from "../bytes/index.ts";
import type { LaidOver } from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";
import { type CompressedImage, type KernelFacts, requireAttributes } from "./compress/index.ts";
import { chosenModule, type GatheredParts } from "./gather.ts";
import { type ImageLayout, layOutImage } from "./image-layout.ts";
import { type ImageInputs, type ImageTree, prepareImageTree } from "./image-tree.ts";
import type { BuildInputs } from "./inputs.ts";
import type { BuildMeans } from "./means.ts";
import type { BuildRequest } from "./request.ts";
import { usrTreeOf } from "./usr-partition.ts";
import { takeUsr, type UsrTree } from "./usr-tree.ts";

/** What an image is going to hold, compressed but not yet written. */
export interface ImageContent {
  readonly imageTree: ImageTree;
  /** The tree taken apart, where only its /usr becomes the image. */
  readonly usr: UsrTree | undefined;
  /** What becomes the image. */
  readonly tree: Tree;
  readonly layout: ImageLayout;
  readonly compressed: CompressedImage | undefined;
  /** The kernel that is to read it. */
  readonly kernelFacts: KernelFacts;
  readonly warnings: readonly string[];
}

/** Makes the tree of the image of the initrd's, decides how it lies in the image, and compresses its files. */
export async function prepareContent(
  { inputs, kernel, layout, profile, treeSettings }: BuildRequest,
  { tree: initrdTree, nextStage, chosen }: GatheredParts,
  means: BuildMeans,
): Promise<ImageContent> {
  const kernelFacts = { release: kernel.release, erofsModule: chosenModule(chosen, "erofs") };
  const given = await withFinalBase(inputs, layout.laidOver);
  const imageTree = await prepareImageTree(initrdTree, fromText(nextStage.init), treeSettings, given, means);
  const usr = layout.designator === "usr" ? takeUsr(imageTree.tree) : undefined;
  const tree = usr?.usr ?? imageTree.tree;
  const imageLayout = layOutImage(tree, profile, imageTree.layer?.whole);
  if (imageTree.layer !== undefined) requireAttributes(kernelFacts);
  return {
    ...{ imageTree, usr, tree, kernelFacts },
    layout: imageLayout,
    compressed: await means.compressor?.compress(tree, imageLayout, kernelFacts),
    warnings: [...imageTree.warnings, ...(usr?.warnings ?? []), ...imageLayout.warnings],
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
