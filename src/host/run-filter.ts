import { spawnSync } from "node:child_process";
import { ToolError } from "../bytes/index.ts";

/** What a filter may print: a signature has some hundred bytes. */
const MAX_OUTPUT_BYTES = 1 << 20;

/**
 * Runs a command line of the shell with `input` as its standard input and returns its standard output; its standard error is
 * the user's.
 * @throws ToolError when it ends with another exit status than 0.
 */
export function runFilter(command: string, input: Uint8Array): Uint8Array {
  const argv = ["sh", "-c", command];
  const { status, signal, stdout, error } = spawnSync("sh", ["-c", command], {
    input,
    maxBuffer: MAX_OUTPUT_BYTES,
    stdio: ["pipe", "pipe", "inherit"],
  });
  // A command that does not read all of its input is judged by its exit status.
  const cause = error !== undefined && "code" in error && error.code === "EPIPE" ? undefined : error;
  if (cause === undefined && status === 0) return stdout;
  const reason = cause?.message ?? (status === null ? `signal ${signal}` : `exit status ${status}`);
  throw new ToolError(`Cannot run ${command}: ${reason}`, { argv, exitCode: status, stderr: "", cause });
}
