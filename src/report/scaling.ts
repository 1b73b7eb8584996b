import * as z from "zod";
import { FormatError } from "../bytes/index.ts";
import type { ScalingSeries } from "./types.ts";

const FORMAT = "scaling series";
const MAX_POINTS = 10_000;
/** More lines nobody tells apart. */
const MAX_VARIANTS = 8;

const Point = z.object({
  variant: z.string().min(1),
  contentBytes: z.int().min(0),
  guestNs: z.int().min(0),
});
const Points = z.array(Point).min(1).max(MAX_POINTS);

/**
 * Reads how boots scale: [{"variant": "classic", "contentBytes": 73807063, "guestNs": 4489726000}, ...], each a boot; of
 * several with the same variant and size the median is drawn. Other keys are passed over.
 * @throws FormatError when it is something else.
 */
export function parseScaling(text: string): ScalingSeries[] {
  const points = parsePoints(text);
  const series = new Map<string, ScalingSeries["points"][number][]>();
  for (const { variant, contentBytes, guestNs } of points) {
    const known = series.get(variant) ?? [];
    series.set(variant, known);
    known.push({ contentBytes, guestNs });
  }
  if (series.size > MAX_VARIANTS) throw problem(`expected at most ${MAX_VARIANTS} variants, got ${series.size}`);
  return [...series].map(([variant, own]) => ({
    variant,
    points: own.sort((a, b) => a.contentBytes - b.contentBytes || a.guestNs - b.guestNs),
  }));
}

function parsePoints(text: string): z.output<typeof Points> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw problem("it is not JSON", undefined, cause);
  }
  const result = Points.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw problem(issue?.message ?? "unexpected content", issue?.path.join("."));
}

function problem(text: string, field?: string, cause?: unknown): FormatError {
  const expected = "expected [{variant, contentBytes, guestNs}, ...]";
  return new FormatError(`Cannot read the scaling series: ${text}; ${expected}`, { format: FORMAT, field, cause });
}
