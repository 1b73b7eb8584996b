import { resolve } from "node:path";
import type { Generation } from "../build/index.ts";
import { FileSource, packageVersion } from "../host/index.ts";
import {
  memoryOf,
  type Trace,
  type TracedBoot,
  type TraceMemory,
  type TraceMilestone,
  type TraceStep,
} from "../trace/index.ts";
import { type Machine, qemuVersion, type Recording, readTimeline, type Timeline } from "../vm/index.ts";
import type { MachineFlags } from "./machine.ts";

const NS_PER_MS = 1e6;
const NS_PER_SECOND = 1e9;

/** The trace of a boot that QEMU recorded. */
export function traceOf(boot: TracedBoot, recording: Recording, exact?: Pick<Trace, "touched" | "modules">): Trace {
  const lines = recording.lines.map(({ ns, text }) => ({ ns, text }));
  return {
    boot,
    milestones: milestonesOf(recording),
    steps: stepsOf(recording),
    memory: memoryIn(recording),
    disks: [],
    lines,
    reads: recording.reads.map(({ ns, offset, length }) => ({ ns, offset, length })),
    touched: exact?.touched,
    modules: exact?.modules,
    end: recording.end,
  };
}

/** What the kernel says of its memory, and what was in use at milestones, in order. */
function memoryIn({ lines, memory }: Recording): TraceMemory[] {
  const used = memory.map(({ ns, usedBytes }): TraceMemory => ({ ns, what: "used", bytes: usedBytes }));
  return [...memoryOf(lines), ...used].sort((a, b) => a.ns - b.ns);
}

/** How far a boot came, from the kernel's start on. */
export function milestonesOf(recording: Recording): TraceMilestone[] {
  const reached = timelineOf(recording).milestones;
  return [
    { name: "kernel", title: "kernel starts", ns: 0 },
    ...reached.map(({ name, title, seconds }) => ({ name, title, ns: nanoseconds(seconds) })),
  ];
}

/** The steps of the first stage. */
export function stepsOf(recording: Recording): TraceStep[] {
  return timelineOf(recording).steps.map(({ verb, outcome, milliseconds, endSeconds }) => {
    const endNs = nanoseconds(endSeconds);
    return { verb, outcome, startNs: Math.max(0, endNs - Math.round(milliseconds * NS_PER_MS)), endNs };
  });
}

function timelineOf({ lines }: Recording): Timeline {
  return readTimeline(lines.map(({ ns, text }) => ({ text, seconds: ns / NS_PER_SECOND })));
}

function nanoseconds(seconds: number): number {
  return Math.round(seconds * NS_PER_SECOND);
}

/** What is booted: facts for the head of a trace. */
export function bootOf({ folder, manifest }: Generation, machine: Machine, flags: MachineFlags): TracedBoot {
  const [image] = machine.disks;
  return {
    generator: `lazyrd ${packageVersion()}`,
    source: "qemu",
    way: flags.classic ? "classic" : "lazy",
    kernelRelease: manifest.kernel.release,
    architecture: manifest.kernel.architecture,
    commandLine: machine.commandLine,
    rootHash: manifest.image.rootHash,
    imageBytes: image === undefined ? 0 : sizeOf(image.path),
    loadedBytes: sizeOf(machine.initrd),
    folder: resolve(folder),
    machine: {
      qemuVersion: qemuVersion(),
      memoryMib: machine.memoryMib,
      cpus: machine.cpus,
      cpuModel: machine.cpuModel,
      diskBus: flags.disk,
      countsInstructions: machine.countInstructions,
    },
  };
}

function sizeOf(path: string): number {
  const source = new FileSource(path, "the file");
  source.close();
  return source.size;
}
