/** How the image's disk is attached: each needs a driver of its own in the first stage. */
export const DISK_BUSES = ["virtio-blk", "virtio-scsi", "nvme", "ahci", "usb"] as const;
export type DiskBus = (typeof DISK_BUSES)[number];

export interface Disk {
  readonly path: string;
  readonly bus: DiskBus;
  readonly readOnly: boolean;
}

/** A machine to be run by QEMU, kernel and initrd loaded directly. */
export interface Machine {
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
  readonly disks: readonly Disk[];
  readonly memoryMib: number;
  readonly cpus: number;
  /** As QEMU names it, for instance "max" or "Nehalem". */
  readonly cpuModel: string;
  /**
   * Time counts instructions, one nanosecond each, and passes at once while the guest waits: the same boot gives the
   * same figures on every host, but a wait for the disk is as long as the host makes it.
   */
  readonly countInstructions: boolean;
  /** Files that receive what the guest writes to further serial ports, ttyS1 first. */
  readonly serialFiles: readonly string[];
  /** Where QEMU listens for its monitor's commands, if anywhere. */
  readonly monitorSocket?: string | undefined;
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
