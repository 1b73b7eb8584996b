import { counted, formatSize } from "../../text/index.ts";
import type { BootReport, ImageUse, Report } from "../types.ts";
import { bytesTable } from "./bytes.ts";
import { contentSection } from "./content.ts";
import { differenceSection } from "./differences.ts";
import { factsTable } from "./facts.ts";
import { figureCards } from "./figures.ts";
import { bootName, formatTime } from "./format.ts";
import { Html, html, inline } from "./html.ts";
import { imageMap } from "./image-map.ts";
import { memorySection } from "./memory.ts";
import { modulesSection } from "./modules.ts";
import { readsSection } from "./reads.ts";
import { scalingSection } from "./scaling.ts";
import { SCRIPT } from "./script.ts";
import { badge, hatchDefinitions } from "./series.ts";
import { stageStrips } from "./strips.ts";
import { STYLE } from "./style.ts";
import { folded, restLine, table } from "./table.ts";
import { timeline } from "./timeline.ts";

/** What every page begins with, and no page of anybody else. */
export const PAGE_BEGINNING = "<!doctype html><!-- lazyrd report -->";

const MAX_LINES = 2000;

/**
 * The report as one HTML page that needs nothing else: no network, no other file, and no script but for pointing at the
 * map. Same report, same bytes.
 */
export function renderReport({ boots, differences, scaling }: Report): string {
  const style = inline("style", STYLE);
  const script = inline("script", SCRIPT);
  // Were something of an image ever taken for markup: the browser would still load and run nothing.
  const policy = `default-src 'none'; style-src ${style.source}; script-src ${script.source}; img-src data:; base-uri 'none'; form-action 'none'`;
  const scaleNs = Math.max(1, ...boots.map(({ endNs }) => endNs));
  return html`${new Html(PAGE_BEGINNING)}
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${titleOf(boots)}</title>
<link rel="icon" href="data:,">
${style.markup}</head><body>
${hatchDefinitions()}
<header><h1>${boots.length === 1 ? "A boot, and what it read" : `${boots.length} boots compared`}</h1>
<p class="lead">${boots.map((report, index) => html`<span class="boot">${boots.length > 1 ? badge(report.letter, index) : undefined} ${leadOf(report)}</span>`)}</p></header>
<main>
<section aria-labelledby="figures"><h2 id="figures">Key figures</h2>${figureCards(boots)}</section>
<section aria-labelledby="course"><h2 id="course">The course of the boot</h2>${stageStrips(boots, scaleNs)}
${boots.length === 1 ? boots.map((report) => timeline(report, scaleNs)) : undefined}</section>
${differences.map((difference) => differenceSection(difference, boots))}
<section aria-labelledby="bytes"><h2 id="bytes">Bytes loaded, bytes used</h2>${bytesTable(boots)}</section>
${memorySection(boots)}
<section aria-labelledby="reads"><h2 id="reads">Reads over time</h2>${readsSection(boots)}</section>
${scaling.length === 0 ? undefined : scalingSection(scaling)}
${boots.map((report, index) => bootSection(report, index, boots, scaleNs))}
<section aria-labelledby="facts"><h2 id="facts">What was booted</h2>${factsTable(boots)}</section>
</main>
<footer><p>Made by <code>lazyrd report</code>. This page is one file, needs no network and holds no date: the same traces give
the same bytes.</p></footer>
${script.markup}</body></html>
`.markup;
}

function titleOf(boots: readonly BootReport[]): string {
  return `${boots.map(({ name }) => name).join(", ")}: lazyrd boot report`;
}

function leadOf({ name, boot }: BootReport): Html {
  const what = boot.way === "classic" ? "its initrd in memory" : "its initrd read from an image";
  const hash = boot.rootHash === null ? undefined : html`, root hash <code>${boot.rootHash.slice(0, 12)}</code>`;
  return html`<b>${name}</b>: kernel ${boot.kernelRelease}, ${what}${boot.way === "classic" ? undefined : hash}`;
}

function bootSection(report: BootReport, index: number, boots: readonly BootReport[], scaleNs: number): Html {
  const { letter, image, disks, modules = [] } = report;
  const id = `boot-${letter}`;
  const isAlone = boots.length === 1;
  const title = isAlone ? "The image" : html`${badge(letter, index)} ${report.name}`;
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${isAlone ? undefined : timeline(report, scaleNs)}
${laterNote(image)}${image.requests === 0 ? undefined : html`<h3>Map of the image</h3>${imageMap(report)}${contentOf(report)}`}
${modules.length === 0 ? undefined : modulesSection(modules)}
${disks.length === 0 ? undefined : html`<h3>Disks</h3>${disksTable(report)}`}
${consoleOf(report, bootName(report, boots))}
</section>\n`;
}

function laterNote({ laterRequests }: ImageUse): Html | undefined {
  if (laterRequests === 0) return undefined;
  return html`<p class="note">${counted(laterRequests, "request")} after the image had done its work are not counted.</p>`;
}

function contentOf({ image: { content } }: BootReport): Html {
  if ("entries" in content) return contentSection(content);
  return html`<p class="remark">What was read cannot be named: ${content.missing}</p>`;
}

function disksTable({ disks }: BootReport): Html {
  const rows = disks.map(({ name, requests, bytes }) => [name, String(requests), formatSize(bytes)]);
  const columns = [
    { title: "disk" },
    { title: "requests", kind: "number" },
    { title: "read", kind: "number" },
  ] as const;
  return table("What the machine counted", columns, rows);
}

function consoleOf({ lines }: BootReport, name: string): Html | undefined {
  if (lines.length === 0) return undefined;
  const rows = lines.slice(0, MAX_LINES).map(({ ns, text }) => [formatTime(ns), html`<code>${text}</code>`]);
  const columns = [
    { title: "time", kind: "number" },
    { title: "line", kind: "path" },
  ] as const;
  return folded(`Console: ${counted(lines.length, "line")}`, [
    table(`Console, ${name}`, columns, rows),
    restLine(lines.length, rows.length, "lines"),
  ]);
}
