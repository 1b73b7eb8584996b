import { spawnSync } from "node:child_process";
import { renameSync } from "node:fs";
import { ToolError, UsageError } from "../bytes/index.ts";

const QEMU_IMG = "qemu-img";

/** @throws UsageError when the program that makes such images is not installed. */
export function requireQemuImg(): void {
  runQemuImg(["--version"]);
}

/**
 * Makes a raw image a qcow2 one, in its place.
 * @throws UsageError when qemu-img is not installed, ToolError when it fails.
 */
export function convertToQcow2(path: string): void {
  const converted = `${path}.qcow2`;
  runQemuImg(["convert", "-f", "raw", "-O", "qcow2", path, converted]);
  renameSync(converted, path);
}

function runQemuImg(args: readonly string[]): void {
  const argv = [QEMU_IMG, ...args];
  const { status, stderr, error } = spawnSync(QEMU_IMG, args, { encoding: "utf8" });
  if (error !== undefined) {
    if (!("code" in error) || error.code !== "ENOENT") throw error;
    throw new UsageError(`Cannot find ${QEMU_IMG}`, {
      hint: "install it, on Debian: apt install qemu-utils; or leave out --qcow2",
      cause: error,
    });
  }
  if (status === 0) return;
  const reason = stderr.trim().split("\n").at(-1) || `exit status ${status}`;
  throw new ToolError(`Cannot make a qcow2 image: ${reason}`, { argv, exitCode: status, stderr });
}
