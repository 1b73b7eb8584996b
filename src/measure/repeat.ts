/** The two fastest boots may differ by this share of the fastest. */
const TOLERANCE = 0.005;

/**
 * Whether the best of these times can be believed: the second best is hardly worse. What disturbs a measurement can
 * only add to it, so that the others do not matter.
 */
export function isStable(times: readonly number[]): boolean {
  const [best, second] = [...times].sort((a, b) => a - b);
  return best !== undefined && second !== undefined && second - best <= best * TOLERANCE;
}

/**
 * Runs until the times are stable, at most `maxRuns` times, or until a run has no time, which is then the last.
 * @param run what is repeated; its number counts from 1
 * @param timeOf the time of a run; undefined when it failed
 */
export async function repeatUntilStable<T>(
  run: (number: number) => Promise<T>,
  timeOf: (result: T) => number | undefined,
  maxRuns: number,
): Promise<T[]> {
  const results: T[] = [];
  const times: number[] = [];
  while (results.length < maxRuns && !isStable(times)) {
    const result = await run(results.length + 1);
    results.push(result);
    const time = timeOf(result);
    if (time === undefined) break;
    times.push(time);
  }
  return results;
}
