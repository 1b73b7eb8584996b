import { type ByteString, FormatError, toText, UsageError } from "../bytes/index.ts";
import { type Directory, type Node, Tree } from "../tree/index.ts";
import { type Decompress, scanModules } from "./bare-folder.ts";
import { ModuleDatabase, type ModuleEntry } from "./database.ts";
import {
  type AliasLine,
  parseBuiltinModinfo,
  parseModulesAlias,
  parseModulesBuiltin,
  parseModulesDep,
  parseModulesSoftdep,
  parseModulesWeakdep,
  type SoftDependencies,
  type WeakDependencyLine,
} from "./module-files.ts";
import { isModuleFile, moduleName } from "./names.ts";

export interface ModuleDatabaseOptions {
  /** As `uname -r` prints it; may be left out where the tree has the modules of one kernel only. */
  readonly release?: string;
  /** Called for compressed modules, and only where modules.dep is missing. */
  readonly decompress?: Decompress;
}

/** Where a tree may hold `<release>`: a root file system, a package, an initrd, or the modules folder alone. */
const MODULE_FOLDERS: readonly ByteString[] = ["usr/lib/modules", "lib/modules", "modules", ""];

/**
 * Reads what a tree knows of the modules of one kernel release. Takes depmod's files where there is a modules.dep,
 * and otherwise what each module says in its .modinfo section.
 * @throws UsageError when the tree has no modules, or those of several kernels and no release was given.
 * @throws FormatError when one of the files cannot be read, with the line's number.
 */
export async function parseModuleDatabase(tree: Tree, options: ModuleDatabaseOptions = {}): Promise<ModuleDatabase> {
  const { release, path, node } = findRelease(tree, options.release);
  const folder = new Tree(node);
  const scanned =
    fileBytes(folder, "modules.dep") === undefined ? await scanModules(folder, path, options.decompress) : undefined;
  const modules = scanned?.modules ?? parseDependencies(folder, path);
  const builtin = readBuiltins(folder, new Set(modules.map((entry) => entry.name)));
  const aliases = scanned?.aliases ?? parseOptional(folder, "modules.alias", parseModulesAlias);
  const softdeps = scanned?.softDependencies ?? parseOptional(folder, "modules.softdep", parseModulesSoftdep);
  const weakdeps = scanned?.weakDependencies ?? parseOptional(folder, "modules.weakdep", parseModulesWeakdep);
  return new ModuleDatabase({
    release,
    modules,
    isThere: (entry) => tree.resolve(entry.path)?.kind === "file",
    builtins: builtin.names,
    knowsBuiltins: builtin.known,
    aliases: [...builtin.aliases, ...aliases],
    softDependencies: mergeSoftDependencies(softdeps),
    weakDependencies: mergeWeakDependencies(weakdeps),
  });
}

interface ReleaseFolder {
  readonly release: string;
  readonly path: ByteString;
  readonly node: Directory;
}

/**
 * Whether a tree has modules for this kernel release. A modules folder alone does not say which one it is for: that is
 * taken on trust.
 */
export function hasModules(tree: Tree, release: string): boolean {
  const folders = releaseFolders(tree);
  if (folders.length === 0) return looksLikeModules(tree.root);
  return folders.some((folder) => folder.release === release);
}

function findRelease(tree: Tree, wanted: string | undefined): ReleaseFolder {
  const all = releaseFolders(tree);
  if (all.length === 0 && looksLikeModules(tree.root)) {
    if (wanted !== undefined) return { release: wanted, path: "", node: tree.root };
    throw new UsageError("Cannot tell which kernel these modules are for", { hint: "name the release" });
  }
  const releases = [...new Set(all.map((folder) => folder.release))].sort();
  const [only] = releases;
  if (only === undefined) {
    throw new UsageError("Cannot find kernel modules: there is no lib/modules/<release> with modules in it", {
      hint: "give --modules DIR, the folder that holds lib/modules",
    });
  }
  if (wanted === undefined && releases.length > 1) {
    throw new UsageError(`Cannot choose between the modules of ${releases.join(", ")}`, { hint: "name the release" });
  }
  const chosen = all.find((folder) => folder.release === (wanted ?? only));
  if (chosen !== undefined) return chosen;
  throw new UsageError(`Cannot find the modules of kernel ${wanted}: there are those of ${releases.join(", ")}`, {
    hint: "install the kernel's package, or give --modules DIR",
  });
}

