import type { Measure } from "../build/index.ts";
import { nextTurn } from "../host/index.ts";
import { type BootsMeasure, describeProgress } from "./progress-text.ts";

/** Where progress is shown: the part of process.stderr that it takes. */
export interface ProgressTerminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Often enough to look alive, seldom enough to cost nothing. */
const REDRAW_MS = 100;
const DEFAULT_COLUMNS = 80;
/** Back to the start of the line and erase it (ECMA-48: EL). */
const ERASE_LINE = "\r\x1b[K";

/** Shows how far long work is: one line that changes on a terminal, a line for each stage elsewhere. */
export class ProgressLine {
  readonly #terminal: ProgressTerminal;
  readonly #now: () => number;
  #stage: string | undefined;
  #stageStart = 0;
  /** When the first boot of a series began: its stages are one work. */
  #bootsStart: number | undefined;
  #lastDrawn = Number.NEGATIVE_INFINITY;
  /** What stands on the terminal's last line. */
  #shown: string | undefined;

  /** @param now milliseconds since some moment */
  constructor(terminal: ProgressTerminal, now: () => number) {
    this.#terminal = terminal;
    this.#now = now;
  }

  update(stage: string, measure?: Measure | BootsMeasure): void {
    const time = this.#now();
    const begins = stage !== this.#stage;
    if (begins) {
      this.#stage = stage;
      this.#stageStart = time;
    }
    const ofBoots = measure !== undefined && "totalBoots" in measure;
    if (ofBoots) this.#bootsStart ??= time;
    if (this.#terminal.isTTY !== true) {
      if (begins) this.#terminal.write(`${stage}\n`);
      return;
    }
    if (!begins && time - this.#lastDrawn < REDRAW_MS) return;
    this.#lastDrawn = time;
    const start = ofBoots ? (this.#bootsStart ?? time) : this.#stageStart;
    this.#draw(describeProgress(stage, measure, time - start));
  }

  /** Writes a line of text that stays; what is shown of the progress stays below it. */
  say(text: string): void {
    if (this.#shown !== undefined) this.#terminal.write(ERASE_LINE);
    this.#terminal.write(`${text}\n`);
    if (this.#shown !== undefined) this.#draw(this.#shown);
  }

  /** Leaves the terminal as if nothing had been shown. */
  end(): void {
    if (this.#shown !== undefined) this.#terminal.write(ERASE_LINE);
    this.#shown = undefined;
  }

  #draw(text: string): void {
    this.#shown = text;
    // A line that is longer than the terminal is wide could not be erased. (Some terminals say that they have 0 columns.)
    this.#terminal.write(ERASE_LINE + text.slice(0, (this.#terminal.columns || DEFAULT_COLUMNS) - 1));
  }
}

/** What a command needs to show its progress on stderr. */
export interface RunningProgress {
  /** A stage, and how far it is (`ProgressListener`). */
  readonly listener: (stage: string, measure?: Measure | BootsMeasure) => unknown;
  /** A line of text besides. */
  readonly say: (text: string) => void;
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
    say: (text) => line?.say(text),
    end: () => line?.end(),
  };
}
