import { FormatError } from "../bytes/index.ts";
import { type ColdplugDriver, type Plan, PLAN_HEADER, type PlanStep, VERBS, type Verb } from "./types.ts";

/** Longer than any line that lazyrd writes; a line that is longer was not written by it. */
const MAX_LINE_CHARACTERS = 8192;
const MAX_PLAN_BYTES = 1 << 20;

/** A step as it stands in the plan. */
export function stepLine({ verb, words }: Pick<PlanStep, "verb" | "words">): string {
  for (const word of words) {
    if (!/^[\x21-\x7e]+$/.test(word)) throw new RangeError(`A word of a plan cannot be ${JSON.stringify(word)}`);
  }
  return [verb, ...words].join(" ");
}

/** The text of /lazyrd/plan. */
export function encodePlan(plan: Pick<Plan, "steps">): string {
  return `${[PLAN_HEADER, ...plan.steps.map(stepLine)].join("\n")}\n`;
}

/** The text of /lazyrd/drivers: "PATTERN MODULE..." a line. */
export function encodeDrivers(drivers: readonly ColdplugDriver[]): string {
  return drivers
    .flatMap((driver) => driver.patterns.map((pattern) => `${pattern} ${driver.modules.join(" ")}\n`))
    .join("");
}

/** A line of a plan that was read. */
export interface ParsedStep {
  readonly lineNumber: number;
  readonly verb: Verb;
  readonly words: readonly string[];
}

/**
 * Reads a plan as the first stage does.
 * @throws FormatError with the number of the line that is not one.
 */
export function parsePlan(text: string): ParsedStep[] {
  if (text.length > MAX_PLAN_BYTES) {
    throw new FormatError(`Cannot read the plan: expected at most ${MAX_PLAN_BYTES} bytes, got ${text.length}`, {
      format: "plan",
    });
  }
  const [header, ...lines] = text.split("\n");
  if (header !== PLAN_HEADER) {
    throw new FormatError(`Cannot read the plan: expected "${PLAN_HEADER}" as its first line`, { format: "plan" });
  }
  return lines.flatMap((line, index) => {
    const lineNumber = index + 2;
    if (line.length > MAX_LINE_CHARACTERS) {
      throw new FormatError(`Cannot read line ${lineNumber}: it is too long`, { format: "plan" });
    }
    const [verb, ...words] = line.split(" ").filter((word) => word !== "");
    if (verb === undefined || line.startsWith("#")) return [];
    if (!(verb in VERBS)) {
      throw new FormatError(`Cannot read line ${lineNumber}: unknown step ${JSON.stringify(verb)}`, { format: "plan" });
    }
    return [{ lineNumber, verb: verb as Verb, words }];
  });
}

/** The value of `key=value` in a step's words. */
export function optionOf(step: Pick<ParsedStep, "words">, key: string): string | undefined {
  return step.words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
}
