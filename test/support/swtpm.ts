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

/** Starts a TPM 2.0 for programs of this machine, and returns how tpm2-tss finds it. */
export async function startTpmForPrograms(): Promise<string> {
  const folder = tempFolder();
  const socket = join(folder, "tpm");
  await start(
    [
      ...["--tpmstate", `dir=${folder}`, "--flags", "not-need-init,startup-clear"],
      ...["--server", `type=unixio,path=${socket}`, "--ctrl", `type=unixio,path=${socket}.ctrl`],
    ],
    socket,
  );
  return `swtpm:path=${socket}`;
}

/** Until the test is over. */
async function start(args: readonly string[], socket: string): Promise<void> {
  const program = findTool("swtpm");
  if (program === undefined) throw new Error("swtpm is not installed: run scripts/setup.sh");
  const tpm = spawn(program, ["socket", "--tpm2", ...args], { stdio: ["ignore", "inherit", "inherit"] });
  let ended: string | undefined;
  tpm.once("close", (status, signal) => {
    ended = `${status ?? signal}`;
  });
  onTestFinished(() => {
    tpm.kill();
  });
  while (!existsSync(socket)) {
    if (ended !== undefined) throw new Error(`swtpm ended with ${ended}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
