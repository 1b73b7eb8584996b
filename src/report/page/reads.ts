import { formatSize } from "../../text/index.ts";
import type { BootReport, CurvePoint } from "../types.ts";
import { bootName, formatCount, formatTime } from "./format.ts";
import { type Html, html } from "./html.ts";
import { bootLegend } from "./legend.ts";
import { plot } from "./plot.ts";
import { folded, table } from "./table.ts";

const NS_PER_SECOND = 1e9;
/** Rows of the table beside the picture: enough to see its course. */
const TABLE_ROWS = 20;

/** How the reads add up. */
export function readsSection(boots: readonly BootReport[]): Html {
  const endNs = Math.max(...boots.map(({ endNs: end }) => end));
  const seen = boots.filter(({ curve }) => curve.length > 1);
  if (seen.length === 0) return html`<p class="note">No reads of an image were seen.</p>`;
  const draw = (title: string, of: (point: CurvePoint) => number, format: (value: number) => string): Html =>
    plot({
      label: `${title} over time, see the table below`,
      x: {
        title: "seconds since the kernel started",
        max: endNs / NS_PER_SECOND,
        format: (value) => `${Number(value.toFixed(3))} s`,
      },
      y: { title, max: Math.max(...seen.flatMap(({ curve }) => of(curve.at(-1) as CurvePoint))), format },
      series: seen.map((boot) => ({
        index: boots.indexOf(boot),
        points: [...boot.curve.map((point) => [point.ns / NS_PER_SECOND, of(point)] as const), endPoint(boot, of)],
        shape: "steps",
        markers: [],
      })),
      moments:
        boots.length > 1
          ? []
          : (boots[0]?.stages ?? []).map(({ startNs, title: name }) => ({ x: startNs / NS_PER_SECOND, title: name })),
    });
  return html`${bootLegend(boots)}<div class="columns">${draw("bytes asked for", ({ bytes }) => bytes, formatSize)}
${draw("requests", ({ requests }) => requests, formatCount)}</div>
${boots.length > 1 ? undefined : html`<p class="note">Dashed: where a stage begins.</p>`}
${folded(
  "Reads over time as a table",
  seen.map((boot) => curveTable(boot, boots)),
)}`;
}

/** After the last read the line goes on, level, until the boot ends. */
function endPoint({ curve, endNs }: BootReport, of: (point: CurvePoint) => number): readonly [number, number] {
  return [endNs / NS_PER_SECOND, of(curve.at(-1) as CurvePoint)];
}

function curveTable(boot: BootReport, boots: readonly BootReport[]): Html {
  const { curve } = boot;
  const stride = Math.max(1, Math.ceil(curve.length / TABLE_ROWS));
  const rows = curve
    .filter((_, index) => index % stride === 0 || index === curve.length - 1)
    .map(({ ns, requests, bytes }) => [formatTime(ns), formatCount(requests), formatSize(bytes)]);
  const columns = [
    { title: "until", kind: "number" },
    { title: "requests", kind: "number" },
    { title: "bytes", kind: "number" },
  ] as const;
  const caption = `Reads over time, ${bootName(boot, boots)}`;
  return html`${boots.length > 1 ? html`<h4>${bootName(boot, boots)}</h4>` : undefined}${table(caption, columns, rows)}`;
}
