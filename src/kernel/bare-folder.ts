import { type ByteString, compareByteStrings, FormatError, toText, UsageError } from "../bytes/index.ts";
import { type ModuleInfo, parseModule } from "../formats/elf-module/index.ts";
import type { RegularFile, Tree } from "../tree/index.ts";
import type { ModuleEntry } from "./database.ts";
import {
  type AliasLine,
  parseSoftdep,
  type SoftDependencyLine,
  type WeakDependencyLine,
  words,
} from "./module-files.ts";
import { isModuleFile, moduleCompression, moduleName } from "./names.ts";

/** Gives the decompressed bytes of a .ko.gz, .ko.xz or .ko.zst. */
export type Decompress = (bytes: Uint8Array) => Promise<Uint8Array>;

/** The largest module of a distribution (a GPU driver) has 40 MB with its symbols. */
const MAX_MODULE_BYTES = 1 << 30;
/** The longest chain of real modules is about ten. */
const MAX_DEPENDENCY_DEPTH = 256;
/** Replacements of the kernel's own modules: depmod's default `search updates built-in`. */
const PREFERRED_FOLDER = "updates/";

export interface ScannedModules {
  readonly modules: ModuleEntry[];
  readonly aliases: AliasLine[];
  readonly softDependencies: SoftDependencyLine[];
  readonly weakDependencies: WeakDependencyLine[];
}

/**
 * What depmod would write for a folder of modules, from their .modinfo sections.
 * @throws UsageError when modules are compressed and there is nothing to decompress them with.
 * @throws FormatError when a module cannot be read, or modules need each other in a circle.
 */
export async function scanModules(
  folder: Tree,
  root: ByteString,
  decompress: Decompress | undefined,
): Promise<ScannedModules> {
  const found = new Map<ByteString, { path: ByteString; info: ModuleInfo }>();
  for (const { path, file } of moduleFiles(folder)) {
    const name = moduleName(path);
    if (found.has(name)) continue;
    found.set(name, { path, info: parseModule(await moduleBytes(path, file, decompress)) });
  }
  const closures = new Map<ByteString, readonly ByteString[]>();
  const direct = (name: ByteString): ByteString[] => (found.get(name)?.info.depends ?? []).map(moduleName);
  const all = [...found];
  return {
    modules: all.map(([name, { path }]) => ({
      name,
      fileName: path.slice(path.lastIndexOf("/") + 1),
      path: root === "" ? path : `${root}/${path}`,
      dependencies: closureOf(name, direct, closures, []),
    })),
    aliases: all.flatMap(([module, { info }]) => info.aliases.map((pattern) => ({ pattern, module }))),
    softDependencies: all.flatMap(([module, { info }]) =>
      info.softdeps.map((text) => ({ module, ...parseSoftdep(text) })),
    ),
    weakDependencies: all.flatMap(([module, { info }]) =>
      info.weakdeps.map((text) => ({ module, names: words(text) })),
    ),
  };
}

/** Updates first, then by path: the first module of a name counts. */
function moduleFiles(folder: Tree): { path: ByteString; file: RegularFile }[] {
  const files: { path: ByteString; file: RegularFile }[] = [];
  for (const { path, node } of folder.walk()) {
    if (node.kind === "file" && isModuleFile(path)) files.push({ path, file: node });
  }
  const rank = (path: ByteString): number => (path.startsWith(PREFERRED_FOLDER) ? 0 : 1);
  return files.sort((a, b) => rank(a.path) - rank(b.path) || compareByteStrings(a.path, b.path));
}

async function moduleBytes(
  path: ByteString,
  file: RegularFile,
  decompress: Decompress | undefined,
): Promise<Uint8Array> {
  if (file.content.size > MAX_MODULE_BYTES) {
    throw new FormatError(`Cannot read ${toText(path)}: expected at most ${MAX_MODULE_BYTES} bytes`, {
      format: "kernel module",
    });
  }
  const bytes = file.content.read(0, file.content.size);
  if (moduleCompression(path) === "none") return bytes;
  if (decompress === undefined) {
    throw new UsageError(`Cannot read ${toText(path)}: it is compressed, and there is no modules.dep`, {
      hint: "run depmod on the folder, or give a decompressor",
    });
  }
  return decompress(bytes);
}

/** Everything `name` needs, deepest first. */
function closureOf(
  name: ByteString,
  direct: (name: ByteString) => ByteString[],
  done: Map<ByteString, readonly ByteString[]>,
  chain: readonly ByteString[],
): readonly ByteString[] {
  const known = done.get(name);
  if (known !== undefined) return known;
  if (chain.includes(name) || chain.length > MAX_DEPENDENCY_DEPTH) {
    throw new FormatError(`Cannot order the modules: ${[...chain, name].map(toText).join(" needs ")}, a circle`, {
      format: "kernel module",
      field: "depends",
    });
  }
  const closure = new Set<ByteString>();
  for (const dependency of direct(name)) {
    for (const deeper of closureOf(dependency, direct, done, [...chain, name])) closure.add(deeper);
    closure.add(dependency);
  }
  const result = [...closure];
  done.set(name, result);
  return result;
}
