import { type ByteString, FormatError, toText, UsageError } from "../bytes/index.ts";
import type { ModuleDatabase } from "./database.ts";
import { type KnownNeed, knownNeeds } from "./known-needs.ts";
import { chooseProviders } from "./providers.ts";

/** The longest chain of real modules is about ten. */
const MAX_CHAIN = 256;

/** A module or alias to load. */
export interface WantedModule {
  readonly name: ByteString;
  /** For the explanation: "storage driver of the set virtio". */
  readonly reason: string;
  /** Left out, and listed as absent, where the kernel does not have it. */
  readonly optional?: boolean;
}

export interface ModuleFacts {
  /** What modules need without saying so; `knownNeeds(config)` unless given. */
  readonly needs?: readonly KnownNeed[];
  /** Loaded already when the plan starts: neither these nor what they need is planned again. */
  readonly loaded?: readonly ByteString[];
}

export interface PlannedModule {
  readonly name: ByteString;
  readonly fileName: ByteString;
  /** In the tree that the database was read from. */
  readonly path: ByteString;
  /** From the wish to this module: "wanted by: image on EROFS", "erofs needs libcrc32c", ... */
  readonly reasons: readonly string[];
  /** False where only optional wishes and soft dependencies ask for it: then a failure to load is no error. */
  readonly required: boolean;
}

/** What was not planned, and why it was wanted. */
export interface UnplannedModule {
  readonly name: ByteString;
  readonly reasons: readonly string[];
}

export interface ModulePlan {
  /** In the order in which to load them, each once. */
  readonly modules: readonly PlannedModule[];
  readonly builtin: readonly UnplannedModule[];
  readonly absent: readonly UnplannedModule[];
}

/**
 * The modules to load for what is wanted, in order: what a module needs first, as modprobe does it (dependencies,
 * soft ones before, the module, soft ones after). A function of its arguments only: wishes in their order, then the
 * order of the database.
 * @throws UsageError naming every wish that is not optional and that the kernel does not have.
 * @throws FormatError when a module's dependency is missing from the tree, or modules need each other in a circle.
 */
export function planModules(
  database: ModuleDatabase,
  wanted: readonly WantedModule[],
  facts: ModuleFacts = {},
): ModulePlan {
  const missing = wanted.filter(
    (wish) => wish.optional !== true && chooseProviders(database, wish.name).kind === "absent",
  );
  if (missing.length > 0) throw missingError(database, missing);
  const planner = new Planner(database, facts);
  for (const wish of wanted) {
    planner.wish(wish.name, [`wanted by: ${wish.reason}`], wish.optional !== true);
  }
  return planner.result();
}

function missingError(database: ModuleDatabase, missing: readonly WantedModule[]): UsageError {
  const names = missing.map((wish) => `${toText(wish.name)} (${wish.reason})`).join(", ");
  const unsure = database.knowsBuiltins ? "" : "; without a modules.builtin what is built in cannot be seen";
  return new UsageError(`Cannot find in kernel ${database.release}: ${names}; neither a module nor built in${unsure}`, {
    hint: "give the kernel's whole modules folder with --modules DIR, or install the package that has them (linux-image, linux-modules-extra)",
  });
}

class Planner {
  readonly #database: ModuleDatabase;
  readonly #needs: readonly KnownNeed[];
  readonly #loaded: ReadonlySet<ByteString>;
  /** In load order; `required` may still turn true. */
  readonly #placed = new Map<ByteString, PlannedModule>();
  /** Modules being placed, outermost first: soft dependencies may form circles, which kmod ignores too. */
  readonly #open: ByteString[] = [];
  /** Soft dependencies that need a module which is still open: they come when it has its place. */
  #deferred: (() => void)[] = [];
  readonly #builtin = new Map<ByteString, UnplannedModule>();
  readonly #absent = new Map<ByteString, UnplannedModule>();

  constructor(database: ModuleDatabase, facts: ModuleFacts) {
    this.#database = database;
    this.#needs = facts.needs ?? knownNeeds();
    this.#loaded = new Set((facts.loaded ?? []).flatMap((name) => database.resolveAlias(name)));
  }

