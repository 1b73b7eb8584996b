import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { TestContext } from "vitest";

/** Where Debian keeps tools that a plain user's PATH leaves out. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/sbin", "/usr/lib/systemd"];

/** The path of a program, or undefined where it is not installed. */
export function findTool(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...SYSTEM_FOLDERS];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/**
 * The path of a foreign program that a test needs as its judge. Where it is missing, the test is skipped on a
 * person's machine and fails in CI: a judge that never sits proves nothing.
 */
export function requireTool(context: TestContext, name: string): string {
  const path = findTool(name);
  if (path !== undefined) return path;
  if (process.env["CI"] !== undefined) throw new Error(`${name} is not installed: run scripts/setup.sh`);
  return context.skip(`${name} is not installed`);
}

/** Runs a program to its end; output as text. Fails the test when the exit status is not 0, unless told otherwise. */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; input?: Uint8Array; expectFailure?: boolean } = {},
): { status: number | null; stdout: string; stderr: string } {
  const result = spawnSync(program, args, { cwd: options.cwd, input: options.input, maxBuffer: 1 << 30 });
  if (result.error !== undefined) throw result.error;
  const outcome = { status: result.status, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
  if (result.status !== 0 && options.expectFailure !== true) {
    throw new Error(`${program} ${args.join(" ")} exited with ${result.status}: ${outcome.stderr}${outcome.stdout}`);
  }
  return outcome;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return false;
    throw cause;
  }
}
