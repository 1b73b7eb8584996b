import { isStable } from "./repeat.ts";
import type { Measurement, Run, ScalingPoint, Subject } from "./types.ts";

/** When the last milestone of a run was reached; undefined when it did not come as far as it should. */
export function timeOfRun({ milestones, failure }: Run): number | undefined {
  return failure === null ? milestones.at(-1)?.ns : undefined;
}

/** What several boots of one thing say: the fastest of them, and how far the others were from it. */
export function summarise(subject: Subject, runs: readonly Run[]): Measurement {
  const shown = runs.find(({ failure }) => failure !== null) ?? fastest(runs);
  return {
    ...subject,
    runs: runs.length,
    stable: isStable(runs.flatMap((run) => timeOfRun(run) ?? [])),
    milestones: shown.milestones.map((milestone) => {
      const times = runs.flatMap(({ milestones }) => milestones.find(({ name }) => name === milestone.name)?.ns ?? []);
      return { ...milestone, minNs: Math.min(...times), maxNs: Math.max(...times) };
    }),
    reads: shown.reads,
    initrdMemoryBytes: shown.initrdMemoryBytes,
    loader: shown.loader,
    failure: shown.failure,
  };
}

function fastest(runs: readonly Run[]): Run {
  const [first, ...others] = runs;
  if (first === undefined) throw new RangeError("Nothing was measured");
  return others.reduce((best, run) => ((timeOfRun(run) ?? 0) < (timeOfRun(best) ?? 0) ? run : best), first);
}

/** The measurements as points of a plot; those that failed, and those without content of their own, are none. */
export function scalingPoints(measurements: readonly Measurement[]): ScalingPoint[] {
  return measurements.flatMap(({ variant, contentBytes, milestones, failure }) => {
    const guestNs = milestones.at(-1)?.ns;
    if (contentBytes === null || guestNs === undefined || failure !== null) return [];
    return [{ variant, contentBytes, guestNs }];
  });
}
