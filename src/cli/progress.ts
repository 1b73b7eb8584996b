import type { Measure, ProgressListener } from "../build/index.ts";
import { nextTurn } from "../host/index.ts";
import { formatSize } from "../text/index.ts";

/** Where progress is shown: the part of process.stderr that it takes. */
export interface ProgressTerminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Often enough to look alive, seldom enough to cost nothing. */
const REDRAW_MS = 100;
/** An estimate from less than this jumps about. */
const ESTIMATE_AFTER_MS = 1000;
const DEFAULT_COLUMNS = 80;
/** Back to the start of the line and erase it (ECMA-48: EL). */
const ERASE_LINE = "\r\x1b[K";

/** Shows how far long work is: one line that changes on a terminal, a line for each stage elsewhere. */
export class ProgressLine {
  readonly #terminal: ProgressTerminal;
  readonly #now: () => number;
  #stage: string | undefined;
  #stageStart = 0;
  #lastDrawn = Number.NEGATIVE_INFINITY;
  #shown = false;

  /** @param now milliseconds since some moment */
  constructor(terminal: ProgressTerminal, now: () => number) {
    this.#terminal = terminal;
    this.#now = now;
  }

  update(stage: string, measure?: Measure): void {
    const time = this.#now();
    const begins = stage !== this.#stage;
    if (begins) {
      this.#stage = stage;
      this.#stageStart = time;
    }
    if (this.#terminal.isTTY !== true) {
      if (begins) this.#terminal.write(`${stage}\n`);
      return;
    }
    if (!begins && time - this.#lastDrawn < REDRAW_MS) return;
    this.#lastDrawn = time;
    this.#shown = true;
    const text = describe(stage, measure, time - this.#stageStart);
    // A line that is longer than the terminal is wide could not be erased. (Some terminals say that they have 0 columns.)
    this.#terminal.write(ERASE_LINE + text.slice(0, (this.#terminal.columns || DEFAULT_COLUMNS) - 1));
  }

  /** Leaves the terminal as if nothing had been shown. */
  end(): void {
    if (this.#shown) this.#terminal.write(ERASE_LINE);
    this.#shown = false;
  }
}

function describe(stage: string, measure: Measure | undefined, elapsedMs: number): string {
  if (measure === undefined || measure.totalBytes === 0) return stage;
  const { doneBytes, totalBytes } = measure;
  const percent = Math.floor((100 * doneBytes) / totalBytes);
  const parts = [`${stage}: ${formatSize(doneBytes)} of ${formatSize(totalBytes)}, ${percent} %`];
  if (elapsedMs >= ESTIMATE_AFTER_MS && doneBytes > 0) {
    parts.push(`${describeSeconds(((elapsedMs / doneBytes) * (totalBytes - doneBytes)) / 1000)} left`);
  }
  return parts.join(", ");
}

function describeSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** What a command needs to show its progress on stderr. */
export interface RunningProgress {
  readonly listener: ProgressListener;
  readonly end: () => void;
}

/** Progress on stderr, or none where the person wants quiet. At each stage, signals are noticed. */
export function startProgress({ quiet }: { readonly quiet: boolean }): RunningProgress {
  const line = quiet ? undefined : new ProgressLine(process.stderr, () => performance.now());
  return {
    listener: (stage, measure) => {
      line?.update(stage, measure);
      return measure === undefined ? nextTurn() : undefined;
    },
    end: () => line?.end(),
  };
}
