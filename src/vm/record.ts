import { createReadStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { UsageError } from "../bytes/index.ts";
import { onInterrupt } from "../host/index.ts";
import { parseConsoleLine } from "./console.ts";
import { alignReadings, type ClockPoint, GuestClock, risingPoints } from "./guest-clock.ts";
import { Monitor } from "./monitor.ts";
import { QEMU } from "./qemu.ts";
import { type LoggedLine, type QemuLog, QemuLogReader, TIMER_COMMAND } from "./qemu-log.ts";
import { type RunOptions, runMachine } from "./run.ts";
import type { Machine, Recording } from "./types.ts";

/** Between two looks at the guest's timer: some 2 ms of the guest's time pass meanwhile. */
const TIMER_PAUSE_MS = 10;
const NS_PER_SECOND = 1e9;

/**
 * Runs a machine like `runMachine` and records what it reads of its disks. The guest is the same as without: QEMU
 * writes its trace events to a file, and the guest's time is read from a timer that the machine has anyway.
 * @throws UsageError when this QEMU cannot record, and as `runMachine`.
 */
export async function recordMachine(machine: Machine, options: RunOptions): Promise<Recording> {
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  const stopListening = onInterrupt(removeFolder);
  try {
    const [traceLog, monitorSocket] = [join(folder, "log"), join(folder, "monitor")];
    let isOver = false;
    const running = runMachine({ ...machine, traceLog, monitorSocket }, options).finally(() => {
      isOver = true;
    });
    const [{ end, lines }] = await Promise.all([running, readTimer(monitorSocket, () => isOver)]);
    return { end, ...timed(await readLog(traceLog), lines.length) };
  } finally {
    stopListening();
    removeFolder();
  }
}

/** Asks for the guest's time again and again; the answers stand in QEMU's log. */
async function readTimer(socket: string, isOver: () => boolean): Promise<void> {
  const monitor = await Monitor.connect(socket, isOver);
  while (monitor !== undefined && !isOver()) {
    const isAnswered = await monitor.tryExecute("human-monitor-command", { "command-line": TIMER_COMMAND });
    if (!isAnswered) return;
    await delay(TIMER_PAUSE_MS);
  }
}

async function readLog(path: string): Promise<QemuLog> {
  const log = new QemuLogReader();
  if (!existsSync(path)) return log;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    log.add(line);
  }
  log.end();
  return log;
}

/** @param lineCount of the run: what QEMU logged behind its last line came while QEMU was being stopped. */
function timed(log: QemuLog, lineCount: number): Pick<Recording, "lines" | "reads"> {
  if (log.lines.length === 0 && lineCount > 0) {
    throw new UsageError(`Cannot record what the machine reads: this ${QEMU} writes no trace events to a log`, {
      hint: 'use one that was built with the trace backend "log", as Debian\'s is',
    });
  }
  const logged = log.lines.slice(0, lineCount).map((line) => ({ ...line, ...parseConsoleLine(textOf(line)) }));
  const stamped = risingPoints(
    logged.flatMap(({ hostUs, seconds }): ClockPoint[] => {
      return seconds === undefined ? [] : [{ hostUs, guestNs: Math.round(seconds * NS_PER_SECOND) }];
    }),
  );
  const readings = log.timer.map(({ hostUs, ns }) => ({ hostUs, guestNs: ns }));
  const clock = new GuestClock([...stamped, ...alignReadings(readings, stamped)].sort((a, b) => a.hostUs - b.hostUs));
  const endUs = logged.length < log.lines.length ? logged.at(-1)?.hostUs : undefined;
  return {
    lines: logged.map(({ text, seconds, hostUs }) => ({ text, seconds, ns: clock.guestNs(hostUs) })),
    reads: log.reads
      .filter(({ hostUs }) => endUs === undefined || hostUs <= endUs)
      .map(({ hostUs, ...read }) => ({ ns: clock.guestNs(hostUs), ...read })),
  };
}

function textOf({ bytes }: LoggedLine): string {
  return Buffer.from(bytes).toString("utf8");
}
