/**
 * What QEMU's own trace events tell of a boot, in the order in which it happened. All of it is in one file, written by
 * QEMU: nothing of the guest is changed, and nothing is lost when QEMU is stopped.
 */
export interface QemuLog {
  readonly reads: readonly LoggedRead[];
  /** What the guest wrote to its first serial port. */
  readonly lines: readonly LoggedLine[];
  /** Readings of the machine's timer (HPET), as `TIMER_COMMAND` asks for them. */
  readonly timer: readonly TimerReading[];
  /** Readings of the timer that runs from the machine's start (ACPI), as `UPTIME_COMMAND` asks for them. */
  readonly uptime: readonly TimerReading[];
}

export interface LoggedRead {
  readonly hostUs: number;
  /** Disks are numbered in the order in which they were first read. */
  readonly disk: number;
  readonly offset: number;
  readonly length: number;
}

export interface LoggedLine {
  /** When its first byte was written. */
  readonly hostUs: number;
  readonly bytes: Uint8Array;
}

export interface TimerReading {
  readonly hostUs: number;
  /** Since the timer was started, in the guest's time. */
  readonly ns: number;
}

/** The trace events that are needed, as QEMU names them. */
export const QEMU_EVENTS = ["blk_co_preadv", "serial_write", "monitor_qmp_respond"] as const;

/** The register of the HPET's counter (IA-PC HPET 1.0a, 2.3.7), read by the monitor: 8 bytes of memory. */
const HPET_COUNTER = "fed000f0";
export const TIMER_COMMAND = `xp /1gx 0x${HPET_COUNTER}`;
/** QEMU's HPET counts at 100 MHz (hw/timer/hpet.c: HPET_CLK_PERIOD). */
const HPET_TICK_NS = 10;

/**
 * The ACPI power management timer, where QEMU's firmware puts it on a q35 (PMBASE + 8; ACPI 6.5, 4.8.3.3): 24 bits that count
 * at 3.579545 MHz, from the machine's start, whether or not somebody wants it.
 */
export const UPTIME_COMMAND = "i /1xw 0x608";
const UPTIME_TICK_NS = 1e9 / 3_579_545;
const UPTIME_WRAP = 1 << 24;

const EVENT = /^\d+@(\d+)\.(\d{6}):(\w+) (.*)$/;
const READ = /^blk (0x[0-9a-f]+) .*\boffset (\d+) bytes (\d+) /;
const SERIAL = /^write addr 0x([0-9a-f]+) val 0x([0-9a-f]+)$/;
const UPTIME = /portl\[0x0608\] = 0x([0-9a-f]{8})\b/;
const TIMER = new RegExp(`${HPET_COUNTER}: 0x([0-9a-f]{16})`);

/** Registers of a serial port (16550) and the bits that turn its data register into something else. */
const UART = { data: 0, lineControl: 3, modemControl: 4 } as const;
const DIVISOR_ACCESS = 0x80;
const LOOPBACK = 0x10;
const LINE_FEED = 0x0a;

const MICROSECONDS = 1_000_000;

/** Reads the events in QEMU's log, one line after the other. */
export class QemuLogReader implements QemuLog {
  readonly reads: LoggedRead[] = [];
  readonly lines: LoggedLine[] = [];
  readonly timer: TimerReading[] = [];
  readonly uptime: TimerReading[] = [];
  readonly #disks = new Map<string, number>();
  #lineControl = 0;
  #modemControl = 0;
  #lineStartUs = 0;
  #pending: number[] = [];
  #uptimeTicks = 0;

  add(logLine: string): void {
    const [, seconds, microseconds, name, text] = EVENT.exec(logLine) ?? [];
    if (name === undefined || text === undefined) return; // QEMU's own messages
    const hostUs = Number(seconds) * MICROSECONDS + Number(microseconds);
    if (name === "blk_co_preadv") this.#addRead(hostUs, text);
    else if (name === "serial_write") this.#addSerial(hostUs, text);
    else if (name === "monitor_qmp_respond") this.#addTimer(hostUs, text);
  }

  /** A line that was not ended counts too. */
  end(): void {
    this.#endLine();
  }

  #addRead(hostUs: number, text: string): void {
    const [, blockBackend, offset, length] = READ.exec(text) ?? [];
    if (blockBackend === undefined) return;
    const disk = this.#disks.get(blockBackend) ?? this.#disks.size;
    this.#disks.set(blockBackend, disk);
    this.reads.push({ hostUs, disk, offset: Number(offset), length: Number(length) });
  }

  #addSerial(hostUs: number, text: string): void {
    const [, address, value] = SERIAL.exec(text)?.map((digits) => Number.parseInt(digits, 16)) ?? [];
    if (address === undefined || value === undefined) return;
    if (address === UART.lineControl) this.#lineControl = value;
    if (address === UART.modemControl) this.#modemControl = value;
    const isData = (this.#lineControl & DIVISOR_ACCESS) === 0 && (this.#modemControl & LOOPBACK) === 0;
    if (address !== UART.data || !isData) return;
    if (this.#pending.length === 0) this.#lineStartUs = hostUs;
    if (value === LINE_FEED) this.#endLine(true);
    else this.#pending.push(value);
  }

  #endLine(isEmptyALine = false): void {
    if (this.#pending.length === 0 && !isEmptyALine) return;
    this.lines.push({ hostUs: this.#lineStartUs, bytes: Uint8Array.from(this.#pending) });
    this.#pending = [];
  }

  #addTimer(hostUs: number, text: string): void {
    const ticks = TIMER.exec(text)?.[1];
    if (ticks !== undefined) this.timer.push({ hostUs, ns: Number.parseInt(ticks, 16) * HPET_TICK_NS });
    const uptime = UPTIME.exec(text)?.[1];
    if (uptime !== undefined) this.#addUptime(hostUs, Number.parseInt(uptime, 16));
  }

  #addUptime(hostUs: number, ticks: number): void {
    // Higher bits are set where there is no timer yet.
    if (ticks >= UPTIME_WRAP) return;
    const before = this.#uptimeTicks;
    this.#uptimeTicks += (ticks - (before % UPTIME_WRAP) + UPTIME_WRAP) % UPTIME_WRAP;
    this.uptime.push({ hostUs, ns: Math.round(this.#uptimeTicks * UPTIME_TICK_NS) });
  }
}