  wish(alias: ByteString, reasons: readonly string[], required: boolean): void {
    const providers = chooseProviders(this.#database, alias);
    if (providers.kind === "builtin") note(this.#builtin, providers.name, reasons);
    else if (providers.kind === "absent") note(this.#absent, alias, reasons);
    else for (const name of providers.names) this.#load(name, reasons, required && providers.names.length === 1);
  }

  result(): ModulePlan {
    return {
      modules: [...this.#placed.values()],
      builtin: [...this.#builtin.values()],
      absent: [...this.#absent.values()],
    };
  }

  /** A module with everything it needs. */
  #load(name: ByteString, reasons: readonly string[], required: boolean): void {
    const closure = this.#database.dependencies(name);
    if (closure.some((dependency) => this.#open.includes(dependency))) {
      this.#deferred.push(() => this.#load(name, reasons, required));
      return;
    }
    for (const dependency of closure) {
      const chain = this.#chain(name, dependency, closure);
      const links = chain.slice(1).map((link, index) => `${toText(chain[index] ?? "")} needs ${toText(link)}`);
      this.#place(dependency, [...reasons, ...links], required);
    }
    this.#place(name, reasons, required);
  }

  /** One module between its soft dependencies. */
  #place(name: ByteString, reasons: readonly string[], required: boolean): void {
    const placed = this.#placed.get(name);
    if (placed !== undefined) {
      // Only what is wanted itself gets a second reason: one chain is enough to say why a dependency is there.
      const more = reasons.length === 1 && !placed.reasons.includes(reasons[0] ?? "") ? reasons : [];
      this.#placed.set(name, {
        ...placed,
        reasons: [...placed.reasons, ...more],
        required: placed.required || required,
      });
      return;
    }
    if (this.#loaded.has(name) || this.#open.includes(name)) return;
    if (this.#open.length > MAX_CHAIN) {
      throw new FormatError(`Cannot order the modules: more than ${MAX_CHAIN} need each other`, { format: "modules" });
    }
    const entry = this.#database.get(name);
    if (entry === undefined) {
      if (this.#database.isBuiltin(name)) {
        note(this.#builtin, name, reasons);
        return;
      }
      throw new FormatError(
        `Cannot load ${toText(name)}: it is missing (${reasons.join("; ")}); give the kernel's whole modules folder with --modules DIR`,
        { format: "modules.dep" },
      );
    }
    this.#open.push(name);
    const soft = this.#database.softDependencies(name);
    for (const need of this.#needs.filter((known) => known.module === name)) {
      for (const alias of need.needs) {
        this.wish(alias, [...reasons, `${toText(name)} needs ${toText(alias)}: ${need.reason}`], required);
      }
    }
    for (const alias of soft.pre) {
      this.wish(alias, [...reasons, `${toText(name)} asks for ${toText(alias)} before it (softdep)`], false);
    }
    this.#placed.set(name, { name, fileName: entry.fileName, path: entry.path, reasons, required });
    for (const alias of soft.post) {
      this.wish(alias, [...reasons, `${toText(name)} asks for ${toText(alias)} after it (softdep)`], false);
    }
    this.#open.pop();
    if (this.#open.length > 0) return;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const load of deferred) load();
  }

  /** The modules from `name` down to `dependency`, each needing the next one. */
  #chain(name: ByteString, dependency: ByteString, closure: readonly ByteString[]): ByteString[] {
    const users = [name, ...[...closure].reverse()];
    const chain = [dependency];
    for (let at = dependency; at !== name; ) {
      const user = users.find(
        (candidate) => !chain.includes(candidate) && this.#database.directDependencies(candidate).includes(at),
      );
      if (user === undefined) throw circleError(name, at);
      chain.unshift(user);
      at = user;
    }
    return chain;
  }
}

function circleError(name: ByteString, at: ByteString): FormatError {
  return new FormatError(
    `Cannot order the modules: ${toText(name)} needs ${toText(at)} in a circle; run depmod on the modules folder`,
    { format: "modules.dep" },
  );
}

function note(list: Map<ByteString, UnplannedModule>, name: ByteString, reasons: readonly string[]): void {
  if (!list.has(name)) list.set(name, { name, reasons });
}
