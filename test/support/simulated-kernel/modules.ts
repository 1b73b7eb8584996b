import { type ErrnoName, KernelFault } from "./errno.ts";

/** What a kernel module needs and what comes with it. */
export interface SimulatedModule<Machine> {
  /** Without these its symbols are unknown, and it is refused. */
  readonly requires?: readonly string[];
  readonly refusal?: ErrnoName;
  onLoad?(machine: Machine): void;
}

const FILE_PREFIX = "\x7fELF simulated kernel module ";

/** The content of NAME.ko. */
export function moduleFile(name: string): Uint8Array {
  return Buffer.from(FILE_PREFIX + name, "latin1");
}

/** The kernel's loader of modules. */
export class ModuleLoader<Machine> {
  /** In the order in which they were loaded. */
  readonly loaded: string[] = [];
  readonly #known: Readonly<Record<string, SimulatedModule<Machine>>>;
  readonly #machine: Machine;

  constructor(known: Readonly<Record<string, SimulatedModule<Machine>>>, machine: Machine) {
    this.#known = known;
    this.#machine = machine;
  }

  /** @throws KernelFault as finit_module(2). */
  load(file: Uint8Array): void {
    const text = Buffer.from(file).toString("latin1");
    const name = text.slice(FILE_PREFIX.length);
    const module = this.#known[name];
    if (!text.startsWith(FILE_PREFIX) || module === undefined) throw new KernelFault("ENOEXEC");
    if (module.refusal !== undefined) throw new KernelFault(module.refusal);
    if (this.loaded.includes(name)) throw new KernelFault("EEXIST");
    if (!(module.requires ?? []).every((needed) => this.loaded.includes(needed))) throw new KernelFault("ENOENT");
    this.loaded.push(name);
    module.onLoad?.(this.#machine);
  }
}
