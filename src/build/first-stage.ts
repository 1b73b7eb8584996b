import { type ByteSink, type ByteString, MemorySink } from "../bytes/index.ts";
import { compress, decompress, detectCompression, type OutputMethod } from "../formats/compression/index.ts";
import { encodeCpio } from "../formats/cpio/index.ts";
import { parseModule, type SlimModule, slimModule, stripModuleSignature } from "../formats/elf-module/index.ts";
import { type Signer, signModule } from "../keys/index.ts";
import { encodeDrivers, encodePlan, type Plan } from "../plan/index.ts";
import { regularFile, Tree } from "../tree/index.ts";
import type { KeptParts } from "./sources.ts";

/** The kernel looks for a segment's magic at multiples of this only. */
const SEGMENT_ALIGNMENT = 4;

const PROGRAM_PERMISSIONS = 0o755;

/** A module's file as the first stage carries it. */
export interface ModuleFile {
  readonly name: ByteString;
  readonly content: Uint8Array;
  /** The kernel that it was built for, and how; undefined where it does not say. */
  readonly vermagic: ByteString | undefined;
  /** Why nothing was taken out of it that was to be taken out. */
  readonly untouched: string | undefined;
}

/** What becomes of modules on their way into a boot: lazyrd.toml, [modules]. */
export interface ModuleTreatment {
  /** `strip` takes less time to load, for kernels that do not insist on signatures; `resign` less than `keep`. */
  readonly signatures: "keep" | "strip" | "resign";
  /** `auto` makes modules smaller that lose their signature: it would not fit any more. */
  readonly symbols: "auto" | "keep" | "strip";
  /** Whether the tables for following the stack go along with the symbols (default: `keep`). */
  readonly unwind?: "keep" | "strip";
  /** Who signs them, for `resign`. */
  readonly signer?: Signer | undefined;
}

/** A module out of a modules folder, unpacked: the kernel is asked to do nothing that can be done now. */
export async function prepareModule(
  name: ByteString,
  file: Uint8Array,
  treatment: ModuleTreatment,
): Promise<ModuleFile> {
  const unpacked = await unpackModule(file);
  const { vermagic } = parseModule(unpacked);
  const { content, untouched } = await treatModule(unpacked, treatment);
  return { name, content, vermagic, untouched };
}

/** A module, not compressed, as `treatment` wants it; `untouched` says why it was to become smaller and could not. */
export async function treatModule(
  module: Uint8Array,
  { signatures, symbols, unwind, signer }: ModuleTreatment,
): Promise<SlimModule> {
  if (signatures === "keep") return { content: module, untouched: undefined };
  const bare = stripModuleSignature(module);
  const { content, untouched } =
    symbols === "keep"
      ? { content: bare, untouched: undefined }
      : slimModule(bare, { unwindTables: unwind !== "strip" });
  return { content: signer === undefined ? content : await signModule(content, signer), untouched };
}

/** A module's file as the kernel takes it, whether it was compressed or not. */
export async function unpackModule(file: Uint8Array): Promise<Uint8Array> {
  return detectCompression(file) === undefined ? file : (await decompress(file)).output;
}

/**
 * What of the first stage is the same whatever image it finds: /init and the modules.
 * @param shell - a program for people at the console
 */
export function programTree(program: Uint8Array, modules: readonly ModuleFile[], shell?: Uint8Array): Tree {
  const tree = new Tree();
  tree.set("init", regularFile(program, { permissions: PROGRAM_PERMISSIONS }));
  if (shell !== undefined) {
    tree.setWithParents("lazyrd/sh", regularFile(shell, { permissions: PROGRAM_PERMISSIONS }));
  }
  for (const module of modules) {
    tree.setWithParents(`lazyrd/modules/${module.name}.ko`, regularFile(module.content));
  }
  return tree;
}

/**
 * The rest of it, which is small: the plan and what belongs to it.
 * @param skeleton - what the next root directory is to have besides the image
 */
export function planTree(plan: Plan, skeleton = new Tree()): Tree {
  const tree = new Tree();
  for (const [name, node] of skeleton.root.entries) tree.set(name, node);
  return withPlan(tree, plan);
}

/** The tree of a whole first stage: /init and everything under /lazyrd. */
export function firstStageTree(
  program: Uint8Array,
  plan: Plan,
  modules: readonly ModuleFile[],
  shell?: Uint8Array,
): Tree {
  return withPlan(programTree(program, modules, shell), plan);
}

function withPlan(tree: Tree, plan: Plan): Tree {
  tree.setWithParents("lazyrd/plan", regularFile(textBytes(encodePlan(plan))));
  if (plan.drivers.length > 0) {
    tree.setWithParents("lazyrd/drivers", regularFile(textBytes(encodeDrivers(plan.drivers))));
  }
  return tree;
}

/** A tree as a segment of an initrd. */
export async function encodeSegment(
  tree: Tree,
  compression: OutputMethod,
  pack: typeof compress = compress,
): Promise<Uint8Array> {
  const archive = new MemorySink();
  encodeCpio(tree, archive);
  return pack(archive.bytes(), { method: compression, ...levelOf(compression) });
}

/** The whole initrd of a first stage: what is kept of the original, and the tree as one segment. */
export async function encodeFirstStage(
  tree: Tree,
  kept: Pick<KeptParts, "early" | "bootconfig">,
  compression: OutputMethod,
  pack: typeof compress = compress,
): Promise<Uint8Array> {
  return joinFirstStage([await encodeSegment(tree, compression, pack)], kept);
}

/** Puts its segments between what is kept of the original as it is: microcode and tables in front, a bootconfig behind. */
export function joinFirstStage(
  segments: readonly Uint8Array[],
  kept: Pick<KeptParts, "early" | "bootconfig">,
): Uint8Array {
  const output = new MemorySink();
  for (const segment of [kept.early, ...segments]) writeAligned(output, segment);
  // The kernel looks for a bootconfig at the very end.
  if (kept.bootconfig !== undefined) output.write(kept.bootconfig);
  return output.bytes();
}

/** The highest levels take six seconds for the generic set of drivers to save an eighth; this one takes 0.4 s. */
const ZSTD_LEVEL = 8;

function levelOf(compression: OutputMethod): { level?: number } {
  return compression === "zstd" ? { level: ZSTD_LEVEL } : {};
}

function writeAligned(output: ByteSink, segment: Uint8Array): void {
  output.write(segment);
  const excess = segment.length % SEGMENT_ALIGNMENT;
  if (excess > 0) output.write(new Uint8Array(SEGMENT_ALIGNMENT - excess));
}

function textBytes(text: string): Uint8Array {
  return Buffer.from(text, "utf8");
}
