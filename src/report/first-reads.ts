import type { TraceRead } from "../trace/index.ts";
import type { FirstRead } from "./types.ts";

/**
 * Which request was the first to read each byte.
 * @param reads in order of time
 * @returns by offset; neighbours of the same time are one
 */
export function firstReads(reads: readonly TraceRead[], sizeBytes: number): FirstRead[] {
  const inside = reads
    .map(({ ns, offset, length }) => ({ ns, start: offset, end: Math.min(offset + length, sizeBytes) }))
    .filter(({ start, end }) => end > start);
  // Between two of these bounds all bytes have the same fate.
  const bounds = Float64Array.from(new Set(inside.flatMap(({ start, end }) => [start, end]))).sort();
  const firstNs = new Float64Array(bounds.length).fill(Number.NaN);
  const next = new NextFree(bounds.length);
  for (const { ns, start, end } of inside) {
    const behind = indexOf(bounds, end);
    for (let index = next.from(indexOf(bounds, start)); index < behind; index = next.from(index)) {
      firstNs[index] = ns;
      next.take(index);
    }
  }
  return piecesOf(bounds, firstNs);
}

function piecesOf(bounds: Float64Array, firstNs: Float64Array): FirstRead[] {
  const pieces: FirstRead[] = [];
  for (let index = 0; index + 1 < bounds.length; index++) {
    const [start, end, ns] = [bounds[index], bounds[index + 1], firstNs[index]] as [number, number, number];
    if (Number.isNaN(ns)) continue;
    const last = pieces.at(-1);
    if (last?.end === start && last.ns === ns) pieces[pieces.length - 1] = { ...last, end };
    else pieces.push({ start, end, ns });
  }
  return pieces;
}

/** The next place that is not taken, however many are: a union-find forest whose paths are halved as they are walked. */
class NextFree {
  readonly #next: Uint32Array;

  constructor(count: number) {
    this.#next = Uint32Array.from({ length: count + 1 }, (_, index) => index);
  }

  from(start: number): number {
    const next = this.#next;
    let index = start;
    for (let behind = next[index] as number; behind !== index; behind = next[index] as number) {
      next[index] = next[behind] as number;
      index = next[index] as number;
    }
    return index;
  }

  take(index: number): void {
    this.#next[index] = index + 1;
  }
}

/** Where `value`, which is there, stands. */
function indexOf(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
