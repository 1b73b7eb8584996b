import type { Phase } from "../../trace/index.ts";
import type { BootReport } from "../types.ts";
import { formatTime, percent } from "./format.ts";
import { type Html, html } from "./html.ts";
import { badge } from "./series.ts";

/** Of each stage the same colour in all boots and pictures; its name stands beside it. */
const PAINTS: Readonly<Record<string, number>> = { kernel: 0, unpack: 1, "first-stage": 2, switch: 3, "next-stage": 4 };
const OTHER_PAINT = 5;

/** A stage has its name in the strip when it is this share of it; on a phone there is less room. */
const NAMED_SHARE = 0.16;
const TIMED_SHARE = 0.07;

export function stagePaint(name: string): number {
  return (Object.hasOwn(PAINTS, name) ? PAINTS[name] : undefined) ?? OTHER_PAINT;
}

/** A boot as one strip from the kernel's start to its end, all boots on one scale. */
export function stageStrips(boots: readonly BootReport[], scaleNs: number): Html {
  const strips = boots.map(
    ({ letter, name, stages, endNs }, index) => html`<div class="strip-name">${
      boots.length > 1 ? html`${badge(letter, index)} ${name}, ` : undefined
    }${formatTime(endNs)} in all</div>
<svg class="strip" role="img" aria-label="Stages of ${name}: ${stages.map(spoken).join(", ")}">
${stages.map((stage) => segment(stage, scaleNs))}</svg>`,
  );
  const shown = new Map(
    boots.flatMap(({ stages }) => stages.map(({ title, name }) => [title, stagePaint(name)] as const)),
  );
  const legend = [...shown].map(([title, paint]) => html`<li><span class="swatch stage${paint}"></span> ${title}</li>`);
  return html`${strips}<ul class="legend">${legend}</ul>`;
}

function segment({ name, title, startNs, endNs }: Phase, scaleNs: number): Html {
  const [share, time] = [(endNs - startNs) / scaleNs, formatTime(endNs - startNs)];
  const label =
    share >= NAMED_SHARE
      ? html`<text x="8" y="20"><tspan class="wide-only">${title}, </tspan>${time}</text>`
      : share >= TIMED_SHARE
        ? html`<text x="8" y="20" class="wide-only">${time}</text>`
        : undefined;
  return html`<svg x="${percent(startNs, scaleNs)}" width="${percent(endNs - startNs, scaleNs)}" height="100%"
><title>${title}: ${time}</title><rect width="100%" height="100%" class="stage${stagePaint(name)} edge"/>${label}</svg>`;
}

function spoken({ title, startNs, endNs }: Phase): string {
  return `${title} ${formatTime(endNs - startNs)}`;
}
