import type { BootReport } from "../types.ts";
import { type Html, html } from "./html.ts";

/** Which line is whose. */
export function lineLegend(titles: readonly string[]): Html | undefined {
  if (titles.length < 2) return undefined;
  const items = titles.map(
    (title, index) => html`<li><svg class="sample" aria-hidden="true"
      ><line class="line line${index}" x1="0" x2="100%" y1="50%" y2="50%"/></svg> ${title}</li>`,
  );
  return html`<ul class="legend">${items}</ul>`;
}

export function bootLegend(boots: readonly BootReport[]): Html | undefined {
  return lineLegend(boots.map(({ letter, name }) => `${letter}: ${name}`));
}
