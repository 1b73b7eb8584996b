import { formatSize } from "../../text/index.ts";
import type { DirectoryUse } from "../types.ts";
import { formatShare, percent, shownPath } from "./format.ts";
import { type Html, html } from "./html.ts";

interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The picture's proportions on a wide screen: only what is square depends on them. */
const WHOLE: Area = { x: 0, y: 0, width: 1000, height: 420 };
/** Smaller areas have no room for a name. */
const NAMED_WIDTH = 90;
const NAMED_HEIGHT = 34;
/** On a phone only these have. */
const WIDE = 280;

/** Directories as areas, parts of one directory beside each other. */
export function treemap(root: DirectoryUse): Html {
  return html`<svg class="treemap" role="img" aria-label="Directories by size and by what was read of them, see the table below">
${areasOf(root, WHOLE)}</svg>`;
}

export function leavesOf(directory: DirectoryUse): DirectoryUse[] {
  return directory.parts.length === 0 ? [directory] : directory.parts.flatMap(leavesOf);
}

function areasOf(directory: DirectoryUse, area: Area): Html[] {
  if (directory.parts.length === 0) return [leaf(directory, area)];
  const parts = directory.parts.filter(({ bytes }) => bytes > 0);
  return squarify(parts, area).flatMap((place, index) => areasOf(parts[index] as DirectoryUse, place));
}

function leaf({ path, bytes, readBytes }: DirectoryUse, { x, y, width, height }: Area): Html {
  const share = readBytes / bytes;
  const name = shownPath(path);
  const isNamed = width >= NAMED_WIDTH && height >= NAMED_HEIGHT;
  const label = html`<text x="6" y="16" class="name">${shortened(name, width)}</text
    ><text x="6" y="31">${formatShare(share)} of ${formatSize(bytes)}</text>`;
  return html`<svg x="${percent(x, WHOLE.width)}" y="${percent(y, WHOLE.height)}" width="${percent(width, WHOLE.width)}"
 height="${percent(height, WHOLE.height)}"><title>${name}: ${formatSize(readBytes)} of ${formatSize(bytes)} read</title
><rect class="unread" width="100%" height="100%" fill="url(#never)"/><rect class="read" y="${percent(1 - share, 1)}" width="100%"
 height="${percent(share, 1)}"/><rect class="edge" width="100%" height="100%"/>${
   isNamed
     ? html`<g class="label${width < WIDE ? " wide-only" : ""}"><rect class="plate" width="100%" height="38"/>${label}</g>`
     : undefined
 }</svg>\n`;
}

/** Some 8 units a character; the end of a path tells more than its beginning. */
function shortened(name: string, width: number): string {
  const room = Math.floor((width - 12) / 8);
  if (name.length <= room) return name;
  const end = name.slice(name.length - room + 1);
  const slash = end.indexOf("/");
  return `\u2026${slash === -1 ? end : end.slice(slash)}`;
}

/**
 * Areas in proportion to `bytes`, as square as a row by row layout gets them.
 * Bruls, Huizing, van Wijk: Squarified Treemaps (2000), 3.2.
 */
function squarify(parts: readonly { readonly bytes: number }[], whole: Area): Area[] {
  const areas: Area[] = [];
  let rest = whole;
  let restBytes = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  for (let start = 0; start < parts.length; ) {
    const scale = (rest.width * rest.height) / restBytes;
    const side = Math.min(rest.width, rest.height);
    let end = start + 1;
    const sizes = (to: number): number[] => parts.slice(start, to).map(({ bytes }) => bytes * scale);
    while (end < parts.length && worstRatio(sizes(end + 1), side) <= worstRatio(sizes(end), side)) end++;
    const row = sizes(end);
    const rowSize = row.reduce((sum, size) => sum + size, 0);
    const thickness = rowSize / side;
    const isUpright = rest.width >= rest.height;
    let along = 0;
    for (const size of row) {
      const length = size / thickness;
      areas.push(
        isUpright
          ? { x: rest.x, y: rest.y + along, width: thickness, height: length }
          : { x: rest.x + along, y: rest.y, width: length, height: thickness },
      );
      along += length;
    }
    rest = isUpright
      ? { ...rest, x: rest.x + thickness, width: rest.width - thickness }
      : { ...rest, y: rest.y + thickness, height: rest.height - thickness };
    restBytes -= rowSize / scale;
    start = end;
  }
  return areas;
}

function worstRatio(sizes: readonly number[], side: number): number {
  const sum = sizes.reduce((total, size) => total + size, 0);
  const [largest, smallest] = [Math.max(...sizes), Math.min(...sizes)];
  return Math.max((side * side * largest) / (sum * sum), (sum * sum) / (side * side * smallest));
}
