import { phasesOf, type Phase as Stage, type Trace } from "../trace/index.ts";

/** What happens from a milestone on. Of a classic boot, /init is the initrd's own. */
const TITLES: Readonly<Record<string, string>> = {
  kernel: "Kernel starts",
  unpack: "Kernel unpacks the initrd",
  "first-stage": "First stage",
  switch: "Image's init is loaded",
  "next-stage": "Initrd's own init",
  "root-wanted": "Search for the root file system",
  "initrd-target": "After initrd.target",
  "switch-root": "System starts",
};
const CLASSIC_INIT = "Initrd's init is loaded";

/** A boot from milestone to milestone, without what takes no time. */
export function stagesOf(trace: Trace): Stage[] {
  return phasesOf(trace)
    .filter(({ startNs, endNs }) => endNs > startNs)
    .map((phase) => ({ ...phase, title: titleOf(phase.name, trace.boot.way) ?? phase.title }));
}

function titleOf(name: string, way: Trace["boot"]["way"]): string | undefined {
  if (way === "classic" && name === "first-stage") return CLASSIC_INIT;
  return Object.hasOwn(TITLES, name) ? TITLES[name] : undefined;
}

/** When the last thing was seen. */
export function endOf({ milestones, steps, lines, reads }: Trace): number {
  let end = 0;
  for (const events of [milestones, lines, reads]) for (const { ns } of events) end = Math.max(end, ns);
  for (const { endNs } of steps) end = Math.max(end, endNs);
  return end;
}
