import { type ByteString, fromText, toText, UsageError } from "../bytes/index.ts";
import type { Initramfs } from "../formats/cpio/index.ts";
import { inFile } from "../host/index.ts";
import { type ModuleDatabase, parseModuleDatabase } from "../kernel/index.ts";
import { componentsOf, kindOfMode, type Tree } from "../tree/index.ts";
import { type ModuleFile, prepareModule, type SignaturePolicy, unpackModule } from "./first-stage.ts";

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
  for (const { path, tree } of candidates) {
    if (!hasModulesOf(tree, release)) continue;
    const options = { release, decompress: unpackModule };
    return { path, tree, database: await inFile(path, () => parseModuleDatabase(tree, options)) };
  }
  const places = candidates.map(({ path }) => path).join(" and ");
  throw new UsageError(`Cannot find the modules of kernel ${release} in ${places}`, {
    hint: `give the folder that has them, usually /lib/modules/${release}, with --modules DIR`,
  });
}

function hasModulesOf(tree: Tree, release: string): boolean {
  const name = fromText(release);
  const folders = ["usr/lib/modules", "lib/modules", "modules", ""].map((folder) => `${folder}/${name}`);
  const inFolder = folders.some((folder) => tree.resolve(folder)?.kind === "directory");
  // The folder of one release itself: its name is not part of the tree, its content is.
  return inFolder || tree.get("modules.dep") !== undefined || tree.get("kernel") !== undefined;
}

/** The file of one module, ready for the first stage. */
export function readModule(
  source: ModuleSource,
  path: ByteString,
  name: ByteString,
  policy: SignaturePolicy,
): Promise<ModuleFile> {
  const node = source.tree.resolve(path);
  if (node?.kind !== "file") {
    throw new UsageError(`Cannot read the module ${toText(path)}: modules.dep names it, but it is not there`, {
      hint: "give the kernel's whole modules folder with --modules DIR, or run depmod on it",
    });
  }
  return inFile(toText(path), () => prepareModule(name, node.content.read(0, node.content.size), policy));
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

export function keptParts(initrd: Uint8Array, initramfs: Initramfs): KeptParts {
  const early = initramfs.segments.filter((segment) => segment.early);
  const last = early.at(-1);
  const files = early
    .flatMap(({ archive }) => archive.entries)
    .filter((entry) => kindOfMode(entry.mode) !== "directory");
  const names = files.map((entry) => componentsOf(entry.name)[0] ?? "");
  return {
    early: initrd.subarray(0, last === undefined ? 0 : last.offset + last.length),
    bootconfig: initramfs.bootconfig === undefined ? undefined : initrd.subarray(initramfs.bootconfig.offset),
    topLevelNames: [...new Set(names)],
  };
}
