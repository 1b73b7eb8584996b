import { type ByteSource, type ByteString, toText, UsageError } from "../bytes/index.ts";
import type { Initramfs } from "../formats/cpio/index.ts";
import { inFile } from "../host/index.ts";
import { hasModules, type ModuleDatabase, type PlannedModule, parseModuleDatabase } from "../kernel/index.ts";
import { componentsOf, kindOfMode, type Tree } from "../tree/index.ts";
import { type ModuleFile, type ModuleTreatment, prepareModule, unpackModule } from "./first-stage.ts";
import type { ProgressListener } from "./progress.ts";

/** A tree that may have modules, and where it comes from, for messages. */
export interface ModuleTree {
  readonly path: string;
  readonly tree: Tree;
}

/** A tree that has modules, and what it has. */
export interface ModuleSource extends ModuleTree {
  readonly database: ModuleDatabase;
}

/**
 * The modules of a kernel release: of the first of `candidates` that has them.
 * @throws UsageError when none has.
 */
export async function findModules(candidates: readonly ModuleTree[], release: string): Promise<ModuleSource> {
  const found = await lookForModules(candidates, release);
  if (found !== undefined) return found;
  const places = candidates.map(({ path }) => path).join(" and ");
  throw new UsageError(`Cannot find the modules of kernel ${release} in ${places}`, {
    hint: `give the folder that has them, usually /lib/modules/${release}, with --modules DIR`,
  });
}

/** Like `findModules`, for a caller who has other places to look at afterwards. */
export async function lookForModules(
  candidates: readonly ModuleTree[],
  release: string,
): Promise<ModuleSource | undefined> {
  for (const { path, tree } of candidates) {
    if (!hasModules(tree, release)) continue;
    const options = { release, decompress: unpackModule };
    return { path, tree, database: await inFile(path, () => parseModuleDatabase(tree, options)) };
  }
  return undefined;
}

/** The file of one module, ready for the first stage. */
export function readModule(
  source: ModuleSource,
  path: ByteString,
  name: ByteString,
  treatment: ModuleTreatment,
): Promise<ModuleFile> {
  const node = source.tree.resolve(path);
  if (node?.kind !== "file") {
    throw new UsageError(`Cannot read the module ${toText(path)}: modules.dep names it, but it is not there`, {
      hint: "give the kernel's whole modules folder with --modules DIR, or run depmod on it",
    });
  }
  return inFile(toText(path), () => prepareModule(name, node.content.read(0, node.content.size), treatment));
}

/** The files of several modules; where they are signed, `progress` hears how far that is. */
export async function readModules(
  source: ModuleSource,
  modules: readonly Pick<PlannedModule, "path" | "name">[],
  treatment: ModuleTreatment,
  progress: ProgressListener,
): Promise<ModuleFile[]> {
  const signing = "signing the first stage's modules";
  if (treatment.signer !== undefined) await progress(signing);
  const totalBytes = modules.reduce((bytes, { path }) => bytes + sizeOf(source.tree, path), 0);
  let doneBytes = 0;
  return Promise.all(
    modules.map(async ({ path, name }) => {
      const file = await readModule(source, path, name, treatment);
      doneBytes += sizeOf(source.tree, path);
      if (treatment.signer !== undefined) progress(signing, { doneBytes, totalBytes });
      return file;
    }),
  );
}

function sizeOf(tree: Tree, path: ByteString): number {
  const node = tree.resolve(path);
  return node?.kind === "file" ? node.content.size : 0;
}

/**
 * Refuses the modules of another kernel: a folder's name is not part of its content, so that only they can tell.
 * Single modules from another release are none of our business (RHEL's weak updates).
 * @throws UsageError when all modules are for other releases: the kernel would load none of them.
 */
export function requireSameRelease(files: readonly ModuleFile[], release: string): void {
  const releases = files.flatMap(({ vermagic }) => vermagic?.split(" ", 1) ?? []).map(toText);
  const [other] = releases;
  if (other === undefined || releases.includes(release)) return;
  throw new UsageError(`Cannot use these modules with kernel ${release}: they are for ${other}`, {
    hint: `give the folder that has them, usually /lib/modules/${release}, with --modules DIR`,
  });
}

/** What of the original initrd stays in the first stage's as it is: microcode and tables in front, bootconfig behind. */
export interface KeptParts {
  /** Everything up to the end of the last early segment: inside of it the kernel finds files by their place. */
  readonly early: Uint8Array;
  readonly bootconfig: Uint8Array | undefined;
  /** Top-level names of the files that the early segments unpack to. */
  readonly topLevelNames: readonly string[];
}

export function keptParts(initrd: ByteSource, initramfs: Initramfs): KeptParts {
  const early = initramfs.segments.filter((segment) => segment.early);
  const last = early.at(-1);
  const files = early
    .flatMap(({ archive }) => archive.entries)
    .filter((entry) => kindOfMode(entry.mode) !== "directory");
  const names = files.map((entry) => componentsOf(entry.name)[0] ?? "");
  const { bootconfig } = initramfs;
  return {
    early: initrd.read(0, last === undefined ? 0 : last.offset + last.length),
    bootconfig: bootconfig && initrd.read(bootconfig.offset, initrd.size - bootconfig.offset),
    topLevelNames: [...new Set(names)],
  };
}
