import { EVENT_TYPES } from "../formats/tpm/index.ts";
import { optionOf, type ParsedStep } from "../plan/index.ts";
import { type ExpectedEvent, measured } from "./expected.ts";

/** What a step `measure` extends when the plan does not say it (docs/plan.md). */
const DEFAULT_PCR = 12;
/** Before everything that the first stage measures, so that it cannot be taken for something else. */
const PREFIX = "lazyrd:";
const LITERAL = "text";
/** Every group of candidates multiplies the ways through a plan. */
const MAX_VARIANTS = 64;

/** What one way through a plan measures. */
export interface PlannedVariant {
  /** The candidates that were taken, joined by commas. */
  readonly name: string;
  readonly events: readonly ExpectedEvent[];
}

/** What a plan measures, as far as its lines say it. */
export interface PlannedMeasurements {
  /** Every way through the plan, those that are tried first at the front. */
  readonly variants: readonly PlannedVariant[];
  /** Of steps whose outcome only the machine knows. */
  readonly unknown: readonly { readonly pcr: number; readonly what: string }[];
}

/** What the first stage measures when it carries out a plan, supposing that candidates fail before they measure. */
export function planMeasurements(steps: readonly ParsedStep[]): PlannedMeasurements {
  const unknown: { pcr: number; what: string }[] = [];
  let variants: readonly PlannedVariant[] = [{ name: "", events: [] }];
  /** Those of the candidates that have ended, and the one that is being read. */
  let done: PlannedVariant[] = [];
  let open: PlannedVariant | undefined;
  const endCandidate = (): void => {
    if (open !== undefined) done.push(open);
    open = undefined;
  };
  for (const step of steps) {
    if (step.verb === "candidate") {
      endCandidate();
      open = { name: step.words[0] ?? "", events: [] };
    } else if (step.verb === "end") {
      endCandidate();
      if (variants.length * done.length <= MAX_VARIANTS)
        variants = variants.flatMap((before) => done.map((each) => joined(before, each)));
      else
        unknown.push(
          ...done.flatMap(({ name, events }) => events.map(({ pcr }) => ({ pcr, what: `candidate ${name}` }))),
        );
      done = [];
    } else if (step.verb === "measure") {
      const event = eventOf(step, steps);
      if (event === undefined)
        unknown.push({ pcr: pcrOf(step), what: `line ${step.lineNumber} of the plan, ${step.words.join(" ")}` });
      else if (open !== undefined) open = { ...open, events: [...open.events, event] };
      else variants = variants.map(({ name, events }) => ({ name, events: [...events, event] }));
    }
  }
  return { variants, unknown };
}

function joined(before: PlannedVariant, { name, events }: PlannedVariant): PlannedVariant {
  return { name: before.name === "" ? name : `${before.name}, ${name}`, events: [...before.events, ...events] };
}

function pcrOf(step: ParsedStep): number {
  return Number(optionOf(step, "pcr") ?? DEFAULT_PCR);
}

function eventOf(step: ParsedStep, steps: readonly ParsedStep[]): ExpectedEvent | undefined {
  const items = step.words.map((word) => itemOf(word, step.lineNumber, steps));
  if (items.includes(undefined)) return undefined;
  const text = PREFIX + items.filter((item) => item !== "").join(" ");
  return measured(pcrOf(step), EVENT_TYPES.EV_IPL, Buffer.from(text, "utf8"), `first stage, ${text}`);
}

/** What a word stands for: "" for an option, undefined for what is not known before the boot. */
function itemOf(word: string, line: number, steps: readonly ParsedStep[]): string | undefined {
  const [key = "", ...value] = word.split("=");
  if (value.length > 0) return key === LITERAL ? value.join("=") : "";
  const opened = steps.findLast(
    ({ lineNumber, verb, words }) => lineNumber < line && (verb === "verity" || verb === "signed") && words[0] === word,
  );
  const rootHash = opened && optionOf(opened, "root-hash");
  return rootHash && `${word}=${rootHash}`;
}
