import type { Measure } from "../build/index.ts";
import { counted, formatSize } from "../text/index.ts";

/** How far a series of boots is; a boot that runs counts as the part of it that is over. */
export interface BootsMeasure {
  readonly doneBoots: number;
  readonly totalBoots: number;
}

/** An estimate from less than this jumps about. */
const ESTIMATE_AFTER_MS = 1000;

/**
 * How long the rest of some work takes when it goes on as it went so far.
 * @param elapsedMs since the work began
 * @returns milliseconds; undefined while there is too little to go by
 */
export function timeLeftMs(elapsedMs: number, done: number, total: number): number | undefined {
  if (elapsedMs < ESTIMATE_AFTER_MS || done <= 0) return undefined;
  return (elapsedMs / done) * Math.max(total - done, 0);
}

/** One line: the stage, how far it is, and how long the rest will take. */
export function describeProgress(
  stage: string,
  measure: Measure | BootsMeasure | undefined,
  elapsedMs: number,
): string {
  if (measure === undefined) return stage;
  const isBytes = "totalBytes" in measure;
  const [done, total] = isBytes ? [measure.doneBytes, measure.totalBytes] : [measure.doneBoots, measure.totalBoots];
  // The first boot of all has nothing to be compared with.
  if (total === 0 || (!isBytes && done === 0)) return stage;
  const percent = `${Math.floor((100 * done) / total)} %`;
  const left = timeLeftMs(elapsedMs, done, total);
  const parts = isBytes
    ? [`${stage}: ${formatSize(done)} of ${formatSize(total)}`, percent]
    : [stage, `${percent} of ${counted(total, "boot")}`];
  if (left !== undefined) parts.push(`${describeSeconds(left / 1000)} left`);
  return parts.join(", ");
}

function describeSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
