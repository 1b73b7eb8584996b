import { createReadStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { UsageError } from "../bytes/index.ts";
import { onInterrupt } from "../host/index.ts";
import { parseConsoleLine } from "./console.ts";
import { alignReadings, type ClockPoint, GuestClock, risingPoints } from "./guest-clock.ts";
import { GuestMemory } from "./guest-memory/index.ts";
import { showsMilestone } from "./milestones.ts";
import { Monitor } from "./monitor.ts";
import { QEMU } from "./qemu.ts";
import { type LoggedLine, type QemuLog, QemuLogReader, TIMER_COMMAND, UPTIME_COMMAND } from "./qemu-log.ts";
import { type RunOptions, runMachine } from "./run.ts";
import type { ConsoleLine, FirmwareMachine, LoaderUse, Machine, Recording } from "./types.ts";

/** Between two looks at the guest's timer: some 2 ms of the guest's time pass meanwhile. */
const TIMER_PAUSE_MS = 10;
const NS_PER_SECOND = 1e9;

export interface RecordOptions extends Omit<RunOptions, "onStart"> {
  /** Says true of the lines at which memory is to be looked at. */
  readonly looksAtMemory?: ((line: ConsoleLine) => boolean) | undefined;
}

/**
 * Runs a machine like `runMachine` and records what it reads of its disks. The guest is the same as without: QEMU
 * writes its trace events to a file, and the guest's time is read from a timer that the machine has anyway.
 * @throws UsageError when this QEMU cannot record, and as `runMachine`.
 */
export async function recordMachine(machine: Machine | FirmwareMachine, options: RecordOptions): Promise<Recording> {
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  const stopListening = onInterrupt(removeFolder);
  try {
    const [traceLog, monitorSocket] = [join(folder, "log"), join(folder, "monitor")];
    let isOver = false;
    const hasFirmware = "firmware" in machine;
    const recorded = { ...machine, traceLog, monitorSocket, sharesMemory: options.looksAtMemory !== undefined };
    const watch = new MemoryWatch(machine.memoryMib, options.looksAtMemory);
    const running = runMachine(recorded, { ...options, ...watch.listeners(options) }).finally(() => {
      isOver = true;
      watch.close();
    });
    const commands = [TIMER_COMMAND, ...(hasFirmware ? [UPTIME_COMMAND] : [])];
    const [{ end, lines }] = await Promise.all([running, readTimers(monitorSocket, commands, () => isOver)]);
    const log = withoutFlash(await readLog(traceLog), hasFirmware ? FLASH_DRIVES : 0);
    const course = timed(log, lines.length);
    const memory = watch.samples.map(({ line, usedBytes }) => ({ line, usedBytes, ns: course.lines[line]?.ns ?? 0 }));
    return { end, ...course, memory, loader: hasFirmware ? loaderUse(log, course.lines) : undefined };
  } finally {
    stopListening();
    removeFolder();
  }
}

/** Looks at the machine's memory at some of its lines, while it runs on. */
class MemoryWatch {
  readonly samples: { readonly line: number; readonly usedBytes: number }[] = [];
  readonly #memoryMib: number;
  readonly #isWanted: RecordOptions["looksAtMemory"];
  #memory: GuestMemory | undefined;
  #qemuPid: number | undefined;
  #line = 0;

  constructor(memoryMib: number, isWanted: RecordOptions["looksAtMemory"]) {
    this.#memoryMib = memoryMib;
    this.#isWanted = isWanted;
  }

  listeners({ onLine }: RecordOptions): Pick<RunOptions, "onStart" | "onLine"> {
    if (this.#isWanted === undefined) return {};
    return {
      onStart: (pid) => {
        this.#qemuPid = pid;
      },
      onLine: (line) => {
        this.#look(line);
        onLine?.(line);
      },
    };
  }

  close(): void {
    this.#memory?.close();
  }

  #look(line: ConsoleLine): void {
    // Early enough that the first look is not held up by the search.
    const isWanted = this.#isWanted?.(line) === true;
    if (isWanted || showsMilestone(line, "unpack")) {
      if (this.#qemuPid !== undefined) this.#memory ??= GuestMemory.open(this.#qemuPid, this.#memoryMib);
      this.#memory?.prepare();
    }
    const usedBytes = isWanted ? this.#memory?.usedBytes() : undefined;
    if (usedBytes !== undefined) this.samples.push({ line: this.#line, usedBytes });
    this.#line++;
  }
}

/** Asks for the guest's time again and again; the answers stand in QEMU's log. */
async function readTimers(socket: string, commands: readonly string[], isOver: () => boolean): Promise<void> {
  const monitor = await Monitor.connect(socket, isOver);
  while (monitor !== undefined && !isOver()) {
    for (const command of commands) {
      const isAnswered = await monitor.tryExecute("human-monitor-command", { "command-line": command });
      if (!isAnswered) return;
    }
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
  const kernelUs = kernelStartUs(log);
  const endUs = logged.length < log.lines.length ? logged.at(-1)?.hostUs : undefined;
  return {
    lines: logged.map(({ text, seconds, hostUs }) => ({ text, seconds, ns: clock.guestNs(hostUs) })),
    reads: log.reads
      .filter(({ hostUs }) => hostUs >= kernelUs && (endUs === undefined || hostUs <= endUs))
      .map(({ hostUs, ...read }) => ({ ns: clock.guestNs(hostUs), ...read })),
  };
}

/** Where firmware and its variables are: QEMU reads both when it starts, before any disk. */
const FLASH_DRIVES = 2;

function withoutFlash(log: QemuLog, drives: number): QemuLog {
  const reads = log.reads.filter(({ disk }) => disk >= drives).map((read) => ({ ...read, disk: read.disk - drives }));
  return { lines: log.lines, timer: log.timer, uptime: log.uptime, reads };
}

/** What is read before the kernel's first word is read by firmware and loader, and by QEMU itself. */
function kernelStartUs({ lines }: QemuLog): number {
  const first = lines.find((line) => parseConsoleLine(textOf(line)).seconds !== undefined) ?? lines[0];
  return first?.hostUs ?? 0;
}

/** @param lines of the same log, with the guest's time */
function loaderUse(log: QemuLog, lines: Recording["lines"]): LoaderUse {
  const startUs = kernelStartUs(log);
  const reads = log.reads.filter(({ hostUs }) => hostUs < startUs);
  return {
    requests: reads.length,
    bytes: reads.reduce((sum, { length }) => sum + length, 0),
    ns: kernelStartNs(log, lines),
  };
}

/**
 * When the kernel's clock began, by the timer that runs from the machine's start. Lines that the kernel kept until it had a
 * console come late, none comes early: the one that puts it earliest is right.
 */
function kernelStartNs({ lines: logged, uptime }: QemuLog, lines: Recording["lines"]): number | undefined {
  const [first, last] = [uptime[0], uptime.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const clock = new GuestClock(uptime.map(({ hostUs, ns }) => ({ hostUs, guestNs: ns })));
  const isUserSpace = lines.findIndex((line) => showsMilestone(line, "first-stage"));
  const kernelLines = lines.slice(0, isUserSpace === -1 ? lines.length : isUserSpace);
  const starts = kernelLines.flatMap(({ seconds }, index) => {
    const hostUs = logged[index]?.hostUs ?? 0;
    if (seconds === undefined || hostUs < first.hostUs || hostUs > last.hostUs) return [];
    return [clock.guestNs(hostUs) - Math.round(seconds * NS_PER_SECOND)];
  });
  return starts.length === 0 ? undefined : starts.reduce((least, ns) => Math.min(least, ns));
}

function textOf({ bytes }: LoggedLine): string {
  return Buffer.from(bytes).toString("utf8");
}
