import type { ByteString } from "../bytes/index.ts";

/** Counts up when a reader of older traces would misunderstand a newer one. */
export const TRACE_VERSION = 1;

/** All times are nanoseconds since the kernel started. */
export interface Trace {
  readonly boot: TracedBoot;
  readonly milestones: readonly TraceMilestone[];
  /** Those of the first stage; none of a classic boot. */
  readonly steps: readonly TraceStep[];
  readonly memory: readonly TraceMemory[];
  readonly disks: readonly TraceDisk[];
  /** The console, in order. */
  readonly lines: readonly TraceLine[];
  /** Requests to the image's disk, in order. */
  readonly reads: readonly TraceRead[];
  /** From a second boot that was made to see more (`--exact`), in order; undefined when there was none. */
  readonly touched: readonly TouchedRange[] | undefined;
  /** The same. */
  readonly modules: readonly TraceModule[] | undefined;
  readonly end: TraceEnd;
}

/** What was booted, and how. */
export interface TracedBoot {
  /** What wrote the trace, for instance "lazyrd 0.1.0". */
  readonly generator: string;
  /** QEMU, where every read is seen; or a real machine, which tells its timeline and counts requests. */
  readonly source: "qemu" | "machine";
  /** With the whole initrd in memory, or from the image. */
  readonly way: "classic" | "lazy";
  readonly kernelRelease: string;
  readonly architecture: string;
  readonly commandLine: string;
  /** Of the image, hexadecimal; null where there is none. */
  readonly rootHash: string | null;
  /** Null on a real machine. */
  readonly imageBytes: number | null;
  /** What the loader has to bring into memory besides the kernel: the initrd or the first stage. Null where not known. */
  readonly loadedBytes: number | null;
  /** The generation's folder, where the image was. */
  readonly folder: string | null;
  /** Null on a real machine. */
  readonly machine: TracedMachine | null;
}

export interface TracedMachine {
  /** As QEMU says it: "7.2.22". */
  readonly qemuVersion: string;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly cpuModel: string;
  readonly diskBus: string;
  /** Whether the guest's time counts instructions; otherwise it depends on the host. */
  readonly countsInstructions: boolean;
}

export interface TraceMilestone {
  /** For programs: "initrd-target". */
  readonly name: string;
  /** For people: "initrd.target reached". */
  readonly title: string;
  readonly ns: number;
}

/** A step of the first stage. */
export interface TraceStep {
  readonly verb: string;
  /** What the step said of itself: "8 loaded". */
  readonly outcome: string;
  readonly startNs: number;
  readonly endNs: number;
}

/** A figure about memory: what the kernel says of it, and "used", what of the machine's memory was not free. */
export interface TraceMemory {
  readonly ns: number;
  readonly what: "total" | "available" | "initrd-freed" | "used";
  readonly bytes: number;
}

/** What a real machine counts for each of its disks since it started. */
export interface TraceDisk {
  readonly name: string;
  readonly requests: number;
  readonly bytes: number;
}

export interface TraceLine {
  readonly ns: number;
  readonly text: string;
}

/** A request to the disk; bytes. */
export interface TraceRead {
  readonly ns: number;
  readonly offset: number;
  readonly length: number;
}

/** A part of a file that was used; `length` 0: the entry itself was looked up. */
export interface TouchedRange {
  /** In the boot that was made to see this, which is slower than the other. */
  readonly ns: number;
  readonly path: ByteString;
  readonly start: number;
  readonly length: number;
}

/** A kernel module that was loaded. */
export interface TraceModule {
  /** When its init function had run, in the boot that was made to see this. */
  readonly ns: number;
  readonly name: string;
  readonly inFirstStage: boolean;
  /** How long the init function ran. */
  readonly initNs: number;
  /** How long loading it took in all, its signature's check included; known of those that the plan names. */
  readonly loadNs: number | null;
}

/** How the trace ended: what was waited for came, the guest ended by itself, or the time was over. */
export type TraceEnd = "reached" | "guest-ended" | "timeout";
