import * as z from "zod";
import { FormatError } from "../bytes/index.ts";
import type { Trace, TraceDisk, TraceMemory, TraceMilestone, TraceStep } from "./types.ts";

/** What a running machine tells about its boot; texts as they are read there, undefined for what it does not have. */
export interface LiveSources {
  readonly generator: string;
  /** uname -r, uname -m */
  readonly kernelRelease: string;
  readonly architecture: string;
  /** /proc/cmdline */
  readonly commandLine: string;
  /** /run/lazyrd/timeline.json */
  readonly timeline: string | undefined;
  /** Lines of NAME=VALUE, from `systemctl show` with `MANAGER_PROPERTIES`. */
  readonly manager: string | undefined;
  /** The same of multi-user.target, with `UNIT_PROPERTIES`. */
  readonly multiUser: string | undefined;
  /** /proc/meminfo */
  readonly memory: string;
  /** /proc/diskstats */
  readonly disks: string;
  /** The names of whole disks: /sys/block */
  readonly diskNames: readonly string[];
  /** /proc/uptime */
  readonly uptime: string;
}

/** org.freedesktop.systemd1(5): microseconds since the kernel started, 0 for what did not happen. */
export const MANAGER_PROPERTIES = [
  "InitRDTimestampMonotonic",
  "UserspaceTimestampMonotonic",
  "FinishTimestampMonotonic",
] as const;
export const UNIT_PROPERTIES = ["ActiveEnterTimestampMonotonic"] as const;

const MANAGER_MILESTONES: Readonly<Record<(typeof MANAGER_PROPERTIES)[number], Omit<TraceMilestone, "ns">>> = {
  InitRDTimestampMonotonic: { name: "next-stage", title: "the initrd's own init runs" },
  UserspaceTimestampMonotonic: { name: "system", title: "the system's own init runs" },
  FinishTimestampMonotonic: { name: "finished", title: "all that starts with the system has started" },
};

const NS_PER_US = 1000;
const NS_PER_SECOND = 1e9;
const BYTES_PER_K = 1024;
/** Whatever the disk: Documentation/admin-guide/iostats.rst */
const SECTOR_BYTES = 512;

const Microseconds = z.int().min(0);
/** docs/plan.md, "What a step leaves behind" */
const Timeline = z.object({
  version: z.literal(1),
  firstLineUs: Microseconds,
  handOverUs: Microseconds,
  steps: z.array(z.object({ step: z.string(), startUs: Microseconds, endUs: Microseconds })),
});

/**
 * The trace of the boot that this machine has made: its timeline, and what its disks have counted since. Single reads are
 * not known.
 * @throws FormatError when the first stage's timeline is damaged.
 */
export function liveTrace(sources: LiveSources): Trace {
  const timeline = sources.timeline === undefined ? undefined : parseTimeline(sources.timeline);
  const milestones: TraceMilestone[] = [
    { name: "kernel", title: "kernel starts", ns: 0 },
    ...(timeline === undefined
      ? []
      : [
          { name: "first-stage", title: "kernel starts /init", ns: timeline.firstLineUs * NS_PER_US },
          { name: "switch", title: "first stage hands over", ns: timeline.handOverUs * NS_PER_US },
        ]),
    ...managerMilestones(sources.manager ?? ""),
    ...multiUserMilestones(sources.multiUser ?? ""),
  ];
  return {
    boot: {
      generator: sources.generator,
      source: "machine",
      way: timeline === undefined ? "classic" : "lazy",
      kernelRelease: sources.kernelRelease,
      architecture: sources.architecture,
      commandLine: sources.commandLine.trim(),
      rootHash: null,
      imageBytes: null,
      loadedBytes: null,
      folder: null,
      machine: null,
    },
    milestones: milestones.sort((a, b) => a.ns - b.ns),
    steps: (timeline?.steps ?? []).map(stepOf),
    memory: memoryNow(sources.memory, sources.uptime),
    disks: disksOf(sources.disks, sources.diskNames),
    lines: [],
    reads: [],
    touched: undefined,
    modules: undefined,
    end: "reached",
  };
}

function parseTimeline(text: string): z.output<typeof Timeline> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError("Cannot read the first stage's timeline: it is not JSON", { format: "timeline", cause });
  }
  const result = Timeline.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new FormatError(`Cannot read the first stage's timeline: ${issue?.message ?? "unexpected content"}`, {
    format: "timeline",
    field: issue?.path.join("."),
  });
}

/** Here a step is its line in the plan: what it said of itself went to the kernel log. */
function stepOf({ step, startUs, endUs }: z.output<typeof Timeline>["steps"][number]): TraceStep {
  const [verb = "", ...words] = step.split(" ");
  return { verb, outcome: words.join(" "), startNs: startUs * NS_PER_US, endNs: endUs * NS_PER_US };
}

function managerMilestones(text: string): TraceMilestone[] {
  const times = propertiesOf(text);
  return MANAGER_PROPERTIES.flatMap((property) => {
    const us = times.get(property);
    return us === undefined ? [] : [{ ...MANAGER_MILESTONES[property], ns: us * NS_PER_US }];
  });
}

function multiUserMilestones(text: string): TraceMilestone[] {
  const us = propertiesOf(text).get(UNIT_PROPERTIES[0]);
  return us === undefined ? [] : [{ name: "multi-user", title: "multi-user.target reached", ns: us * NS_PER_US }];
}

/** Times above 0: the others did not happen. */
function propertiesOf(text: string): Map<string, number> {
  const lines = [...text.matchAll(/^(\w+)=(\d+)$/gm)];
  return new Map(lines.map(([, name = "", value]) => [name, Number(value)] as const).filter(([, value]) => value > 0));
}

function memoryNow(meminfo: string, uptime: string): TraceMemory[] {
  const ns = Math.round(Number.parseFloat(uptime) * NS_PER_SECOND);
  const bytes = (name: string): number | undefined => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(meminfo)?.[1];
    return found === undefined ? undefined : Number(found) * BYTES_PER_K;
  };
  const [total, available] = [bytes("MemTotal"), bytes("MemAvailable")];
  return [
    ...(total === undefined ? [] : [{ ns, what: "total", bytes: total } as const]),
    ...(available === undefined ? [] : [{ ns, what: "available", bytes: available } as const]),
  ];
}

function disksOf(diskstats: string, names: readonly string[]): TraceDisk[] {
  return diskstats.split("\n").flatMap((line) => {
    const [, , name, requests, , sectors] = line.trim().split(/\s+/);
    if (name === undefined || !names.includes(name) || Number(requests) === 0) return [];
    return [{ name, requests: Number(requests), bytes: Number(sectors) * SECTOR_BYTES }];
  });
}
