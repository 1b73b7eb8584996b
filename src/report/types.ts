import type { ByteString } from "../bytes/index.ts";
import type {
  ImageMap,
  Phase,
  PlaceKind,
  Trace,
  TraceDisk,
  TracedBoot,
  TraceEnd,
  TraceLine,
  TraceModule,
  TraceStep,
} from "../trace/index.ts";

/** A traced boot as it is given to be reported. */
export interface ReportedTrace {
  /** What the reader knows it by: the trace's file name. */
  readonly name: string;
  readonly trace: Trace;
  /** Of the image that was booted; or why there is none, in a sentence for the page. */
  readonly map: ImageMap | { readonly missing: string };
}

/** All that a page says, before it is a page. Times are nanoseconds since the kernel started. */
export interface Report {
  readonly boots: readonly BootReport[];
  /** Each boot after the first, against the first. */
  readonly differences: readonly Difference[];
  readonly scaling: readonly ScalingSeries[];
}

export interface BootReport {
  /** "A", "B" and so on, in the order given. */
  readonly letter: string;
  readonly name: string;
  readonly boot: TracedBoot;
  readonly end: TraceEnd;
  /** When the last thing was seen. */
  readonly endNs: number;
  readonly figures: readonly Figure[];
  readonly stages: readonly Phase[];
  readonly steps: readonly TraceStep[];
  readonly curve: readonly CurvePoint[];
  readonly image: ImageUse;
  readonly disks: readonly TraceDisk[];
  readonly memory: readonly MemoryUse[];
  /** Undefined where that was not recorded. */
  readonly modules: readonly TraceModule[] | undefined;
  readonly lines: readonly TraceLine[];
}

/** What all boots have the same of, to be compared; for each of them less is better. */
export interface Figure {
  readonly name: string;
  readonly title: string;
  readonly unit: "ns" | "bytes" | "requests" | "share";
  /** Undefined when the boot did not get there, or its trace cannot tell. */
  readonly value: number | undefined;
}

/** Memory that was not free when a milestone was reached. */
export interface MemoryUse {
  readonly name: string;
  readonly title: string;
  readonly ns: number;
  readonly bytes: number;
}

/** How much had been asked for by then. */
export interface CurvePoint {
  readonly ns: number;
  readonly requests: number;
  readonly bytes: number;
}

/** Bytes of the disk that one request was the first to read. */
export interface FirstRead {
  readonly start: number;
  readonly end: number;
  readonly ns: number;
}

/** What was read of an image until its work was done: until initrd.target, or what stands for it. */
export interface ImageUse {
  readonly imageBytes: number;
  readonly requests: number;
  /** Requests after that moment, which nothing here counts. */
  readonly laterRequests: number;
  /** With what was read twice. */
  readonly requestedBytes: number;
  /** Each byte once. */
  readonly readBytes: number;
  /** Of the disk, what the boot could not have done without: whole clusters. Undefined when that was not recorded. */
  readonly usedBytes: number | undefined;
  /** Ordered by offset. */
  readonly firstReads: readonly FirstRead[];
  readonly grid: ImageGrid;
  readonly content: ImageContent | { readonly missing: string };
}

/** The same by what the image holds. */
export interface ImageContent {
  readonly kinds: readonly KindUse[];
  /** Everything that has a name, ordered by name. */
  readonly entries: readonly EntryUse[];
  readonly directories: DirectoryUse;
}

export interface KindUse {
  readonly kind: PlaceKind;
  readonly bytes: number;
  readonly readBytes: number;
}

export interface EntryUse {
  readonly path: ByteString;
  /** Where its content starts on the disk, or its inode where that is all. */
  readonly offset: number;
  /** What it takes of the image, with inode and attributes. */
  readonly bytes: number;
  readonly readBytes: number;
  /** Of the content: the inodes of a directory's entries lie together and are read together. */
  readonly contentBytes: number;
  readonly readContentBytes: number;
  /** When its content was first read. */
  readonly firstNs: number | undefined;
}

/** A part of the tree that is shown as one thing, or as its parts. */
export interface DirectoryUse {
  /** From the top, without a slash in front. */
  readonly path: ByteString;
  readonly bytes: number;
  readonly readBytes: number;
  readonly files: number;
  /** Largest first; empty when it is shown as one. Files of the directory itself
   * are a part called `*`, small parts together one called `...`. */
  readonly parts: readonly DirectoryUse[];
}

/** The image cut into equal cells, in order. */
export interface ImageGrid {
  readonly cellBytes: number;
  readonly cells: readonly GridCell[];
}

export interface GridCell {
  readonly readBytes: number;
  readonly firstNs: number | undefined;
  /** What lies there: some of its names, and how many there are. */
  readonly names: readonly string[];
  readonly nameCount: number;
}

/** What is different in a boot. */
export interface Difference {
  readonly before: string;
  readonly after: string;
  readonly sameImage: boolean;
  readonly sameKernel: boolean;
  /** Stages, then steps. Those that changed most first. */
  readonly stages: readonly TimeChange[];
  readonly steps: readonly TimeChange[];
  /** Undefined when one of the images is not known. */
  readonly entries: EntryChanges | undefined;
}

export interface TimeChange {
  readonly name: string;
  readonly beforeNs: number | undefined;
  readonly afterNs: number | undefined;
}

/** Entries whose content was read in one of the boots only, largest first. */
export interface EntryChanges {
  readonly onlyBefore: readonly EntryUse[];
  readonly onlyAfter: readonly EntryUse[];
}

/** How long a way of booting takes with more and more content. */
export interface ScalingSeries {
  readonly variant: string;
  /** Ordered by bytes, then time. */
  readonly points: readonly { readonly contentBytes: number; readonly guestNs: number }[];
}
