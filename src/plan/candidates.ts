import { FormatError } from "../bytes/index.ts";
import type { ParsedStep } from "./text.ts";
import type { PlanStep, Verb } from "./types.ts";

/** One of several ways to the same end. */
export interface Candidate {
  /** For the log. No blanks. */
  readonly name: string;
  readonly steps: readonly PlanStep[];
  readonly reasons: readonly string[];
}

/** Copied files stay, and a root that was left is left: steps that must not stand in a candidate. */
const LASTING: readonly Verb[] = ["failure", "graft", "forward", "switch"];

/** The steps that try `candidates` in this order. A single one needs no block: its failure is the plan's. */
export function candidateSteps(candidates: readonly Candidate[]): PlanStep[] {
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return [...only.steps];
  return [
    ...candidates.flatMap(({ name, steps, reasons }): PlanStep[] => [
      { verb: "candidate", words: [name], reasons },
      ...steps,
    ]),
    { verb: "end", words: [], reasons: ["here the boot goes on with the candidate that went through"] },
  ];
}

/**
 * Checks the form of a plan's alternatives as the first stage does.
 * @throws FormatError with the number of the line that is at fault.
 */
export function requireWholeCandidates(steps: readonly ParsedStep[]): void {
  let isInside = false;
  let isEmpty = false;
  for (const { lineNumber, verb, words } of steps) {
    const refuse = (why: string): never => {
      throw new FormatError(`Cannot use line ${lineNumber} (${verb}): it ${why}`, { format: "plan" });
    };
    if (verb !== "candidate" && verb !== "end") {
      if (isInside && LASTING.includes(verb)) refuse("cannot be taken back, so it must not stand in a candidate");
      isEmpty = false;
      continue;
    }
    if (verb === "end" && !isInside) refuse("ends no candidate");
    if (verb === "candidate" && words.length === 0) refuse("names no candidate");
    if (isInside && isEmpty) refuse("comes before any step of the candidate");
    isInside = verb === "candidate";
    isEmpty = true;
  }
  if (isInside) throw new FormatError("Cannot use the plan: its candidates have no end", { format: "plan" });
}
