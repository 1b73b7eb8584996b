import { fromText, toText, UsageError } from "../bytes/index.ts";
import { type Initramfs } from "../formats/cpio/index.ts";
import { type ModuleDatabase, parseModuleDatabase } from "../kernel/index.ts";
import { componentsOf, type Tree } from "../tree/index.ts";
import { type ModuleFile, prepareModule, type SignaturePolicy, unpackModule } from "./first-stage.ts";

/** A modules folder and the tree it stands in. */
export interface ModuleSource {
  readonly database: ModuleDatabase;
  readonly tree: Tree;
}

/**
 * The modules of a kernel release: of the first of `candidates` that has them.
 * @throws UsageError when none has.
 */
export async function findModules(candidates: readonly Tree[], release: string): Promise<ModuleSource> {
  for (const tree of candidates) {
    if (!hasModulesOf(tree, release)) continue;
    return { database: await parseModuleDatabase(tree, { release, decompress: unpackModule }), tree };
  }
  throw new UsageError(`Cannot find the modules of kernel ${release}`, {
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
export function readModule(source: ModuleSource, path: string, name: string, policy: SignaturePolicy): Promise<ModuleFile> {
  const node = source.tree.resolve(path);
  if (node?.kind !== "file") {
    throw new UsageError(`Cannot read the module ${toText(path)}: modules.dep names it, but it is not there`, {
      hint: "give the kernel's whole modules folder with --modules DIR, or run depmod on it",
    });
  }
  return prepareModule(toText(name), node.content.read(0, node.content.size), policy);
}

/** What of the original initrd stays in the first stage's as it is: microcode and tables in front, bootconfig behind. */
export interface KeptParts {
  readonly early: readonly Uint8Array[];
  readonly bootconfig: Uint8Array | undefined;
  /** Top-level names that the early segments unpack to. */
  readonly topLevelNames: readonly string[];
}

export function keptParts(initrd: Uint8Array, initramfs: Initramfs): KeptParts {
  const early = initramfs.segments.filter((segment) => segment.early);
  const names = early.flatMap((segment) => segment.archive.entries.map((entry) => componentsOf(entry.name)[0] ?? ""));
  return {
    early: early.map((segment) => initrd.subarray(segment.offset, segment.offset + segment.length)),
    bootconfig: initramfs.bootconfig === undefined ? undefined : initrd.subarray(initramfs.bootconfig.offset),
    topLevelNames: [...new Set(names)].filter((name) => name !== "").map(toText),
  };
}
