/** A moment that both clocks know. */
export interface ClockPoint {
  /** Microseconds of the machine that QEMU runs on. */
  readonly hostUs: number;
  /** Nanoseconds since the guest's kernel started. */
  readonly guestNs: number;
}

/** Fewer points than this say nothing about the rate between the clocks. */
const MIN_POINTS = 2;

/**
 * The guest's time at any moment of the host's: exact at the given points, proportional between them. The clocks do not
 * run alike, since the guest's counts instructions.
 */
export class GuestClock {
  readonly #points: readonly ClockPoint[];

  /** @param points in the order of the host's time; those that would turn back either clock are left out */
  constructor(points: readonly ClockPoint[]) {
    this.#points = risingPoints(points);
  }

  guestNs(hostUs: number): number {
    const points = this.#points;
    const first = points[0];
    const last = points.at(-1);
    if (first === undefined || last === undefined || hostUs <= first.hostUs) return first?.guestNs ?? 0;
    if (hostUs >= last.hostUs) return this.#behind(last, hostUs);
    let low = 0;
    let high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((points[middle] as ClockPoint).hostUs <= hostUs) low = middle;
      else high = middle;
    }
    return between(points[low] as ClockPoint, points[high] as ClockPoint, hostUs);
  }

  /** Behind the last point the clock goes on as fast as it did between the last two. */
  #behind(last: ClockPoint, hostUs: number): number {
    const before = this.#points.at(-MIN_POINTS);
    return before === undefined || before === last ? last.guestNs : between(before, last, hostUs);
  }
}

/** The points without those that would turn back either of the clocks. */
export function risingPoints(points: readonly ClockPoint[]): ClockPoint[] {
  const rising: ClockPoint[] = [];
  for (const point of points) {
    const last = rising.at(-1);
    if (last === undefined || (point.hostUs > last.hostUs && point.guestNs >= last.guestNs)) rising.push(point);
  }
  return rising;
}

function between(a: ClockPoint, b: ClockPoint, hostUs: number): number {
  return Math.round(a.guestNs + ((b.guestNs - a.guestNs) * (hostUs - a.hostUs)) / (b.hostUs - a.hostUs));
}

/**
 * Points of the guest's kernel clock from readings of another one that runs as fast but started at another time.
 * Where both are known, `stamped` says how far apart they are: the median, since a line may be printed late. Readings
 * that would then contradict a stamp are left out.
 * @param readings in the order of the host's time; of a clock that was set back, only what came after that counts
 */
export function alignReadings(readings: readonly ClockPoint[], stamped: readonly ClockPoint[]): ClockPoint[] {
  const restart = readings.findLastIndex(({ guestNs }, index) => guestNs < (readings[index - 1]?.guestNs ?? 0));
  const running = readings.slice(Math.max(restart, 0)).filter(({ guestNs }) => guestNs > 0);
  const [first, last] = [running[0], running.at(-1)];
  if (first === undefined || last === undefined || running.length < MIN_POINTS) return [];
  const clock = new GuestClock(running);
  const distances = stamped
    .filter(({ hostUs }) => hostUs > first.hostUs && hostUs < last.hostUs)
    .map(({ hostUs, guestNs }) => guestNs - clock.guestNs(hostUs))
    .sort((a, b) => a - b);
  const distance = distances[distances.length >>> 1];
  if (distance === undefined) return [];
  let next = 0;
  return running.flatMap(({ hostUs, guestNs }) => {
    while ((stamped[next]?.hostUs ?? Number.POSITIVE_INFINITY) <= hostUs) next++;
    const aligned = guestNs + distance;
    const [from, to] = [stamped[next - 1]?.guestNs ?? 0, stamped[next]?.guestNs ?? Number.POSITIVE_INFINITY];
    return aligned >= from && aligned <= to ? [{ hostUs, guestNs: aligned }] : [];
  });
}
