/** One boot. Times are nanoseconds since the kernel started. */
export interface Run {
  readonly milestones: readonly ReachedMilestone[];
  /** What the kernel asked its disks for until the last of them. */
  readonly reads: Reads;
  /** What the kernel set aside for the initrd and gave back once it was unpacked; null where it does not say. */
  readonly initrdMemoryBytes: number | null;
  /** What came before the kernel; null where QEMU loads it by itself. */
  readonly loader: LoaderReads | null;
  /** Null for a boot that came as far as it should; otherwise what the console said last. */
  readonly failure: string | null;
}

export interface Reads {
  readonly requests: number;
  readonly bytes: number;
}

/** What firmware and loader read, and how long it was until the kernel's clock began; null where that is not known. */
export interface LoaderReads extends Reads {
  readonly ns: number | null;
}

export interface ReachedMilestone {
  readonly name: string;
  readonly title: string;
  readonly ns: number;
  /** What of the machine's memory was not free; null where that is not known. */
  readonly memoryBytes: number | null;
}

/** What is booted; bytes. */
export interface Subject {
  readonly variant: string;
  /** Of all files of the initrd, unpacked, wherever they are in this variant; null where that is not known. */
  readonly contentBytes: number | null;
  /** What of that was added to the initrd to see how boots scale. */
  readonly addedBytes: number;
  /** What the loader brings into memory besides the kernel; of a unified kernel image, with it. */
  readonly loadedBytes: number;
  /** 0 where everything is loaded. */
  readonly imageBytes: number;
}

/** A milestone of the fastest boot, and the range of all boots. */
export interface MeasuredMilestone extends ReachedMilestone {
  readonly minNs: number;
  readonly maxNs: number;
}

export interface Measurement extends Subject {
  readonly runs: number;
  /** Whether the two fastest boots were alike (`isStable`). */
  readonly stable: boolean;
  readonly milestones: readonly MeasuredMilestone[];
  readonly reads: Reads;
  readonly initrdMemoryBytes: number | null;
  readonly loader: LoaderReads | null;
  readonly failure: string | null;
}

/** A variant that this machine or this kernel cannot make, and why. */
export interface Omission {
  readonly variant: string;
  readonly reason: string;
}

/** A point of a plot of time by content, as `lazyrd report --scaling` takes it. */
export interface ScalingPoint {
  readonly variant: string;
  readonly contentBytes: number;
  readonly guestNs: number;
}
