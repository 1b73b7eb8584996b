import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { onTestFinished } from "vitest";
import { type Machine, QEMU } from "../../src/vm/index.ts";
import { tempFolder } from "./temp.ts";

export function sampleMachine(given: Partial<Machine> = {}): Machine {
  return {
    kernel: "/kernel",
    initrd: "/initrd",
    commandLine: "quiet",
    disks: [],
    memoryMib: 512,
    cpus: 1,
    cpuModel: "max",
    countInstructions: false,
    serialFiles: [],
    ...given,
  };
}

export interface FakeQemu {
  /** Its arguments, when it has been started. */
  readonly args: () => string[];
  /** Whether the process that was started is still there. */
  readonly isRunning: () => boolean;
}

/** Puts a shell script in QEMU's place, until the test is over. */
export function fakeQemu(script: string): FakeQemu {
  const folder = tempFolder();
  const [program, args, pid] = [join(folder, QEMU), join(folder, "args"), join(folder, "pid")];
  // `exec` in a script keeps the process id: there is one process to end, as with the real one.
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" >'${args}'\necho $$ >'${pid}'\n${script}\n`);
  chmodSync(program, 0o755);
  usePath([folder, process.env["PATH"] ?? ""].join(delimiter));
  return {
    args: () => readFileSync(args, "utf8").trimEnd().split("\n"),
    isRunning: () => existsSync(`/proc/${readFileSync(pid, "utf8").trim()}`),
  };
}

/** Sets where programs are looked for, until the test is over. */
export function usePath(path: string): void {
  const before = process.env["PATH"];
  process.env["PATH"] = path;
  onTestFinished(() => {
    process.env["PATH"] = before;
  });
}
