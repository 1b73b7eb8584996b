import { formatSize } from "../../text/index.ts";
import type { BootReport, FirstRead, GridCell, ImageGrid } from "../types.ts";
import { formatTime, percent } from "./format.ts";
import { type Html, html, jsonData } from "./html.ts";
import { ticksUpTo } from "./plot.ts";
import { folded, restLine, table } from "./table.ts";

/** Colours for when something was read; more could not be told apart. */
const TIME_CLASSES = 6;
const MAX_COLUMNS = 128;
const MAX_PIECES = 500;
const NS_PER_US = 1000;

/** The image from its first byte to its last, row by row, by when each part was first read. */
export function imageMap({ letter, image }: BootReport): Html {
  const { grid, firstReads } = image;
  const [first, last] = timesOf(grid.cells);
  if (first === undefined || last === undefined) return html`<p class="note">Nothing was read of the image.</p>`;
  const classOf = (ns: number): number =>
    Math.min(TIME_CLASSES - 1, Math.floor(((ns - first) / (last - first || 1)) * TIME_CLASSES));
  const columns = Math.min(MAX_COLUMNS, grid.cells.length);
  const rows = Math.ceil(grid.cells.length / columns);
  const runs = runsOf(grid.cells, columns, classOf);
  const neverRead = image.imageBytes - image.readBytes;
  return html`<p>Row by row from the first byte of the image to its last. A cell is ${binarySize(grid.cellBytes)}; its
colour says when something in it was first read.</p>
${timeLegend(first, last, firstReads, classOf, neverRead)}
<div class="map-frame">${offsetAxis(columns * rows * grid.cellBytes, image.imageBytes)}<div class="map" data-map="${letter}"><svg viewBox="0 0 ${columns} ${rows}" preserveAspectRatio="none" role="img"
 aria-label="Map of the image, see the tables below">
${runs.map((path, index) => html`<path class="time${index}" d="${path}"/>`)}
${tailOf(grid.cells.length, columns, rows)}<rect class="cursor" width="1" height="1" visibility="hidden"/></svg>
<p class="tip" hidden></p></div></div>
${mapData(letter, grid, columns)}
${folded("What was read, by offset", piecesTable(firstReads))}`;
}

/** Cells are powers of two. */
function binarySize(bytes: number): string {
  const kib = bytes / 1024;
  return kib < 1024 ? `${kib} KiB` : `${kib / 1024} MiB`;
}

function offsetAxis(shownBytes: number, imageBytes: number): Html {
  const labels = ticksUpTo(imageBytes).map(
    (tick) =>
      html`<text x="100%" dx="-6" y="${percent(tick, shownBytes)}" dy="10" text-anchor="end">${formatSize(tick)}</text>`,
  );
  return html`<svg class="offsets" aria-hidden="true">${labels}</svg>`;
}

function timesOf(cells: readonly GridCell[]): [number | undefined, number | undefined] {
  let [first, last]: [number | undefined, number | undefined] = [undefined, undefined];
  for (const { firstNs } of cells) {
    if (firstNs === undefined) continue;
    if (first === undefined || firstNs < first) first = firstNs;
    if (last === undefined || firstNs > last) last = firstNs;
  }
  return [first, last];
}

/** For each colour one path; neighbours of a row are drawn as one. */
function runsOf(cells: readonly GridCell[], columns: number, classOf: (ns: number) => number): string[] {
  const paths = Array.from({ length: TIME_CLASSES }, () => "");
  for (let start = 0; start < cells.length; ) {
    const ns = cells[start]?.firstNs;
    const own = ns === undefined ? undefined : classOf(ns);
    const rowEnd = (Math.floor(start / columns) + 1) * columns;
    let end = start + 1;
    while (end < Math.min(rowEnd, cells.length) && sameClass(cells[end]?.firstNs, own, classOf)) end++;
    if (own !== undefined)
      paths[own] += `M${start % columns} ${Math.floor(start / columns)}h${end - start}v1h${start - end}z`;
    start = end;
  }
  return paths;
}

function sameClass(ns: number | undefined, own: number | undefined, classOf: (ns: number) => number): boolean {
  return own === (ns === undefined ? undefined : classOf(ns));
}

/** What the last row has beyond the image. */
function tailOf(count: number, columns: number, rows: number): Html | undefined {
  const used = count - (rows - 1) * columns;
  return used === columns
    ? undefined
    : html`<rect class="outside" x="${used}" y="${rows - 1}" width="${columns - used}" height="1"/>`;
}

function timeLegend(
  first: number,
  last: number,
  pieces: readonly FirstRead[],
  classOf: (ns: number) => number,
  neverRead: number,
): Html {
  const bytes = Array.from({ length: TIME_CLASSES }, () => 0);
  for (const { start, end, ns } of pieces) {
    const index = Math.max(0, classOf(ns));
    bytes[index] = (bytes[index] ?? 0) + end - start;
  }
  const step = (last - first) / TIME_CLASSES;
  const items = bytes.map(
    (size, index) => html`<li><span class="swatch time${index}"></span> from ${formatTime(first + index * step)}:
${formatSize(size)}</li>`,
  );
  return html`<ul class="legend">${items}<li><span class="swatch never"></span> never: ${formatSize(neverRead)}</li></ul>`;
}

/** What the script shows of a cell. Names are numbered, as most of them lie in several cells. */
function mapData(letter: string, { cellBytes, cells }: ImageGrid, columns: number): Html {
  const numbers = new Map<string, number>();
  const numberOf = (name: string): number => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  };
  const names = cells.map((cell) => cell.names.map(numberOf));
  return jsonData(`map-${letter}`, {
    columns,
    cellBytes,
    firstUs: cells.map(({ firstNs }) => (firstNs === undefined ? -1 : Math.round(firstNs / NS_PER_US))),
    readBytes: cells.map(({ readBytes }) => readBytes),
    nameCounts: cells.map(({ nameCount }) => nameCount),
    cellNames: names,
    names: [...numbers.keys()],
  });
}

function piecesTable(pieces: readonly FirstRead[]): Html {
  const rows = pieces
    .slice(0, MAX_PIECES)
    .map(({ start, end, ns }) => [String(start), formatSize(end - start), formatTime(ns)]);
  const columns = [
    { title: "offset", kind: "number" },
    { title: "bytes", kind: "number" },
    { title: "first read", kind: "number" },
  ] as const;
  return html`${table("Reads of the image by offset", columns, rows)}${restLine(pieces.length, rows.length, "ranges")}`;
}

/** A bar of a part that was read: the rest of its length was not. */
export function readBar(
  readBytes: number,
  bytes: number,
  scaleBytes: number,
): readonly { from: string; length: string; paint: string }[] {
  return [
    { from: "0", length: percent(bytes, scaleBytes), paint: "url(#never)" },
    { from: "0", length: percent(readBytes, scaleBytes), paint: "var(--read)" },
  ];
}
