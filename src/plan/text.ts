import { FormatError, toText } from "../bytes/index.ts";
import { requireWholeCandidates } from "./candidates.ts";
import { firstStagePattern } from "./patterns.ts";
import { type ColdplugDriver, PLAN_HEADER, type Plan, type PlanStep, VERBS, type Verb } from "./types.ts";

const FORMAT = "plan";

/** Room for the names of some hundred modules, many times as many as any plan has in one line. */
const MAX_LINE_CHARACTERS = 8192;
const MAX_PLAN_BYTES = 1 << 20;

/** Lines are split at blanks, and the first stage knows no character set. */
const WORD = /^[\x21-\x7e]+$/;

/**
 * A step as it stands in the plan.
 * @throws FormatError for a word (the name of a module, of a file) that cannot stand in a plan, and for too many.
 */
export function stepLine({ verb, words }: Pick<PlanStep, "verb" | "words">): string {
  return lineOf([verb, ...words]);
}

function lineOf(words: readonly string[]): string {
  for (const word of words) {
    if (WORD.test(word)) continue;
    throw new FormatError(`Cannot write "${toText(word)}": expected ASCII characters without blanks`, {
      format: FORMAT,
    });
  }
  const line = words.join(" ");
  if (line.length <= MAX_LINE_CHARACTERS) return line;
  throw new FormatError(`Cannot write a line of ${line.length} characters: expected at most ${MAX_LINE_CHARACTERS}`, {
    format: FORMAT,
  });
}

/** The text of /lazyrd/plan. @throws FormatError as `stepLine` does. */
export function encodePlan(plan: Pick<Plan, "steps">): string {
  return `${[PLAN_HEADER, ...plan.steps.map(stepLine)].join("\n")}\n`;
}

/** Before a module that its driver can do without. */
const OPTIONAL = "?";

/** The text of /lazyrd/drivers: "PATTERN [?]MODULE..." a line. @throws FormatError as `stepLine` does. */
export function encodeDrivers(drivers: readonly ColdplugDriver[]): string {
  const lines = drivers.flatMap(({ patterns, modules }) => {
    const names = modules.map(({ name, required }) => (required ? name : `${OPTIONAL}${name}`));
    return patterns.map((pattern) => `${lineOf([firstStagePattern(pattern), ...names])}\n`);
  });
  return lines.join("");
}

/** A line of a plan that was read. */
export interface ParsedStep {
  readonly lineNumber: number;
  readonly verb: Verb;
  readonly words: readonly string[];
}

/**
 * Reads a plan as the first stage does.
 * @throws FormatError with the number of the line that is not one, or has no place in a candidate.
 */
export function parsePlan(text: string): ParsedStep[] {
  if (text.length > MAX_PLAN_BYTES) {
    throw new FormatError(`Cannot read the plan: expected at most ${MAX_PLAN_BYTES} bytes, got ${text.length}`, {
      format: FORMAT,
    });
  }
  const [header, ...lines] = text.split("\n");
  if (header !== PLAN_HEADER) {
    throw new FormatError(`Cannot read the plan: expected "${PLAN_HEADER}" as line 1`, { format: FORMAT });
  }
  const steps = lines.flatMap((line, index) => {
    const lineNumber = index + 2;
    if (line.length > MAX_LINE_CHARACTERS) {
      throw new FormatError(
        `Cannot read line ${lineNumber}: expected at most ${MAX_LINE_CHARACTERS} characters, got ${line.length}`,
        { format: FORMAT },
      );
    }
    const [verb, ...words] = line.split(" ").filter((word) => word !== "");
    if (verb === undefined || line.startsWith("#")) return [];
    if (!isVerb(verb)) {
      throw new FormatError(`Cannot read line ${lineNumber}: unknown step ${JSON.stringify(verb)}`, { format: FORMAT });
    }
    return [{ lineNumber, verb, words }];
  });
  requireWholeCandidates(steps);
  return steps;
}

function isVerb(word: string): word is Verb {
  return Object.hasOwn(VERBS, word);
}

/** The value of `key=value` in a step's words. */
export function optionOf(step: Pick<ParsedStep, "words">, key: string): string | undefined {
  return step.words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
}
