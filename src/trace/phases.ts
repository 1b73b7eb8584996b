import type { Trace, TraceLine, TraceMilestone, TraceRead } from "./types.ts";

/** A part of a boot: what began it, how long it took, what was read meanwhile. */
export interface Phase {
  readonly name: string;
  readonly title: string;
  readonly startNs: number;
  readonly endNs: number;
  readonly requests: number;
  readonly bytes: number;
}

/** Where the image has done its work, by the name of the milestone; of those that were reached, the first counts. */
const IMAGE_DONE = ["initrd-target", "root-wanted"];

/** Until when a boot is judged; undefined when it did not get there: then all of it is. */
export function imageDone({ milestones }: Pick<Trace, "milestones">): TraceMilestone | undefined {
  return milestones.find(({ name }) => IMAGE_DONE.includes(name));
}

/** The reads up to that moment. */
export function readsUntilDone(trace: Trace): readonly TraceRead[] {
  const done = imageDone(trace);
  return done === undefined ? trace.reads : trace.reads.filter(({ ns }) => ns <= done.ns);
}

/** From each milestone to the next; the last one lasts until the trace ends. */
export function phasesOf(trace: Trace): Phase[] {
  const { milestones } = trace;
  const endNs = Math.max(0, ...[milestones, trace.lines, trace.reads].map((events) => events.at(-1)?.ns ?? 0));
  return milestones.map(({ name, title, ns }, index) => {
    const isLast = index === milestones.length - 1;
    const end = isLast ? endNs : (milestones[index + 1]?.ns ?? endNs);
    const reads = trace.reads.filter((read) => read.ns >= ns && (read.ns < end || isLast));
    return { name, title, startNs: ns, endNs: end, requests: reads.length, bytes: bytesOf(reads) };
  });
}

/** A time in which the console said nothing. */
export interface Silence {
  /** The line before and the line that ended it. */
  readonly before: string;
  readonly after: string;
  readonly startNs: number;
  readonly endNs: number;
  readonly requests: number;
  readonly bytes: number;
}

/** The longest times between two lines of the console, the longest first. */
export function longestSilences(trace: Trace, count: number): Silence[] {
  const pairs = trace.lines.slice(1).map((after, index) => ({ before: trace.lines[index] as TraceLine, after }));
  return pairs
    .sort((a, b) => b.after.ns - b.before.ns - (a.after.ns - a.before.ns))
    .slice(0, count)
    .map(({ before, after }) => {
      const reads = trace.reads.filter(({ ns }) => ns >= before.ns && ns < after.ns);
      return {
        before: before.text,
        after: after.text,
        startNs: before.ns,
        endNs: after.ns,
        requests: reads.length,
        bytes: bytesOf(reads),
      };
    });
}

export function bytesOf(reads: readonly TraceRead[]): number {
  return reads.reduce((sum, { length }) => sum + length, 0);
}
