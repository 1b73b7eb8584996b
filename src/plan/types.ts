import type { ByteString } from "../bytes/index.ts";
import type { PlannedModule } from "../kernel/index.ts";

/** The first line of a plan: what `init/assembly/plan.ts` accepts. */
export const PLAN_HEADER = "lazyrd-plan 1";

/** What a verb of the plan does (docs/plan.md), in the order of a usual plan. */
export const VERBS = {
  failure: "what happens when a step fails",
  "try-modules": "modules that may find nothing to do on this machine: the boot goes on without them",
  modules: "modules without which the boot cannot go on",
  coldplug: "drivers for the devices that this machine has",
  candidate: "one of several ways, tried when those before it came to nothing",
  end: "here the boot goes on, whichever candidate it was",
  device: "waits for a partition",
  network: "brings a wired network interface up",
  fetch: "fetches a file by HTTP into memory",
  loop: "shows a file, or a part of one, as a device",
  map: "shows a file as a device that needs its file system no longer",
  verity: "opens the image, every block checked against the root hash",
  signed: "opens the newest image whose root hash is signed by a key that the kernel trusts",
  measure: "extends the TPM with what was chosen, before it is used",
  check: "reads all of an image once, and closes it",
  mount: "mounts a file system",
  move: "takes a mounted file system to another place",
  unmount: "takes a file system out of the tree",
  overlay: "a writable layer in memory over a read-only file system",
  graft: "shows a directory's entries in another directory",
  forward: "takes along what was appended to the initrd",
  switch: "leaves the first stage for the next one",
} as const;

export type Verb = keyof typeof VERBS;

/** One line of the plan and why it is there. */
export interface PlanStep {
  readonly verb: Verb;
  /** Words and `key=value` options behind the verb; none has a space in it. */
  readonly words: readonly string[];
  readonly reasons: readonly string[];
}

/** A driver that coldplug may load: on a match of one of the patterns, these modules in this order. */
export interface ColdplugDriver {
  readonly module: PlannedModule;
  /** In load order: what the driver needs and the plan does not load anyway, and the driver. Soft ones are not required. */
  readonly modules: readonly PlannedModule[];
  /** Alias patterns as the kernel's modules have them. */
  readonly patterns: readonly ByteString[];
}

/** Everything that the first stage carries out and carries along. */
export interface Plan {
  readonly steps: readonly PlanStep[];
  readonly drivers: readonly ColdplugDriver[];
  /** Files for /lazyrd/modules, in load order. */
  readonly modules: readonly PlannedModule[];
}

/** How the image's own /init wants its root directory. */
export type NextStage =
  /** systemd, and everything that accepts an overlay as "/". */
  | { readonly kind: "systemd"; readonly init: string }
  /** A script that ends in run-init or switch_root, which insist on a tmpfs as "/". */
  | { readonly kind: "script"; readonly init: string }
  /** The init of an operating system that is not left again. */
  | { readonly kind: "system"; readonly init: string };

export type FailureAction = "reboot" | "poweroff" | "panic";
export type CorruptionAction = "panic" | "reboot" | "error";
