/** How the image's disk is attached: each needs a driver of its own in the first stage. */
export const DISK_BUSES = ["virtio-blk", "virtio-scsi", "nvme", "ahci", "usb"] as const;
export type DiskBus = (typeof DISK_BUSES)[number];

export interface Disk {
  readonly path: string;
  readonly bus: DiskBus;
  readonly readOnly: boolean;
  /** Whether what the guest writes is forgotten when the machine ends: the file stays as it is. */
  readonly forgetsWrites?: boolean;
}

/** A file that is in a machine's memory from the start. */
export type MemoryImage =
  /** At a physical address, as a loader would have put it there. */
  | { readonly path: string; readonly address: number }
  /** As memory of its own, of which the guest's changes are lost. */
  | { readonly path: string; readonly device: MemoryDevice; readonly sizeBytes: number };

export type MemoryDevice = "nvdimm" | "virtio-pmem";

/** A machine to be run by QEMU, kernel and initrd loaded directly. */
export interface Machine {
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
  readonly disks: readonly Disk[];
  readonly memoryImage?: MemoryImage | undefined;
  readonly memoryMib: number;
  readonly cpus: number;
  /** As QEMU names it, for instance "max" or "Nehalem". */
  readonly cpuModel: string;
  /**
   * Time counts instructions, one nanosecond each: the same boot gives the same figures on every host. While the guest
   * waits, its time passes as on the host, unless it `skipsIdle`.
   */
  readonly countInstructions: boolean;
  /**
   * With counted instructions: where all processors wait, time jumps to the guest's next timer. A slow answer of the disk
   * then lets many timers pass: for hosts that do nothing else.
   */
  readonly skipsIdle?: boolean | undefined;
  /**
   * "user": QEMU's own network, with DHCP, in which 10.0.2.2 is the host; "silent": a cable with nobody at its end; else one that
   * ends at a Unix socket, each packet behind its length.
   */
  readonly network?: "user" | "silent" | { readonly socket: string } | undefined;
  /** Files that receive what the guest writes to further serial ports, ttyS1 first. */
  readonly serialFiles: readonly string[];
  /** The control socket of the swtpm that is the machine's TPM 2.0, if it has one. */
  readonly tpmSocket?: string | undefined;
  /** Where QEMU listens for its monitor's commands, if anywhere. */
  readonly monitorSocket?: string | undefined;
  /** Where QEMU writes what the guest reads of its disks and says on its console, if anywhere (`QemuLogReader`). */
  readonly traceLog?: string | undefined;
  /** Whether the machine's memory can be read from outside (`GuestMemory`). */
  readonly sharesMemory?: boolean | undefined;
}

/** UEFI firmware in flash: files. */
export interface Firmware {
  /** Only read. */
  readonly code: string;
  /** Where it keeps its variables, the keys of Secure Boot among them; written by the guest. */
  readonly variables: string;
}

/** A machine that firmware starts from one of its disks. */
export interface FirmwareMachine extends Omit<Machine, "kernel" | "initrd" | "commandLine"> {
  readonly firmware: Firmware;
}

/** One line of the guest's console. */
export interface ConsoleLine {
  readonly text: string;
  /** Seconds since the kernel started, where the line carries the kernel's time stamp. */
  readonly seconds: number | undefined;
}

/** How a run ended. */
export type RunEnd =
  /** What was waited for has been seen; the machine was then stopped. */
  | "reached"
  /** The guest powered off or rebooted. */
  | "guest-ended"
  /** The time that was given has passed. */
  | "timeout";

export interface RunRecord {
  readonly end: RunEnd;
  readonly lines: readonly ConsoleLine[];
}

/** A line of the console and when it was begun, in nanoseconds since the guest's kernel started. */
export interface RecordedLine extends ConsoleLine {
  readonly ns: number;
}

/** A request to a disk of the machine; bytes. */
export interface RecordedRead {
  readonly ns: number;
  /** Disks are numbered in the order in which they were first read. */
  readonly disk: number;
  readonly offset: number;
  readonly length: number;
}

/** What of a machine's memory was not free when a line was written. */
export interface RecordedMemory {
  readonly ns: number;
  /** Of the line, in the recording. */
  readonly line: number;
  readonly usedBytes: number;
}

/** What came before the kernel, in a machine that firmware starts. */
export interface LoaderUse {
  readonly requests: number;
  readonly bytes: number;
  /** From the machine's start until the kernel's clock begins; undefined when the machine's timer did not tell. */
  readonly ns: number | undefined;
}

/** A run of which every read was recorded. */
export interface Recording {
  readonly end: RunEnd;
  readonly lines: readonly RecordedLine[];
  /** By the kernel, in the order in which it asked for them. */
  readonly reads: readonly RecordedRead[];
  /** At each line that was asked for; none for kernels that do not say how they count. */
  readonly memory: readonly RecordedMemory[];
  /** Undefined where QEMU loads kernel and initrd by itself. */
  readonly loader: LoaderUse | undefined;
}
