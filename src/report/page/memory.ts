import { formatSize } from "../../text/index.ts";
import type { BootReport } from "../types.ts";
import { formatTime, percent } from "./format.ts";
import { type Html, type HtmlValue, html } from "./html.ts";
import { badge, hatchOf } from "./series.ts";
import { bar, table } from "./table.ts";

/** Memory in use at each milestone, all boots on one scale; undefined where no trace tells. */
export function memorySection(boots: readonly BootReport[]): Html | undefined {
  const all = boots.flatMap(({ memory }) => memory);
  if (all.length === 0) return undefined;
  const largest = all.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  const milestones = new Map(all.map(({ name, title }) => [name, title]));
  const rows = [...milestones].flatMap(([name, title]) =>
    boots.flatMap((boot, index): HtmlValue[][] => {
      const use = boot.memory.find((candidate) => candidate.name === name);
      if (use === undefined) return [];
      return [
        [
          boots.length === 1 ? title : html`${badge(boot.letter, index)} ${title}`,
          bar([{ from: "0", length: percent(use.bytes, largest), paint: hatchOf(index) }]),
          formatTime(use.ns),
          formatSize(use.bytes),
        ],
      ];
    }),
  );
  const columns = [
    { title: "when" },
    { title: "", kind: "bar" },
    { title: "time", kind: "number" },
    { title: "in use", kind: "number" },
  ] as const;
  return html`<section aria-labelledby="memory"><h2 id="memory">Memory in use</h2>
<p>What of the machine's memory is not free: the kernel, programs, and files that are in memory, unpacked or read.</p>
<div class="wide-names">${table("Memory in use", columns, rows)}</div></section>`;
}
