import { percent } from "./format.ts";
import { type Html, type HtmlValue, html } from "./html.ts";
import { markerOf } from "./series.ts";

export interface PlotAxis {
  readonly title: string;
  readonly max: number;
  readonly format: (value: number) => string;
}

export interface PlotSeries {
  readonly index: number;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Lines that go up where something happens, or straight from point to point. */
  readonly shape: "steps" | "straight";
  readonly markers: readonly (readonly [x: number, y: number])[];
}

export interface PlotOptions {
  /** For those who cannot see it. */
  readonly label: string;
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  readonly series: readonly PlotSeries[];
  /** Moments that have a name. */
  readonly moments?: readonly { readonly x: number; readonly title: string }[];
}

/** Of the lines' own coordinates, in both directions: the picture is stretched to its place. */
const UNITS = 1000;
const TICKS = 5;

/** Lines over two axes that both start at zero. Its texts keep their size on every screen. */
export function plot({ label, x, y, series, moments = [] }: PlotOptions): Html {
  const [xTicks, yTicks] = [ticksUpTo(x.max), ticksUpTo(y.max)];
  const down = (value: number): string => percent(y.max - value, y.max);
  const grid = [
    ...yTicks.map((tick) => html`<line class="grid" x1="0" x2="100%" y1="${down(tick)}" y2="${down(tick)}"/>`),
    ...moments.map((moment) => {
      const at = percent(moment.x, x.max);
      return html`<line class="moment" x1="${at}" x2="${at}" y1="0" y2="100%"><title>${moment.title}</title></line>`;
    }),
  ];
  return html`<div class="plot" role="img" aria-label="${label}">
<p class="axis-title">${y.title}</p>
<svg class="y-axis" aria-hidden="true">${yTicks.map((tick) => yLabel(down(tick), y.format(tick)))}</svg>
<svg class="lines" aria-hidden="true">${grid}
<svg width="100%" height="100%" viewBox="0 0 ${UNITS} ${UNITS}" preserveAspectRatio="none">
${series.map((one) => lineOf(one, x.max, y.max))}</svg>
${series.map((one) => markersOf(one, x.max, down))}</svg>
<svg class="x-axis" aria-hidden="true">${xTicks.map((tick) => xLabel(tick, x))}</svg>
<p class="x-title">${x.title}</p>
</div>`;
}

function lineOf({ index, points, shape }: PlotSeries, xMax: number, yMax: number): Html {
  const scaled = points.map(([x, y]) => [round((x / xMax) * UNITS), round((1 - y / yMax) * UNITS)] as const);
  const commands = scaled.map(([x, y], at) => {
    if (at === 0) return `M${x} ${y}`;
    return shape === "steps" ? `H${x}V${y}` : `L${x} ${y}`;
  });
  return html`<path class="line line${index}" d="${commands.join("")}" vector-effect="non-scaling-stroke"/>`;
}

function markersOf({ index, markers }: PlotSeries, xMax: number, down: (y: number) => string): HtmlValue {
  return markers.map(
    ([x, y]) => html`<svg x="${percent(x, xMax)}" y="${down(y)}" class="marker"
      ><path d="${markerOf(index)}" class="fill${index}"/></svg>`,
  );
}

function yLabel(y: string, text: string): Html {
  return html`<text x="100%" dx="-6" y="${y}" dy="4" text-anchor="end">${text}</text>`;
}

function xLabel(tick: number, { max, format }: PlotAxis): Html {
  const anchor = tick === 0 ? "start" : tick > max * 0.95 ? "end" : "middle";
  return html`<text x="${percent(tick, max)}" y="14" text-anchor="${anchor}">${format(tick)}</text>`;
}

/** Round values from zero to `max`: steps of 1, 2 or 5 times a power of ten. */
export function ticksUpTo(max: number): number[] {
  if (!(max > 0)) return [0];
  const rough = max / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, index) => index * step);
}

function round(value: number): number {
  return Number(value.toFixed(1));
}
