import { type ChildProcess, spawn } from "node:child_process";
import { ToolError, UsageError } from "../bytes/index.ts";
import { QEMU, qemuArguments } from "./qemu.ts";
import type { ConsoleLine, Machine, RunEnd, RunRecord } from "./types.ts";

export interface RunOptions {
  /** Ends the run when it says true of a line. */
  readonly until: (line: ConsoleLine) => boolean;
  readonly timeoutSeconds: number;
  readonly onLine?: ((line: ConsoleLine) => void) | undefined;
  /** Called when the run is over, before the machine is stopped: the time to ask its monitor. */
  readonly beforeStop?: (() => Promise<void>) | undefined;
}

const KERNEL_TIME = /^\[\s*(\d+\.\d+)\] /;
/** Colours and cursor movements, which systemd sends to its console. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with the control character ESC
const TERMINAL_SEQUENCE = /\x1b(?:\[[0-9;?]*[A-Za-z]|[()][0-9A-B]|[78=>cM])/g;

/**
 * Runs a machine until a line is seen, it ends by itself, or the time is over.
 * @throws UsageError when QEMU is not installed, ToolError when it does not start the machine.
 */
export async function runMachine(machine: Machine, options: RunOptions): Promise<RunRecord> {
  const qemu = spawn(QEMU, qemuArguments(machine), { stdio: ["ignore", "pipe", "pipe"] });
  const lines: ConsoleLine[] = [];
  const errors: string[] = [];
  qemu.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const end = await new Promise<RunEnd>((resolve, reject) => {
    const timer = setTimeout(() => resolve("timeout"), options.timeoutSeconds * 1000);
    qemu.once("error", (cause) => reject(cannotStart(cause)));
    qemu.once("close", (exitCode) => {
      clearTimeout(timer);
      if (lines.length > 0 || exitCode === 0) resolve("guest-ended");
      else reject(new ToolError(`Cannot run the machine: ${errors.join("").trim()}`, failureOf(qemu, exitCode, errors)));
    });
    readLines(qemu, (text) => {
      const line = parseLine(text);
      lines.push(line);
      options.onLine?.(line);
      if (options.until(line)) {
        clearTimeout(timer);
        resolve("reached");
      }
    });
  });
  if (end !== "guest-ended") {
    await options.beforeStop?.();
    await stop(qemu);
  }
  return { end, lines };
}

function parseLine(raw: string): ConsoleLine {
  const text = raw.replace(TERMINAL_SEQUENCE, "").replace(/\r/g, "");
  const seconds = KERNEL_TIME.exec(text)?.[1];
  return { text, seconds: seconds === undefined ? undefined : Number(seconds) };
}

function readLines(qemu: ChildProcess, onLine: (text: string) => void): void {
  let pending = "";
  qemu.stdout?.setEncoding("utf8").on("data", (text: string) => {
    const parts = (pending + text).split("\n");
    pending = parts.pop() ?? "";
    for (const part of parts) onLine(part);
  });
  qemu.stdout?.on("end", () => {
    if (pending !== "") onLine(pending);
  });
}

async function stop(qemu: ChildProcess): Promise<void> {
  if (qemu.exitCode !== null || qemu.signalCode !== null) return;
  const closed = new Promise((resolve) => qemu.once("close", resolve));
  qemu.kill("SIGKILL");
  await closed;
}

function cannotStart(cause: Error): Error {
  if (!("code" in cause) || cause.code !== "ENOENT") return cause;
  return new UsageError(`Cannot find ${QEMU}`, { hint: "install it, on Debian: apt install qemu-system-x86", cause });
}

function failureOf(qemu: ChildProcess, exitCode: number | null, errors: readonly string[]) {
  return { argv: qemu.spawnargs, exitCode, stderr: errors.join("") };
}