function releaseFolders(tree: Tree): ReleaseFolder[] {
  const found = new Map<ByteString, ReleaseFolder>();
  for (const parent of MODULE_FOLDERS) {
    const place = tree.realPath(parent);
    if (place?.node.kind !== "directory") continue;
    for (const name of [...place.node.entries.keys()].sort()) {
      const entry = tree.realPath(`${place.path}/${name}`);
      if (entry?.node.kind !== "directory" || !looksLikeModules(entry.node)) continue;
      // lib is mostly a symlink to usr/lib: one folder then, not two.
      if (!found.has(entry.path)) found.set(entry.path, { release: toText(name), path: entry.path, node: entry.node });
    }
  }
  return [...found.values()];
}

/** A folder with depmod's files, the kernel build's own lists, or a `kernel` folder, or module files themselves. */
function looksLikeModules(folder: Directory): boolean {
  return [...folder.entries].some(
    ([name, node]) =>
      name === "modules.dep" ||
      name === "modules.builtin" ||
      (name === "kernel" && node.kind === "directory") ||
      (node.kind === "file" && isModuleFile(name)),
  );
}

function parseDependencies(folder: Tree, root: ByteString): ModuleEntry[] {
  return parseModulesDep(fileBytes(folder, "modules.dep") ?? new Uint8Array()).map(({ path, dependencies }) => ({
    name: moduleName(path),
    fileName: path.slice(path.lastIndexOf("/") + 1),
    // Old depmods write absolute paths; they count from the root of the tree.
    path: path.startsWith("/") || root === "" ? path : `${root}/${path}`,
    dependencies: [...new Set(dependencies.map(moduleName).reverse())],
  }));
}

interface Builtins {
  readonly names: Set<ByteString>;
  readonly aliases: readonly AliasLine[];
  readonly known: boolean;
}

/**
 * modules.builtin decides. modules.builtin.modinfo also has objects that can never be modules, and some are called
 * as a real module is ("core" in 6.12), so it only adds names where there is no modules.builtin.
 */
function readBuiltins(folder: Tree, modules: ReadonlySet<ByteString>): Builtins {
  const list = fileBytes(folder, "modules.builtin");
  const modinfo = fileBytes(folder, "modules.builtin.modinfo");
  const described = modinfo === undefined ? [] : parseBuiltinModinfo(modinfo);
  const names = new Set(
    list !== undefined
      ? parseModulesBuiltin(list).map((path) => moduleName(path))
      : described.filter((module) => module.file !== undefined && !modules.has(module.name)).map(({ name }) => name),
  );
  const aliases = described
    .filter((module) => names.has(module.name))
    .flatMap((module) => module.aliases.map((pattern) => ({ pattern, module: module.name })));
  return { names, aliases, known: list !== undefined || modinfo !== undefined };
}

function mergeSoftDependencies(
  lines: readonly ({ readonly module: ByteString } & SoftDependencies)[],
): Map<ByteString, SoftDependencies> {
  const merged = new Map<ByteString, SoftDependencies>();
  for (const { module, pre, post } of lines) {
    const before = merged.get(module) ?? { pre: [], post: [] };
    merged.set(module, { pre: [...before.pre, ...pre], post: [...before.post, ...post] });
  }
  return merged;
}

function mergeWeakDependencies(lines: readonly WeakDependencyLine[]): Map<ByteString, readonly ByteString[]> {
  const merged = new Map<ByteString, readonly ByteString[]>();
  for (const { module, names } of lines) merged.set(module, [...(merged.get(module) ?? []), ...names]);
  return merged;
}

function parseOptional<T>(folder: Tree, name: ByteString, parse: (bytes: Uint8Array) => T[]): T[] {
  const bytes = fileBytes(folder, name);
  return bytes === undefined ? [] : parse(bytes);
}

function fileBytes(folder: Tree, name: ByteString): Uint8Array | undefined {
  const node: Node | undefined = folder.resolve(name);
  if (node === undefined) return undefined;
  if (node.kind !== "file") {
    throw new FormatError(`Cannot read ${name}: expected a file, got a ${node.kind}`, { format: name });
  }
  return node.content.read(0, node.content.size);
}
