import type { ConsoleLine } from "./types.ts";

/** A moment of a boot that its console shows. */
export interface Milestone {
  readonly name:
    | "unpack"
    | "first-stage"
    | "switch"
    | "next-stage"
    | "root-wanted"
    | "initrd-target"
    | "switch-root"
    | "multi-user"
    | "failed"
    | "panic";
  readonly title: string;
  readonly pattern: RegExp;
}

/** In the order in which a boot reaches them; of each, the first line counts. */
export const MILESTONES: readonly Milestone[] = [
  { name: "unpack", title: "kernel unpacks the initrd", pattern: /Trying to unpack rootfs image|Unpacking initramfs/ },
  { name: "first-stage", title: "kernel starts /init", pattern: /Run \/init as init process/ },
  { name: "switch", title: "first stage hands over", pattern: /lazyrd: switch to / },
  {
    name: "next-stage",
    title: "the initrd's own init runs",
    // systemd (its own line in the kernel log); initramfs-tools and dracut's shell init (their first words).
    pattern: /systemd\[1\]: systemd \S+ running in system mode|^Loading, please wait|^dracut: dracut-/,
  },
  // initramfs-tools: drivers are loaded, devices are there.
  {
    name: "root-wanted",
    title: "the initrd's scripts look for the root file system",
    pattern: /^Begin: Mounting root/,
  },
  { name: "initrd-target", title: "initrd.target reached", pattern: /Reached target initrd\.target/ },
  // Its own words go to the journal; the line for people comes a moment before.
  {
    name: "switch-root",
    title: "the initrd hands over to the system",
    pattern: /systemd\[1\]: Switching root\.|Starting initrd-switch-root\.service/,
  },
  { name: "multi-user", title: "multi-user.target reached", pattern: /Reached target multi-user\.target/ },
  { name: "failed", title: "first stage gave up", pattern: /lazyrd: FAILED/ },
  { name: "panic", title: "kernel panic", pattern: /Kernel panic - not syncing/ },
];

export interface ReachedMilestone {
  readonly name: Milestone["name"];
  readonly title: string;
  /** Since the kernel started. A line without a time stamp of its own gets that of the line before. */
  readonly seconds: number;
  readonly line: string;
}

/** The milestones that these lines show, in the order of the lines. */
export function findMilestones(lines: readonly ConsoleLine[]): ReachedMilestone[] {
  const reached: ReachedMilestone[] = [];
  let seconds = 0;
  for (const line of lines) {
    seconds = line.seconds ?? seconds;
    const milestone = milestoneOf(line);
    if (milestone === undefined || reached.some(({ name }) => name === milestone.name)) continue;
    reached.push({ name: milestone.name, title: milestone.title, seconds, line: line.text });
  }
  return reached;
}

/** What a line shows, if it shows one. */
export function milestoneOf({ text }: ConsoleLine): Milestone | undefined {
  return MILESTONES.find(({ pattern }) => pattern.test(text));
}

/** Whether a line shows a milestone. */
export function showsMilestone(line: ConsoleLine, name: Milestone["name"]): boolean {
  return MILESTONES.some((milestone) => milestone.name === name && milestone.pattern.test(line.text));
}

/** For whoever looks at lines as they come: whether one is the first to show its milestone. */
export function milestoneWatch(): (line: ConsoleLine) => boolean {
  const waited = new Set(MILESTONES);
  return (line) => {
    const shown = milestoneOf(line);
    return shown !== undefined && waited.delete(shown);
  };
}

/** The last words of a kernel that stands still from now on: without `panic=` it waits for somebody to look at it. */
const LAST_WORDS = /---\[ end Kernel panic - not syncing/;

/** Whether nothing can be expected of the machine after this line. */
export function standsStill({ text }: ConsoleLine): boolean {
  return LAST_WORDS.test(text);
}
