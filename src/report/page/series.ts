import { type Html, html } from "./html.ts";

/** Nothing is told apart by colour alone: bars have hatches, lines have dashes, points have shapes. */
const HATCHES = ["", "M0 6L6 0", "M0 0L6 6", "M3 0V6", "M0 3H6", "M0 6L6 0M0 0L6 6"];
const MARKERS = [
  "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
  "M-4 -4H4V4H-4Z",
  "M0 -5L5 4H-5Z",
  "M0 -5L5 0L0 5L-5 0Z",
  "M-5 -2H-2V-5H2V-2H5V2H2V5H-2V2H-5Z",
  "M0 5L5 -4H-5Z",
  "M-5 -3H5V3H-5Z",
  "M-3 -5H3V5H-3Z",
];

/** What the pictures of the page refer to. */
export function hatchDefinitions(): Html {
  const patterns = HATCHES.map(
    (hatch, index) => html`<pattern id="hatch${index}" width="6" height="6" patternUnits="userSpaceOnUse"
      ><rect width="6" height="6" class="fill${index}"/><path d="${hatch}" class="hatch"/></pattern>`,
  );
  return html`<svg width="0" height="0" class="definitions" aria-hidden="true"><defs>${patterns}<pattern id="never" width="6" height="6" patternUnits="userSpaceOnUse"
><rect width="6" height="6" class="never-ground"/><path d="M0 6L6 0" class="never-hatch"/></pattern
><pattern id="worse" width="6" height="6" patternUnits="userSpaceOnUse"
><rect width="6" height="6" class="worse-ground"/><path d="M0 0L6 6" class="hatch"/></pattern></defs></svg>`;
}

export function hatchOf(index: number): string {
  return `url(#hatch${index % HATCHES.length})`;
}

export function markerOf(index: number): string {
  return MARKERS[index % MARKERS.length] ?? "";
}

/** A letter in the colour of its boot. */
export function badge(letter: string, index: number): Html {
  return html`<span class="badge badge${index}">${letter}</span>`;
}
