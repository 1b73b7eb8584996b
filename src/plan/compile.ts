import { toText } from "../bytes/index.ts";
import type { PlannedModule } from "../kernel/index.ts";
import type { ModuleSelection, SelectionOptions } from "./select.ts";
import type { CorruptionAction, FailureAction, NextStage, Plan, PlanStep } from "./types.ts";

/** What the plan must know of an image; the root hash is known last. */
export interface ImageFacts {
  /** GUIDs of the partitions that hold the data and the hashes. */
  readonly dataPartition: string;
  readonly hashPartition: string;
  readonly rootHash: string;
  /** Hexadecimal, may be empty. */
  readonly salt: string;
  readonly dataBlocks: number;
  /** In hash blocks from the start of the hash partition. */
  readonly hashStartBlock: number;
}

export interface PlanOptions extends SelectionOptions {
  readonly timeoutSeconds: number;
  readonly onCorruption: CorruptionAction;
  readonly onFailure: FailureAction;
  readonly failureDelaySeconds: number;
  /** Top-level names that the first stage's initrd has besides its own: those of the early segments. */
  readonly skipNames: readonly string[];
}

/**
 * Half of the kernel's usual 128 KiB. Programs are read here and there, not from end to end, and what is read without
 * being used is hashed all the same: starting systemd reads 12.8 MB instead of 14.4 (docs/architecture.md).
 */
const READ_AHEAD_KIB = 64;

/** The plan for an image on partitions of its own. */
export function compilePlan(
  selection: ModuleSelection,
  modules: readonly PlannedModule[],
  image: ImageFacts,
  nextStage: NextStage,
  options: PlanOptions,
): Plan {
  const timeout = `timeout=${options.timeoutSeconds}s`;
  const steps: PlanStep[] = [
    step("failure", [options.onFailure, `after=${options.failureDelaySeconds}s`], ["set by on-failure"]),
    ...moduleSteps(selection),
    step("device", ["data", `partuuid=${image.dataPartition}`, timeout], ["first half of the root hash"]),
    step("device", ["hash", `partuuid=${image.hashPartition}`, timeout], ["second half of the root hash"]),
    step(
      "verity",
      [
        "root",
        "data=data",
        "hash=hash",
        `data-blocks=${image.dataBlocks}`,
        `hash-start=${image.hashStartBlock}`,
        `root-hash=${image.rootHash}`,
        `salt=${image.salt}`,
        `on-corruption=${options.onCorruption}`,
        `read-ahead=${READ_AHEAD_KIB}`,
      ],
      ["the root hash authenticates every byte of the image"],
    ),
    step("mount", ["root", "/lazyrd/image", "erofs"], ["the image"]),
    ...rootSteps(nextStage, options.skipNames),
  ];
  return { steps, drivers: selection.drivers, modules };
}

function moduleSteps({ accelerators, required, drivers, buses }: ModuleSelection): PlanStep[] {
  const steps = accelerators.length === 0 ? [] : [loadStep("try-modules", accelerators)];
  for (const run of runsByNeed(required)) {
    steps.push(loadStep(run[0]?.required === true ? "modules" : "try-modules", run));
  }
  if (drivers.length > 0) {
    steps.push(
      step("coldplug", buses, [
        `${drivers.length} drivers; those whose device is there are loaded until the image is found`,
      ]),
    );
  }
  return steps;
}

/** Modules in their order, those that may refuse to load apart from those that may not. */
function runsByNeed(modules: readonly PlannedModule[]): PlannedModule[][] {
  const runs: PlannedModule[][] = [];
  for (const module of modules) {
    const last = runs.at(-1);
    if (last?.[0]?.required === module.required) last.push(module);
    else runs.push([module]);
  }
  return runs;
}

function loadStep(verb: "modules" | "try-modules", modules: readonly PlannedModule[]): PlanStep {
  const names = modules.map((module) => module.name);
  return step(
    verb,
    names,
    modules.map((module) => `${toText(module.name)}: ${module.reasons.join("; ")}`),
  );
}

/** From the mounted image to the next stage's first instruction, in a root directory that it accepts. */
function rootSteps(nextStage: NextStage, skipNames: readonly string[]): PlanStep[] {
  const skip = skipNames.length === 0 ? [] : [`skip=${skipNames.join(",")}`];
  const appended = "files that the loader or the network appended to the initrd";
  const forward = step("forward", ["/lazyrd/new", ...skip], [appended]);
  const leave = step("switch", ["/lazyrd/new", nextStage.init], ["the image's own init"]);
  if (nextStage.kind === "systemd") {
    const reason = "systemd accepts an overlay as its root directory, and frees it when it leaves";
    return [step("overlay", ["/lazyrd/new", "lower=/lazyrd/image"], [reason]), forward, leave];
  }
  return [
    step("overlay", ["/lazyrd/overlay", "lower=/lazyrd/image"], ["the image with a writable layer"]),
    step(
      "mount",
      ["none", "/lazyrd/new", "tmpfs", "options=mode=0755"],
      ["run-init and switch_root want a tmpfs as /"],
    ),
    step("graft", ["/lazyrd/overlay", "/lazyrd/new"], ["the image's content, spared when they empty the tmpfs"]),
    forward,
    leave,
  ];
}

function step(verb: PlanStep["verb"], words: readonly string[], reasons: readonly string[]): PlanStep {
  return { verb, words, reasons };
}
