import type { TraceRead } from "../trace/index.ts";
import type { CurvePoint } from "./types.ts";

/** More than a line on a screen has. */
const MAX_POINTS = 600;

/** How much had been asked for when: from nothing to everything, thinned out to what a picture can show. */
export function readCurve(reads: readonly TraceRead[]): CurvePoint[] {
  const sorted = [...reads].sort((a, b) => a.ns - b.ns);
  const stride = Math.max(1, Math.ceil(sorted.length / MAX_POINTS));
  const points: CurvePoint[] = [{ ns: sorted[0]?.ns ?? 0, requests: 0, bytes: 0 }];
  let bytes = 0;
  for (const [index, { ns, length }] of sorted.entries()) {
    bytes += length;
    const requests = index + 1;
    if (requests % stride === 0 || requests === sorted.length) points.push({ ns, requests, bytes });
  }
  return points;
}
