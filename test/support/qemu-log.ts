/** What a machine did, as QEMU's trace events tell it, in order. */
export type MachineEvent =
  | { readonly line: string }
  | { readonly read: readonly [offset: number, length: number]; readonly disk?: number }
  /** What the machine's timer says, in nanoseconds. */
  | { readonly timerNs: number }
  /** Anything else that QEMU logs, as it is. */
  | { readonly raw: string };

/** Of the host's clock; every event comes a millisecond after the one before. */
export const LOG_START_US = 1_000_000_000;
export const EVENT_GAP_US = 1000;

const MICROSECONDS = 1_000_000;
const TICK_NS = 10;

/** A log as QEMU 7.2 writes it with -msg timestamp=on: each line one event. */
export function qemuLog(events: readonly MachineEvent[]): string {
  return events
    .flatMap((event, index) => {
      const hostUs = LOG_START_US + index * EVENT_GAP_US;
      const seconds = Math.floor(hostUs / MICROSECONDS);
      const head = `77@${seconds}.${String(hostUs % MICROSECONDS).padStart(6, "0")}`;
      return textsOf(event).map((text) => `${head}:${text}\n`);
    })
    .join("");
}

function textsOf(event: MachineEvent): string[] {
  if ("raw" in event) return [event.raw];
  if ("timerNs" in event) {
    const ticks = (event.timerNs / TICK_NS).toString(16).padStart(16, "0");
    return [`monitor_qmp_respond mon 0x55 resp: {"return": "00000000fed000f0: 0x${ticks}\\r\\n"}`];
  }
  if ("read" in event) {
    const [offset, length] = event.read;
    return [`blk_co_preadv blk 0x${event.disk ?? 1}0 bs 0x20 offset ${offset} bytes ${length} flags 0x8`];
  }
  return [...Buffer.from(`${event.line}\n`)].map((byte) => `serial_write write addr 0x00 val 0x${byte.toString(16)}`);
}

/** What the machine has on its console. */
export function consoleOf(events: readonly MachineEvent[]): string {
  return events.flatMap((event) => ("line" in event ? [`${event.line}\n`] : [])).join("");
}

/** A script for `fakeQemu`: a machine that does this and then stands still, or ends. */
export function scriptOf(events: readonly MachineEvent[], { ends = false }: { readonly ends?: boolean } = {}): string {
  return [
    'if [ "$1" = --version ]; then echo "QEMU emulator version 7.2.22 (Debian)"; exit 0; fi',
    'log=/dev/null; while [ $# -gt 0 ]; do [ "$1" = -D ] && log=$2; shift; done',
    `cat >"$log" <<'LOG-END'\n${qemuLog(events)}LOG-END`,
    `cat <<'LOG-END'\n${consoleOf(events)}LOG-END`,
    ends ? "exit 0" : "exec sleep 1000000",
  ].join("\n");
}
