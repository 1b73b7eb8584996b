import { type ByteString, toText } from "../bytes/index.ts";
import { isModuleFile, moduleCompression } from "../kernel/index.ts";
import { type Directory, type RegularFile, type Symlink, Tree, type WalkEntry } from "../tree/index.ts";

/** Where a root file system has its modules, one folder for each kernel release. */
const MODULE_FOLDERS: readonly ByteString[] = ["usr/lib/modules", "lib/modules"];

const COMPRESSED_SUFFIX = /\.(?:gz|xz|zst)$/;

/** A file or symlink that is called as a module; no component of its path but perhaps the last is a symlink. */
export interface ModuleEntry {
  readonly path: ByteString;
  readonly node: RegularFile | Symlink;
}

/** A folder of one kernel release. */
export interface ReleaseFolder {
  readonly path: ByteString;
  readonly node: Directory;
}

/** The folders of all releases that a tree has modules of, each once. */
export function releaseFolders(tree: Tree): ReleaseFolder[] {
  const folders = new Map<ByteString, ReleaseFolder>();
  for (const parent of MODULE_FOLDERS) {
    const place = tree.realPath(parent);
    if (place?.node.kind !== "directory") continue;
    for (const [name, node] of place.node.entries) {
      const path = `${place.path}/${name}`;
      if (node.kind === "directory") folders.set(path, { path, node });
    }
  }
  return [...folders.values()];
}

/** All that is called as a module in a folder, in the order of a walk. */
export function modulesIn(folder: ReleaseFolder): ModuleEntry[] {
  return [...new Tree(folder.node).walk()].flatMap(({ path, node }) =>
    isModuleFile(path) && (node.kind === "file" || node.kind === "symlink")
      ? [{ path: `${folder.path}/${path}`, node }]
      : [],
  );
}

/** A path without what tells how its file is compressed. */
export function withoutSuffix(path: ByteString): ByteString {
  return path.replace(COMPRESSED_SUFFIX, "");
}

/**
 * The paths of all modules that lose their suffix: compressed files, and symlinks that lead to one of them. What
 * cannot, because the new name is taken, is told in `warnings`.
 */
export function findRenames(tree: Tree, modules: readonly ModuleEntry[], warnings: string[]): Set<ByteString> {
  const renamed = new Set<ByteString>();
  const taken = new Set<ByteString>();
  const add = ({ path }: ModuleEntry): void => {
    const newPath = withoutSuffix(path);
    if (taken.has(newPath) || tree.get(newPath) !== undefined) {
      warnings.push(`/${toText(path)} stays as it is: there is also /${toText(newPath)}`);
      return;
    }
    taken.add(newPath);
    renamed.add(path);
  };
  const compressed = modules.filter(({ path }) => moduleCompression(path) !== "none");
  for (const module of compressed) if (module.node.kind === "file") add(module);
  for (const module of compressed) {
    if (module.node.kind === "symlink" && renamed.has(tree.realPath(module.path)?.path ?? "")) add(module);
  }
  return renamed;
}

/**
 * The path of the entry that `path`, read in `folder`, names: symlinks are followed up to its last component. Undefined
 * when there is no such directory.
 */
export function entryPath(tree: Tree, folder: ByteString, path: ByteString): ByteString | undefined {
  const whole = path.startsWith("/") ? path : `${folder}/${path}`;
  const slash = whole.lastIndexOf("/");
  const parent: WalkEntry | undefined = tree.realPath(whole.slice(0, slash));
  if (parent === undefined) return undefined;
  return parent.path === "" ? whole.slice(slash + 1) : `${parent.path}/${whole.slice(slash + 1)}`;
}
