import { alignedLines, counted, formatSize } from "../text/index.ts";
import type { Measurement } from "./types.ts";

const NS_PER_SECOND = 1e9;
const NS_PER_MS = 1e6;
const NOTHING = "-";

/** Headings of the milestones that have a column each. */
const COLUMNS: readonly (readonly [name: string, heading: string])[] = [
  ["first-stage", "/init"],
  ["switch", "switch"],
  ["next-stage", "next init"],
  ["root-wanted", "scripts"],
  ["initrd-target", "initrd.target"],
  ["switch-root", "switch root"],
  ["multi-user", "multi-user"],
];

/** What a measurement is of: "classic with 25.0 MB more". */
export function titleOf(variant: string, addedBytes: number): string {
  return addedBytes > 0 ? `${variant} with ${formatSize(addedBytes)} more` : variant;
}

/** A table of what was measured, times in seconds. Columns that would be empty are left out. */
export function describeMeasurements(measurements: readonly Measurement[]): string {
  const reached = COLUMNS.filter(([name]) => measurements.some((measured) => timeOf(measured, name) !== undefined));
  const hasAdded = measurements.some(({ addedBytes }) => addedBytes > 0);
  const head = [
    "variant",
    ...(hasAdded ? ["added"] : []),
    "loaded",
    "image",
    ...reached.map(([, heading]) => heading),
    "spread",
    "read",
    "requests",
    "boots",
  ];
  const rows = measurements.map((measured) => [
    measured.variant,
    ...(hasAdded ? [size(measured.addedBytes)] : []),
    size(measured.loadedBytes),
    size(measured.imageBytes),
    ...reached.map(([name]) => seconds(timeOf(measured, name))),
    spread(measured),
    size(measured.reads.bytes),
    String(measured.reads.requests),
    String(measured.runs),
  ]);
  const right = head.map((_, column) => column).slice(1);
  return [...alignedLines([head, ...rows], right), ...measurements.flatMap(notes)].join("\n");
}

function timeOf({ milestones }: Measurement, name: string): number | undefined {
  return milestones.find((milestone) => milestone.name === name)?.ns;
}

function seconds(ns: number | undefined): string {
  return ns === undefined ? NOTHING : (ns / NS_PER_SECOND).toFixed(3);
}

function size(bytes: number): string {
  return bytes === 0 ? NOTHING : formatSize(bytes);
}

/** How much later the slowest boot reached the end than the fastest. */
function spread({ milestones, runs }: Measurement): string {
  const last = milestones.at(-1);
  if (last === undefined || runs < 2) return NOTHING;
  return `+${((last.maxNs - last.minNs) / NS_PER_MS).toFixed(0)} ms`;
}

function notes({ variant, addedBytes, runs, stable, failure }: Measurement): string[] {
  const name = titleOf(variant, addedBytes);
  if (failure !== null) return [`${name} did not come up: ${failure}`];
  if (!stable && runs > 1) return [`${name}: the fastest of ${counted(runs, "boot")} differ by more than 0.5 %`];
  return [];
}
