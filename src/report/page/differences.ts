import { formatSize } from "../../text/index.ts";
import { changeOf } from "../compare.ts";
import type { BootReport, Difference, EntryUse, TimeChange } from "../types.ts";
import { formatChange, formatTime, percent, shownPath } from "./format.ts";
import { type Html, html } from "./html.ts";
import { badge } from "./series.ts";
import { bar, folded, restLine, table } from "./table.ts";

const MAX_ENTRIES = 300;

/** What is different in a boot, before anything else is told of it. */
export function differenceSection(difference: Difference, boots: readonly BootReport[]): Html {
  const [before, after] = [difference.before, difference.after].map((letter) =>
    boots.findIndex((boot) => boot.letter === letter),
  ) as [number, number];
  return html`<section aria-labelledby="difference-${difference.after}">
<h2 id="difference-${difference.after}">${badge(difference.after, after)} compared with ${badge(difference.before, before)}</h2>
${remarks(difference).map((remark) => html`<p class="remark">${remark}</p>`)}
${changeTable("Stages", difference.stages, difference)}
${changeTable("Steps of the first stage", difference.steps, difference)}
${entryLists(difference)}
</section>\n`;
}

function remarks({ before, after, sameImage, sameKernel }: Difference): string[] {
  return [
    ...(sameImage ? [] : [`${before} and ${after} booted different images (their root hashes differ).`]),
    ...(sameKernel ? [] : [`${before} and ${after} booted different kernels.`]),
  ];
}

function changeTable(title: string, changes: readonly TimeChange[], { before, after }: Difference): Html | undefined {
  if (changes.length === 0) return undefined;
  const largest = changes.reduce((most, change) => Math.max(most, Math.abs(changeOf(change))), 0);
  const rows = changes.map((change) => [
    change.name,
    timeOf(change.beforeNs),
    timeOf(change.afterNs),
    changeBar(changeOf(change), largest),
    changeText(changeOf(change)),
  ]);
  const columns = [
    { title },
    { title: before, kind: "number" },
    { title: after, kind: "number" },
    { title: "faster | slower", kind: "bar" },
    { title: "change", kind: "number" },
  ] as const;
  return table(`${title}: ${after} compared with ${before}, what changed most first`, columns, rows);
}

/** Below what is shown of a time, there is no change. */
const SHOWN_NS = 5e4;

function changeText(change: number): Html {
  if (Math.abs(change) < SHOWN_NS) return html`the same`;
  return html`<span class="${change > 0 ? "worse" : "better"}">${formatChange("ns", change)}</span>`;
}

function timeOf(ns: number | undefined): string {
  return ns === undefined ? "none" : formatTime(ns);
}

/** From the middle to the left for what became faster, to the right for what became slower. */
function changeBar(change: number, largest: number): Html {
  const length = percent(Math.abs(change), 2 * largest);
  const from = change < 0 ? percent(largest - Math.abs(change), 2 * largest) : "50%";
  const paint = change < 0 ? "var(--better)" : "url(#worse)";
  return bar([
    { from, length, paint },
    { from: "50%", length: "1", paint: "var(--ink)" },
  ]);
}

function entryLists({ before, after, entries }: Difference): Html {
  if (entries === undefined)
    return html`<p class="note">Which files only one of them read cannot be told: an image is not known.</p>`;
  return html`${entryList(before, entries.onlyBefore)}${entryList(after, entries.onlyAfter)}`;
}

function entryList(letter: string, entries: readonly EntryUse[]): Html {
  const bytes = entries.reduce((sum, { readContentBytes }) => sum + readContentBytes, 0);
  const summary = `Read by ${letter} only: ${entries.length} files, ${formatSize(bytes)}`;
  if (entries.length === 0) return html`<p class="note">${summary}</p>`;
  const rows = entries
    .slice(0, MAX_ENTRIES)
    .map(({ path, readContentBytes }) => [html`<code>${shownPath(path)}</code>`, formatSize(readContentBytes)]);
  return folded(summary, [
    table(
      summary,
      [
        { title: "file", kind: "path" },
        { title: "read", kind: "number" },
      ],
      rows,
    ),
    restLine(entries.length, rows.length, "files"),
  ]);
}
