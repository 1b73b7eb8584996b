import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { ToolError } from "../bytes/index.ts";
import { onInterrupt } from "../host/index.ts";
import { parseConsoleLine } from "./console.ts";
import { QEMU, qemuArguments } from "./qemu.ts";
import type { ConsoleLine, FirmwareMachine, Machine, RunEnd, RunRecord } from "./types.ts";
import { cannotStart } from "./version.ts";

export interface RunOptions {
  /** Ends the run when it says true of a line. */
  readonly until: (line: ConsoleLine) => boolean;
  readonly timeoutSeconds: number;
  /** Called with the process that runs the machine. */
  readonly onStart?: ((pid: number) => void) | undefined;
  readonly onLine?: ((line: ConsoleLine) => void) | undefined;
  /** What is typed at the guest's console, each once. */
  readonly answers?: readonly ConsoleAnswer[] | undefined;
  /** Called when the run is over, before the machine is stopped: the time to ask its monitor. */
  readonly beforeStop?: (() => Promise<void>) | undefined;
}

/** What is typed once the console shows the prompt, which need not end its line. */
export interface ConsoleAnswer {
  readonly prompt: RegExp;
  readonly text: string;
}

type Qemu = ChildProcessByStdio<Writable, Readable, Readable>;

/** The longest that a timer of Node's can take; with more it would end at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs a machine until a line is seen, it ends by itself, or the time is over. The record ends there too, so that it
 * does not depend on how long it takes to stop the machine.
 * @throws UsageError when QEMU is not installed, ToolError when it refuses the machine or breaks down.
 */
export async function runMachine(machine: Machine | FirmwareMachine, options: RunOptions): Promise<RunRecord> {
  const qemu = spawn(QEMU, qemuArguments(machine), { stdio: ["pipe", "pipe", "pipe"] });
  const stopListening = onInterrupt(() => qemu.kill("SIGKILL"));
  try {
    if (qemu.pid !== undefined) options.onStart?.(qemu.pid);
    const lines: ConsoleLine[] = [];
    const end = await waitForEnd(qemu, options, lines);
    if (end !== "guest-ended") await options.beforeStop?.();
    return { end, lines };
  } finally {
    stopListening();
    await stop(qemu);
  }
}

/** Adds to `lines` until the run is over. */
async function waitForEnd(qemu: Qemu, options: RunOptions, lines: ConsoleLine[]): Promise<RunEnd> {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  let stderr = "";
  qemu.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  try {
    return await new Promise<RunEnd>((resolve, reject) => {
      timer = setTimeout(() => resolve("timeout"), Math.min(options.timeoutSeconds * 1000, MAX_TIMER_MS));
      qemu.once("error", (cause) => reject(cannotStart(cause)));
      qemu.once("close", (exitCode) => {
        if (exitCode === 0) resolve("guest-ended");
        else reject(cannotRun(qemu, exitCode, stderr));
      });
      readLines(qemu, (text) => {
        if (isOver) return;
        const line = parseConsoleLine(text);
        lines.push(line);
        options.onLine?.(line);
        isOver = options.until(line);
        if (isOver) resolve("reached");
      });
      if (options.answers !== undefined) answerPrompts(qemu, options.answers);
    });
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}

/** More than the longest prompt, with lines of the kernel that come in between. */
const LISTENS_BACK_CHARACTERS = 4096;

function answerPrompts(qemu: Qemu, answers: readonly ConsoleAnswer[]): void {
  const left = [...answers];
  let heard = "";
  qemu.stdout.on("data", (text: string) => {
    heard = (heard + text).slice(-LISTENS_BACK_CHARACTERS);
    const asked = left.findIndex(({ prompt }) => prompt.test(heard));
    if (asked < 0) return;
    heard = "";
    for (const answer of left.splice(asked, 1)) qemu.stdin.write(answer.text);
  });
  qemu.stdin.on("error", () => {
    // A machine may end before it has read that: how it ended is what counts.
  });
}

function readLines(qemu: Qemu, onLine: (text: string) => void): void {
  let pending = "";
  qemu.stdout.setEncoding("utf8").on("data", (text: string) => {
    const parts = (pending + text).split("\n");
    pending = parts.pop() ?? "";
    for (const part of parts) onLine(part);
  });
  qemu.stdout.on("end", () => {
    if (pending !== "") onLine(pending);
  });
}

async function stop(qemu: Qemu): Promise<void> {
  if (qemu.pid === undefined || qemu.exitCode !== null || qemu.signalCode !== null) return;
  const closed = new Promise((resolve) => qemu.once("close", resolve));
  qemu.kill("SIGKILL");
  await closed;
}

/** QEMU says last what made it end; warnings may stand before that. */
function cannotRun(qemu: Qemu, exitCode: number | null, stderr: string): ToolError {
  const ending = exitCode === null ? `signal ${qemu.signalCode}` : `exit status ${exitCode}`;
  const reason = stderr.trim().split("\n").at(-1) || `${QEMU} ended with ${ending}`;
  return new ToolError(`Cannot run the machine: ${reason}`, { argv: qemu.spawnargs, exitCode, stderr });
}
