import { spawn, spawnSync } from "node:child_process";
import { ToolError } from "../bytes/index.ts";

/** What a filter may print: a signature has some hundred bytes. */
const MAX_OUTPUT_BYTES = 1 << 20;

/** How a command ended. */
interface Ending {
  readonly status: number | null;
  readonly signal: string | null;
  readonly error?: Error | undefined;
}

/**
 * Runs a command line of the shell with `input` as its standard input and returns its standard output; its standard error is
 * the user's.
 * @throws ToolError when it ends with another exit status than 0.
 */
export function runFilter(command: string, input: Uint8Array): Uint8Array {
  const { stdout, ...ending } = spawnSync("sh", ["-c", command], {
    input,
    maxBuffer: MAX_OUTPUT_BYTES,
    stdio: ["pipe", "pipe", "inherit"],
  });
  requireSuccess(command, ending);
  return stdout;
}

/** The same while this thread goes on. */
export async function runFilterAside(command: string, input: Uint8Array): Promise<Uint8Array> {
  const child = spawn("sh", ["-c", command], { stdio: ["pipe", "pipe", "inherit"] });
  const output: Buffer[] = [];
  let outputBytes = 0;
  child.stdout.on("data", (part: Buffer) => {
    outputBytes += part.length;
    if (outputBytes > MAX_OUTPUT_BYTES) child.kill();
    else output.push(part);
  });
  let inputError: Error | undefined;
  child.stdin.on("error", (error) => {
    inputError = error;
  });
  child.stdin.end(input);
  const ending = await new Promise<Ending>((resolve) => {
    child.on("error", (error) => resolve({ status: null, signal: null, error }));
    child.on("close", (status, signal) => resolve({ status, signal, error: inputError }));
  });
  requireSuccess(command, ending);
  return Buffer.concat(output);
}

function requireSuccess(command: string, { status, signal, error }: Ending): void {
  // A command that does not read all of its input is judged by its exit status.
  const cause = error !== undefined && "code" in error && error.code === "EPIPE" ? undefined : error;
  if (cause === undefined && status === 0) return;
  const reason = cause?.message ?? (status === null ? `signal ${signal}` : `exit status ${status}`);
  const argv = ["sh", "-c", command];
  throw new ToolError(`Cannot run ${command}: ${reason}`, { argv, exitCode: status, stderr: "", cause });
}
