import type { BootReport, Figure } from "../types.ts";
import { formatChange, formatFigure, formatRatio } from "./format.ts";
import { type Html, html } from "./html.ts";
import { badge } from "./series.ts";

/** The key figures, of all boots beside each other. What no boot has is left out. */
export function figureCards(boots: readonly BootReport[]): Html {
  const figures = boots[0]?.figures ?? [];
  const cards = figures.flatMap((_, index) => {
    const values = boots.flatMap(({ figures: own }) => own[index] ?? []);
    return values.every(({ value }) => value === undefined) ? [] : [figureCard(values, boots)];
  });
  return html`<dl class="cards">${cards}</dl>`;
}

function figureCard(values: readonly Figure[], boots: readonly BootReport[]): Html {
  const rows = values.map(
    (figure, index) => html`<dd>${boots.length > 1 ? badge(boots[index]?.letter ?? "", index) : undefined}
<span class="value">${figure.value === undefined ? "not seen" : formatFigure(figure.unit, figure.value)}</span>
${index === 0 ? undefined : changeOf(values[0], figure)}</dd>`,
  );
  return html`<div class="card"><dt>${values[0]?.title}</dt>${rows}</div>\n`;
}

function changeOf(before: Figure | undefined, { unit, value }: Figure): Html | undefined {
  if (before?.value === undefined || value === undefined) return undefined;
  const change = value - before.value;
  if (change === 0) return html`<span class="change">the same</span>`;
  const ratio = unit === "share" ? undefined : formatRatio(before.value, value);
  const text = `${formatChange(unit, change)}${ratio === undefined ? "" : ` (${ratio})`}`;
  return html`<span class="change ${change < 0 ? "better" : "worse"}">${text}</span>`;
}
