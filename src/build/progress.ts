/** How far a stage is. */
export interface Measure {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Hears of long work: once when a stage begins, and then, with a measure, how far it is. What it returns is awaited
 * when a stage begins, so that a listener can let other things of the process happen.
 */
export type ProgressListener = (stage: string, measure?: Measure) => unknown;
