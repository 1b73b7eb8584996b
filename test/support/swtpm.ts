import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { tempFolder } from "./temp.ts";
import { findTool } from "./tools.ts";

const POLL_MS = 20;

/**
 * Starts a TPM 2.0 for one machine, which ends when the machine does, and returns its control socket.
 * @param state a folder: machines that are given the same one after each other have the same TPM, switched on again
 */
export async function startTpm(state: string): Promise<string> {
  // The path of a socket may have some hundred bytes only: not below the state, which may lie deep.
  const socket = join(tempFolder(), "tpm");
  await start(["--terminate", "--tpmstate", `dir=${state}`, "--ctrl", `type=unixio,path=${socket}`], socket);
  return socket;
}

/** A TPM for programs of this machine. */
export interface ProgramsTpm {
  /** As tpm2-tss names it. */
  readonly device: string;
  readonly state: string;
  /** Ends it, so that its state can be another one's. */
  readonly stop: () => Promise<void>;
}

/** Starts a TPM 2.0 that is new, until it is stopped or the test is over. */
export async function startTpmForPrograms(): Promise<ProgramsTpm> {
  const [state, socket] = [tempFolder(), join(tempFolder(), "tpm")];
  const stop = await start(
    [
      ...["--tpmstate", `dir=${state}`, "--flags", "not-need-init,startup-clear"],
      ...["--server", `type=unixio,path=${socket}`, "--ctrl", `type=unixio,path=${socket}.ctrl`],
    ],
    socket,
  );
  return { device: `swtpm:path=${socket}`, state, stop };
}

/** Returns what ends it before the test does. */
async function start(args: readonly string[], socket: string): Promise<() => Promise<void>> {
  const program = findTool("swtpm");
  if (program === undefined) throw new Error("swtpm is not installed: run scripts/setup.sh");
  const tpm = spawn(program, ["socket", "--tpm2", ...args], { stdio: ["ignore", "inherit", "pipe"] });
  let isOver = false;
  const closed = new Promise<void>((resolve) => {
    tpm.once("close", () => {
      isOver = true;
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    tpm.kill();
    await closed;
  };
  onTestFinished(stop);
  while (!existsSync(socket)) {
    if (isOver) throw new Error(`swtpm ended: ${String(tpm.stderr.read())}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return stop;
}
