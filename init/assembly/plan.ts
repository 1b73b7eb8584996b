import { Text } from "./text";

/** The plan format that this program carries out (docs/plan.md). */
export const PLAN_HEADER: string = "lazyrd-plan 1";

const LINE_FEED: u8 = 0x0a;
const SPACE: u8 = 0x20;
const HASH: u8 = 0x23;
const EQUALS: u8 = 0x3d;

const TIMEOUT: string = "timeout";
let timeoutOverrideMs: i32 = -1;

/** Has all steps wait so long, whatever their option `timeout` says. */
export function overrideTimeouts(milliseconds: i32): void {
  timeoutOverrideMs = milliseconds;
}

/** One line of the plan: a verb, words, and `key=value` options. */
@final
export class Step {
  readonly words: Text[] = [];

  constructor(
    /** The line as it stands in the plan. */
    readonly source: Text,
    /** Counted from 1. */
    readonly lineNumber: i32,
  ) {
    let from = 0;
    for (let i = 0; i <= source.length; i++) {
      if (i < source.length && source.at(i) != SPACE) continue;
      if (i > from) this.words.push(source.slice(from, i));
      from = i + 1;
    }
  }

  get verb(): Text {
    return this.words[0];
  }

  /** The word at `index` behind the verb, counted from 1; empty when there is none. */
  word(index: i32): Text {
    return index < this.words.length ? this.words[index] : new Text(0, 0);
  }

  /** The value of the option `key`, or null when the line does not have it. */
  option(key: string): Text | null {
    for (let i = 1; i < this.words.length; i++) {
      const word = this.words[i];
      if (word.startsWith(key) && word.at(key.length) == EQUALS) return word.slice(key.length + 1, word.length);
    }
    return null;
  }

  /** The value of an option that counts bytes; `otherwise` when it is missing, below 0 when it is no number. */
  bytes(key: string, otherwise: i64): i64 {
    const value = this.option(key);
    return value === null ? otherwise : value.toNumber();
  }

  /** The value of an option in whole seconds ("30s") as milliseconds, or `otherwise` when it is missing or not of that form. */
  milliseconds(key: string, otherwise: i32): i32 {
    if (timeoutOverrideMs >= 0 && key == TIMEOUT) return timeoutOverrideMs;
    const value = this.option(key);
    if (value === null || value.at(value.length - 1) != 0x73) return otherwise;
    const seconds = value.slice(0, value.length - 1).toNumber();
    return seconds < 0 || seconds > 86_400 ? otherwise : <i32>seconds * 1000;
  }
}

/** The steps of a plan in order, or null when its first line is not the header of this version. */
export function parsePlan(source: Text): Step[] | null {
  const steps: Step[] = [];
  let lineNumber = 0;
  let from = 0;
  for (let i = 0; i <= source.length; i++) {
    if (i < source.length && source.at(i) != LINE_FEED) continue;
    const line = source.slice(from, i);
    from = i + 1;
    lineNumber++;
    if (lineNumber == 1) {
      if (!line.equals(PLAN_HEADER)) return null;
      continue;
    }
    if (line.length == 0 || line.at(0) == HASH) continue;
    const step = new Step(line, lineNumber);
    if (step.words.length > 0) steps.push(step);
  }
  return lineNumber == 0 ? null : steps;
}
