/** One record of the kernel's log. */
export interface LogRecord {
  readonly level: number;
  readonly text: string;
  /** Nanoseconds since the kernel started. */
  readonly at: number;
}

const RECORD = /^<(\d+)>([^\n]*)\n?$/s;
/** printk_devkmsg=ratelimit, the default: so many lines for each time that /dev/kmsg was opened. */
export const LINES_AN_OPENING = 10;

/** The kernel's log and what a person sees of it. */
export class KernelLog {
  readonly records: LogRecord[] = [];
  /** Everything that appeared on the console. */
  console = "";
  /** Records of a lower level than this appear on the console: `loglevel=`. */
  consoleLevel: number;

  constructor(consoleLevel: number) {
    this.consoleLevel = consoleLevel;
  }

  /** One write(2) to /dev/kmsg. */
  write(bytes: Uint8Array, at: number): void {
    const message = Buffer.from(bytes).toString("latin1");
    const [, level = "4", text = message] = RECORD.exec(message) ?? [];
    const record = { level: Number(level), text, at };
    this.records.push(record);
    if (record.level < this.consoleLevel) this.console += `${text}\r\n`;
  }
}
