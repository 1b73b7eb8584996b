import { toText } from "../bytes/index.ts";
import type { PlannedModule } from "../kernel/index.ts";
import { type Candidate, candidateSteps } from "./candidates.ts";
import type { ImageFacts } from "./image.ts";
import { IMAGE_MOUNT, type LayoutOptions, NEW_ROOT } from "./layouts/index.ts";
import { type MeasureOptions, withMeasurements } from "./measure.ts";
import type { ModuleSelection, SelectionOptions } from "./select.ts";
import { step } from "./step.ts";
import type { FailureAction, NextStage, Plan, PlanStep } from "./types.ts";

export interface PlanOptions extends SelectionOptions, LayoutOptions {
  readonly onFailure: FailureAction;
  readonly failureDelaySeconds: number;
  /** Top-level names that the first stage's initrd has besides its own: those of the early segments. */
  readonly skipNames: readonly string[];
  /** Images that are taken where the one of this generation does not open, in this order. */
  readonly previous: readonly ImageFacts[];
}

const NOT_MEASURED: MeasureOptions = { when: "never", pcr: 0 };

/** The plan that finds an image where the layout says, and goes on into what it holds. */
export function compilePlan(
  selection: ModuleSelection,
  modules: readonly PlannedModule[],
  image: ImageFacts,
  nextStage: NextStage,
  options: PlanOptions,
): Plan {
  const steps: PlanStep[] = [
    step("failure", [options.onFailure, `after=${options.failureDelaySeconds}s`], ["set by on-failure"]),
    ...moduleSteps(selection),
    ...withMeasurements(imageSteps(image, options), options.measure ?? NOT_MEASURED),
    ...rootSteps(nextStage, options),
  ];
  return { steps, drivers: selection.drivers, modules };
}

/** What an image is given to appear when another one is there already: it may be on a disk that answers later. */
const LATECOMER_SECONDS = 3;

/** From the drivers at hand to the image, or to one of those before it. */
function imageSteps(image: ImageFacts, options: PlanOptions): PlanStep[] {
  const { layout, previous, signedImages, timeoutSeconds } = options;
  const images = [image, ...previous];
  // A signed image that was made later is known by nothing that could be waited for here.
  const wait = images.length > 1 && signedImages === undefined ? layout.waitForOneOf?.(images, options) : undefined;
  if (wait === undefined) return candidateSteps(candidatesOf(image, options));
  const shortly = { ...options, timeoutSeconds: Math.min(timeoutSeconds, LATECOMER_SECONDS) };
  return [wait, ...candidateSteps(candidatesOf(image, shortly))];
}

function candidatesOf(image: ImageFacts, options: PlanOptions): Candidate[] {
  const { layout, previous } = options;
  const first = { name: "new", steps: layout.steps(image, options), reasons: ["the image of this generation"] };
  // What is named here is known by its root hash, whether it is signed or not.
  const known = { ...options, signedImages: undefined };
  const others = previous.map(
    (facts, index): Candidate => ({
      name: index === 0 ? "previous" : `previous-${index + 1}`,
      steps: layout.steps(facts, known),
      reasons: ["location.previous: where the candidates before it come to nothing"],
    }),
  );
  return [first, ...others];
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
function rootSteps(nextStage: NextStage, options: PlanOptions): PlanStep[] {
  const { layout, skipNames } = options;
  const skip = skipNames.length === 0 ? [] : [`skip=${skipNames.join(",")}`];
  const appended = "files that the loader or the network appended to the initrd";
  const reason = nextStage.kind === "system" ? "the operating system's init" : "the image's own init";
  return [
    ...(layout.rootSteps?.() ?? rootOverImage(nextStage)),
    ...(layout.lastSteps?.(options) ?? []),
    ...(layout.hasReadOnlyRoot ? [] : [step("forward", [NEW_ROOT, ...skip], [appended])]),
    step("switch", [NEW_ROOT, nextStage.init], [reason]),
  ];
}

function rootOverImage({ kind }: NextStage): PlanStep[] {
  if (kind === "system") {
    const reason = "the image is the root directory; what is written is in memory";
    return [step("overlay", [NEW_ROOT, `lower=${IMAGE_MOUNT}`], [reason])];
  }
  if (kind === "systemd") {
    const reason = "systemd accepts an overlay as its root directory, and frees it when it leaves";
    return [step("overlay", [NEW_ROOT, `lower=${IMAGE_MOUNT}`], [reason])];
  }
  return [
    step("overlay", ["/lazyrd/overlay", `lower=${IMAGE_MOUNT}`], ["the image with a writable layer"]),
    step("mount", ["none", NEW_ROOT, "tmpfs", "options=mode=0755"], ["run-init and switch_root want a tmpfs as /"]),
    step("graft", ["/lazyrd/overlay", NEW_ROOT], ["the image's content, spared when they empty the tmpfs"]),
  ];
}
