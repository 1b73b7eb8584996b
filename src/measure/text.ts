import { alignedLines, counted, formatSize } from "../text/index.ts";
import type { MeasuredMilestone, Measurement, Omission } from "./types.ts";

const NS_PER_SECOND = 1e9;
const NS_PER_MS = 1e6;
const NOTHING = "-";

/** Headings of the milestones that have a column each. */
const MILESTONE_HEADINGS: readonly (readonly [name: string, heading: string])[] = [
  ["first-stage", "/init"],
  ["switch", "switch"],
  ["next-stage", "next init"],
  ["root-wanted", "scripts"],
  ["initrd-target", "initrd.target"],
  ["switch-root", "switch root"],
  ["multi-user", "multi-user"],
];

/** A column, and whether it has anything to say; those that have not are left out. */
interface Column {
  readonly heading: string;
  readonly cell: (measured: Measurement) => string;
  readonly isOptional?: boolean;
}

const SUBJECT: readonly Column[] = [
  { heading: "variant", cell: ({ variant }) => variant },
  { heading: "added", cell: ({ addedBytes }) => size(addedBytes), isOptional: true },
];

const COSTS: readonly Column[] = [
  ...SUBJECT,
  { heading: "loaded", cell: ({ loadedBytes }) => size(loadedBytes) },
  { heading: "image", cell: ({ imageBytes }) => size(imageBytes) },
  { heading: "loader reads", cell: ({ loader }) => size(loader?.bytes ?? 0), isOptional: true },
  { heading: "before kernel", cell: ({ loader }) => seconds(loader?.ns ?? undefined), isOptional: true },
  ...milestoneColumns(({ ns }) => seconds(ns)),
  { heading: "spread", cell: spread },
  { heading: "read", cell: ({ reads }) => size(reads.bytes) },
  { heading: "requests", cell: ({ reads }) => String(reads.requests) },
  { heading: "boots", cell: ({ runs }) => String(runs) },
];

const MEMORY: readonly Column[] = [
  ...SUBJECT,
  ...milestoneColumns(({ memoryBytes }) => (memoryBytes === null ? NOTHING : formatSize(memoryBytes))),
];

function milestoneColumns(cell: (milestone: MeasuredMilestone) => string): Column[] {
  return MILESTONE_HEADINGS.map(([name, heading]) => ({
    heading,
    cell: ({ milestones }) => {
      const milestone = milestones.find((candidate) => candidate.name === name);
      return milestone === undefined ? NOTHING : cell(milestone);
    },
    isOptional: true,
  }));
}

/** What a measurement is of: "classic with 25.0 MB more". */
export function titleOf(variant: string, addedBytes: number): string {
  return addedBytes > 0 ? `${variant} with ${formatSize(addedBytes)} more` : variant;
}

/** Tables of what was measured: times in seconds with what was read, and memory in use at each milestone. */
export function describeMeasurements(
  measurements: readonly Measurement[],
  omissions: readonly Omission[] = [],
): string {
  const knowsMemory = measurements.some(({ milestones }) => milestones.some(({ memoryBytes }) => memoryBytes !== null));
  return [
    ...tableOf(COSTS, measurements),
    ...measurements.flatMap(notes),
    ...omissions.map(({ variant, reason }) => `${variant} was left out: ${reason}`),
    ...(knowsMemory
      ? ["", "Memory in use (of the machine's, what is not free)", ...tableOf(MEMORY, measurements)]
      : []),
  ].join("\n");
}

function tableOf(columns: readonly Column[], measurements: readonly Measurement[]): string[] {
  const shown = columns.filter(({ cell, isOptional }) => {
    return isOptional !== true || measurements.some((measured) => cell(measured) !== NOTHING);
  });
  const head = shown.map(({ heading }) => heading);
  const rows = measurements.map((measured) => shown.map(({ cell }) => cell(measured)));
  return alignedLines([head, ...rows], [...head.keys()].slice(1));
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
