import { findMilestones, type ReachedMilestone } from "./milestones.ts";
import type { ConsoleLine } from "./types.ts";

/** One step of the first stage, as its line in the kernel log tells it. */
export interface StepTime {
  readonly verb: string;
  readonly outcome: string;
  readonly milliseconds: number;
  /** When it was done, since the kernel started. */
  readonly endSeconds: number;
}

export interface Timeline {
  readonly milestones: readonly ReachedMilestone[];
  readonly steps: readonly StepTime[];
}

const STEP_LINE = /lazyrd: ([a-z-]+) (.*), (\d+\.\d) ms$/;

/** What a boot's console says about its course. */
export function readTimeline(lines: readonly ConsoleLine[]): Timeline {
  const steps = lines.flatMap(({ text, seconds }) => {
    const [, verb, outcome, milliseconds] = STEP_LINE.exec(text) ?? [];
    if (verb === undefined || outcome === undefined || seconds === undefined) return [];
    return [{ verb, outcome, milliseconds: Number(milliseconds), endSeconds: seconds }];
  });
  return { milestones: findMilestones(lines), steps };
}

const BAR_WIDTH = 30;

/** The timeline for a terminal: milestones and steps in order of time, with bars for how long the steps took. */
export function describeTimeline({ milestones, steps }: Timeline): string {
  const longest = Math.max(1, ...steps.map((step) => step.milliseconds));
  const rows = [
    ...milestones.map(({ seconds, title }) => ({ seconds, text: title })),
    ...steps.map(({ endSeconds, verb, outcome, milliseconds }) => {
      const bar = "#".repeat(Math.round((milliseconds / longest) * BAR_WIDTH));
      const time = `${milliseconds.toFixed(1)} ms`.padStart(10);
      return {
        seconds: endSeconds,
        text: `  ${verb.padEnd(12)}${time}  ${bar === "" ? "" : `${bar} `}${shorten(outcome)}`,
      };
    }),
  ].sort((a, b) => a.seconds - b.seconds);
  return rows.map(({ seconds, text }) => `${seconds.toFixed(3).padStart(9)} s  ${text}`).join("\n");
}

const LONG_OUTCOME = 60;

function shorten(text: string): string {
  return text.length <= LONG_OUTCOME ? text : `${text.slice(0, LONG_OUTCOME - 3)}...`;
}
