import { formatSize } from "../../text/index.ts";
import type { BootReport } from "../types.ts";
import { formatTime, percent } from "./format.ts";
import { type Html, html } from "./html.ts";
import { stagePaint } from "./strips.ts";
import { bar, table } from "./table.ts";

/** A longer one is in the console's lines, and in the table's tool tip. */
const MAX_OUTCOME = 60;

interface Span {
  readonly title: string;
  readonly detail?: string;
  readonly paint: string;
  readonly startNs: number;
  readonly endNs: number;
  /** Read of the image meanwhile, where that is counted. */
  readonly bytes?: number;
}

/** @param scaleNs what the whole width is: the same for all boots, so that they can be compared */
export function timeline({ stages, steps }: BootReport, scaleNs: number): Html {
  const [first] = steps;
  const last = steps.at(-1);
  const stageSpans = stages.map((stage) => ({ ...stage, paint: `var(--stage${stagePaint(stage.name)})` }));
  const stepSpans = steps.map(({ verb, outcome, ...times }) => {
    return { title: verb, detail: outcome, paint: `var(--stage${stagePaint("first-stage")})`, ...times };
  });
  return html`<h3>Stages</h3>
${spanTable("Stages of the boot", "stage", stageSpans, 0, scaleNs)}
${
  first === undefined || last === undefined
    ? undefined
    : html`<h3>The first stage, step by step</h3>
${spanTable("Steps of the first stage", "step", stepSpans, first.startNs, last.endNs)}`
}`;
}

function spanTable(caption: string, what: string, spans: readonly Span[], fromNs: number, toNs: number): Html {
  const countsBytes = spans.some(({ bytes = 0 }) => bytes > 0);
  const rows = spans.map(({ title, detail, paint, startNs, endNs, bytes = 0 }) => [
    html`${title}${detail === undefined ? undefined : outcomeOf(detail)}`,
    bar([{ from: percent(startNs - fromNs, toNs - fromNs), length: percent(endNs - startNs, toNs - fromNs), paint }]),
    formatTime(startNs),
    formatTime(endNs - startNs),
    ...(countsBytes ? [formatSize(bytes)] : []),
  ]);
  const columns = [
    { title: what },
    { title: `${formatTime(fromNs)} to ${formatTime(toNs)}`, kind: "bar" },
    { title: "begins", kind: "number" },
    { title: "takes", kind: "number" },
    ...(countsBytes ? ([{ title: "reads", kind: "number" }] as const) : []),
  ] as const;
  return html`<div class="timeline one-figure">${table(caption, columns, rows)}</div>`;
}

function outcomeOf(outcome: string): Html {
  const isLong = outcome.length > MAX_OUTCOME;
  return html` <span class="detail" title="${outcome}">${isLong ? `${outcome.slice(0, MAX_OUTCOME)}\u2026` : outcome}</span>`;
}
