import { EVENT_TYPES } from "../formats/tpm/index.ts";
import { optionOf, type ParsedStep } from "../plan/index.ts";
import { type ExpectedEvent, measured } from "./expected.ts";

/** What a step `measure` extends when the plan does not say it (docs/plan.md). */
export const DEFAULT_MEASURE_PCR = 12;
/** Before everything that the first stage measures, so that it cannot be taken for something else. */
export const MEASURE_PREFIX = "lazyrd:";

const LITERAL = "text";

/** What a plan measures, as far as its lines say it. */
export interface PlannedMeasurements {
  readonly events: readonly ExpectedEvent[];
  /** Of steps whose outcome only the machine knows. */
  readonly unknown: readonly { readonly pcr: number; readonly what: string }[];
}

/** What the first stage measures when it carries out a plan. */
export function planMeasurements(steps: readonly ParsedStep[]): PlannedMeasurements {
  const events: ExpectedEvent[] = [];
  const unknown: { pcr: number; what: string }[] = [];
  for (const step of steps) {
    if (step.verb !== "measure") continue;
    const pcr = Number(optionOf(step, "pcr") ?? DEFAULT_MEASURE_PCR);
    const items = step.words.map((word) => itemOf(word, steps));
    if (items.includes(undefined)) {
      unknown.push({ pcr, what: `line ${step.lineNumber} of the plan, ${step.words.join(" ")}` });
      continue;
    }
    const text = MEASURE_PREFIX + items.filter((item) => item !== "").join(" ");
    events.push(measured(pcr, EVENT_TYPES.EV_IPL, Buffer.from(text, "utf8"), `first stage, ${text}`));
  }
  return { events, unknown };
}

/** What a word stands for: "" for an option, undefined for what is not known before the boot. */
function itemOf(word: string, steps: readonly ParsedStep[]): string | undefined {
  const [key = "", ...value] = word.split("=");
  if (value.length > 0) return key === LITERAL ? value.join("=") : "";
  const opened = steps.filter(({ verb, words }) => verb === "verity" && words[0] === word);
  const rootHash = opened.length === 1 && opened[0] !== undefined ? optionOf(opened[0], "root-hash") : undefined;
  return rootHash === undefined ? undefined : `${word}=${rootHash}`;
}
