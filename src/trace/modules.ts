import { parsePlan } from "../plan/index.ts";
import type { TraceLine, TraceModule, TraceStep } from "./types.ts";

/** What has the kernel say of each module, when and for how long its init function ran. */
export const MODULE_ARGUMENTS = "initcall_debug loglevel=8";

/** init/main.c: trace_initcall_finish_cb, of a function that is in a module */
const INIT_FUNCTION = /initcall \S+ \[([^\]]+)\] returned -?\d+ after (\d+) usecs/;
const NS_PER_US = 1000;

/** What a step says that has loaded the one module that it names. */
const IS_LOADED = "1 loaded";

/**
 * The modules that a boot loaded, in order, from the log of one with `MODULE_ARGUMENTS`. A module without an init function
 * is seen only where the plan loads it.
 * @param plan with one module a step
 * @param steps as they were carried out, in order
 */
export function modulesLoaded(lines: readonly TraceLine[], plan: string, steps: readonly TraceStep[]): TraceModule[] {
  const handOverNs = steps.at(-1)?.endNs ?? 0;
  const planned = plannedModules(plan, steps);
  const withInit = lines.flatMap(({ ns, text }): TraceModule[] => {
    const [, name, microseconds] = INIT_FUNCTION.exec(text) ?? [];
    if (name === undefined) return [];
    const step = planned.get(name);
    planned.delete(name);
    const loadNs = step === undefined ? null : step.endNs - step.startNs;
    return [{ ns, name, inFirstStage: ns <= handOverNs, initNs: Number(microseconds) * NS_PER_US, loadNs }];
  });
  const withoutInit = [...planned].map(([name, { startNs, endNs }]): TraceModule => {
    return { ns: endNs, name, inFirstStage: true, initNs: 0, loadNs: endNs - startNs };
  });
  return [...withInit, ...withoutInit].sort((a, b) => a.ns - b.ns);
}

/** The modules that steps of the plan loaded, each with its step. */
function plannedModules(plan: string, steps: readonly TraceStep[]): Map<string, TraceStep> {
  const isLoad = ({ verb }: { readonly verb: string }): boolean => verb === "modules" || verb === "try-modules";
  const carriedOut = steps.filter(isLoad);
  const loaded = new Map<string, TraceStep>();
  for (const [index, { words }] of parsePlan(plan).filter(isLoad).entries()) {
    const [name, step] = [words[0], carriedOut[index]];
    if (name !== undefined && step?.outcome === IS_LOADED) loaded.set(name, step);
  }
  return loaded;
}
