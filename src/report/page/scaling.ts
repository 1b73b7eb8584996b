import { formatSize } from "../../text/index.ts";
import type { ScalingSeries } from "../types.ts";
import { formatTime } from "./format.ts";
import { type Html, html } from "./html.ts";
import { lineLegend } from "./legend.ts";
import { plot } from "./plot.ts";
import { folded, table } from "./table.ts";

/** How the time of a boot grows with what the initrd holds. */
export function scalingSection(series: readonly ScalingSeries[]): Html {
  const points = series.flatMap((one) => one.points);
  const picture = plot({
    label: "Time of a boot by the bytes of its content, see the table below",
    x: { title: "bytes of content", max: largest(points.map(({ contentBytes }) => contentBytes)), format: formatSize },
    y: { title: "time", max: largest(points.map(({ guestNs }) => guestNs)), format: formatTime },
    series: series.map((one, index) => ({
      index,
      points: medians(one.points),
      shape: "straight",
      markers: one.points.map(({ contentBytes, guestNs }) => [contentBytes, guestNs] as const),
    })),
  });
  const rows = series.flatMap(({ variant, points: own }) =>
    medians(own).map(([bytes, ns]) => [variant, formatSize(bytes), formatTime(ns)]),
  );
  const columns = [
    { title: "variant" },
    { title: "content", kind: "number" },
    { title: "time (median)", kind: "number" },
  ] as const;
  return html`<section aria-labelledby="scaling"><h2 id="scaling">Time by content</h2>
${lineLegend(series.map(({ variant }) => variant))}${picture}
${folded("Time by content as a table", table("Time by content", columns, rows))}</section>\n`;
}

function medians(points: ScalingSeries["points"]): (readonly [number, number])[] {
  const times = new Map<number, number[]>();
  for (const { contentBytes, guestNs } of points)
    times.set(contentBytes, [...(times.get(contentBytes) ?? []), guestNs]);
  return [...times].map(([bytes, sorted]) => [bytes, sorted[Math.floor((sorted.length - 1) / 2)] ?? 0] as const);
}

function largest(values: readonly number[]): number {
  return Math.max(...values);
}
