import { type ByteString, toText } from "../bytes/index.ts";
import { fnmatch, literalPrefix, normaliseAlias } from "./alias.ts";
import type { AliasLine, SoftDependencies } from "./module-files.ts";
import { moduleName } from "./names.ts";

/** One module that is a file. */
export interface ModuleEntry {
  /** As /proc/modules shows it: `dm_mod`. */
  readonly name: ByteString;
  /** Its file's own name: `dm-mod.ko.xz`. */
  readonly fileName: ByteString;
  /** Where it stands in the tree that was read. */
  readonly path: ByteString;
  /** All modules it needs, directly or not, in the order in which to load them. */
  readonly dependencies: readonly ByteString[];
}

/** What a database is made from. */
export interface ModuleDatabaseContent {
  readonly release: string;
  readonly modules: readonly ModuleEntry[];
  /** Whether a module's file is there: asked for those that are looked up, and once for each. */
  readonly isThere: (entry: ModuleEntry) => boolean;
  readonly builtins: ReadonlySet<ByteString>;
  /** False where the tree has no list of built-in modules: then absent and built in look the same. */
  readonly knowsBuiltins: boolean;
  /** In the order of their source; of modules and of what is built in. */
  readonly aliases: readonly AliasLine[];
  readonly softDependencies: ReadonlyMap<ByteString, SoftDependencies>;
  readonly weakDependencies: ReadonlyMap<ByteString, readonly ByteString[]>;
}

interface CompiledAlias {
  readonly pattern: ByteString;
  readonly prefix: ByteString;
  readonly isLiteral: boolean;
  readonly module: ByteString;
}

const NO_SOFT_DEPENDENCIES: SoftDependencies = { pre: [], post: [] };

/** What one kernel release has: modules as files, modules built in, and what belongs to what. Names may have `-` or `_`. */
export class ModuleDatabase {
  readonly release: string;
  readonly knowsBuiltins: boolean;
  readonly #modules: ReadonlyMap<ByteString, ModuleEntry>;
  readonly #warnings: string[] = [];
  readonly #looked = new Map<ModuleEntry, boolean>();
  readonly #content: ModuleDatabaseContent;
  /** By the first character of what they are to match. */
  readonly #aliases = new Map<string, readonly CompiledAlias[]>();
  readonly #direct = new Map<ByteString, readonly ByteString[]>();

  constructor(content: ModuleDatabaseContent) {
    this.release = content.release;
    this.knowsBuiltins = content.knowsBuiltins;
    this.#content = content;
    const modules = new Map<ByteString, ModuleEntry>();
    for (const entry of content.modules) {
      const earlier = modules.get(entry.name);
      if (earlier === undefined || !this.#isThere(earlier)) modules.set(entry.name, entry);
      else this.#warnings.push(`modules.dep names ${toText(entry.name)} twice: the first one counts`);
    }
    this.#modules = modules;
  }

  /** What was strange so far, but does not keep the database from being used. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  #isThere(entry: ModuleEntry): boolean {
    const known = this.#looked.get(entry);
    if (known !== undefined) return known;
    const found = this.#content.isThere(entry);
    this.#looked.set(entry, found);
    if (!found) this.#warnings.push(`modules.dep names ${toText(entry.path)}, which is not there`);
    return found;
  }

  /** Names of all modules that are files, in the order of their source. */
  get names(): ByteString[] {
    return [...this.#modules.values()].filter((entry) => this.#isThere(entry)).map(({ name }) => name);
  }

  /** Whether the kernel has it built in. */
  isBuiltin(name: ByteString): boolean {
    return this.#content.builtins.has(moduleName(name));
  }

  /** Whether it is there as a file. */
  has(name: ByteString): boolean {
    return this.get(name) !== undefined;
  }

  get(name: ByteString): ModuleEntry | undefined {
    const entry = this.#modules.get(moduleName(name));
    return entry && this.#isThere(entry) ? entry : undefined;
  }

  /** Where the module's file stands in the tree, or undefined when there is none. */
  path(name: ByteString): ByteString | undefined {
    return this.get(name)?.path;
  }

  /** All modules that it needs, in the order in which to load them; empty for what is built in or absent. */
  dependencies(name: ByteString): readonly ByteString[] {
    return this.get(name)?.dependencies ?? [];
  }

  /**
   * Those dependencies that no other dependency brings along: modules.dep does not say which ones are direct, and
   * these are enough to say why each is there.
   */
  directDependencies(name: ByteString): readonly ByteString[] {
    const known = this.#direct.get(moduleName(name));
    if (known !== undefined) return known;
    const all = this.dependencies(name);
    const indirect = new Set(all.flatMap((dependency) => this.dependencies(dependency)));
    const direct = all.filter((dependency) => !indirect.has(dependency));
    this.#direct.set(moduleName(name), direct);
    return direct;
  }

  /** Names or aliases to load before and after, all lines of the module together. */
  softDependencies(name: ByteString): SoftDependencies {
    return this.#content.softDependencies.get(moduleName(name)) ?? NO_SOFT_DEPENDENCIES;
  }

  /** What the module may ask for later by itself (modules.weakdep, since kmod 33); never loaded with it. */
  weakDependencies(name: ByteString): readonly ByteString[] {
    return this.#content.weakDependencies.get(moduleName(name)) ?? [];
  }

  /** The alias patterns of a module, as written. */
  aliasesOf(name: ByteString): ByteString[] {
    const wanted = moduleName(name);
    return this.#content.aliases.filter((alias) => alias.module === wanted).map((alias) => alias.pattern);
  }

  /**
   * The modules that a name or alias stands for, as kmod finds them: a module of that name (file, then built in),
   * otherwise every module with a pattern that matches. In the order of the aliases' source, each once.
   */
  resolveAlias(alias: ByteString): ByteString[] {
    const name = moduleName(alias);
    if (this.has(name) || this.isBuiltin(name)) return [name];
    const wanted = normaliseAlias(alias);
    const found = new Set<ByteString>();
    for (const { pattern, prefix, isLiteral, module } of this.#aliasesFor(wanted.slice(0, 1))) {
      if (isLiteral ? pattern === wanted : wanted.startsWith(prefix) && fnmatch(pattern, wanted)) found.add(module);
    }
    return [...found].filter((module) => this.has(module) || this.isBuiltin(module));
  }

  /** The patterns that something which begins so can match: of the ten thousands of a kernel, mostly few. */
  #aliasesFor(first: string): readonly CompiledAlias[] {
    const known = this.#aliases.get(first);
    if (known !== undefined) return known;
    const found = this.#content.aliases
      .filter(({ pattern }) => beginsWith(pattern, first))
      .map(({ pattern, module }) => {
        const normalised = normaliseAlias(pattern);
        const prefix = literalPrefix(normalised);
        return { pattern: normalised, prefix, isLiteral: prefix === normalised, module };
      });
    this.#aliases.set(first, found);
    return found;
  }
}

/** Whether what the pattern matches can begin with this character of a normalised alias. */
function beginsWith(pattern: ByteString, first: string): boolean {
  const start = normaliseAlias(pattern.slice(0, 1));
  return start === first || literalPrefix(start) === "";
}
