import type { PlanStep } from "./types.ts";

/** A line of the plan, and why it is there. */
export function step(verb: PlanStep["verb"], words: readonly string[], reasons: readonly string[]): PlanStep {
  return { verb, words, reasons };
}
