import { spawnSync } from "node:child_process";
import { ToolError, UsageError } from "../bytes/index.ts";
import { QEMU } from "./qemu.ts";

/** QEMU's version: "7.2.22". @throws UsageError when it is not installed, ToolError when it does not say. */
export function qemuVersion(): string {
  const argv = [QEMU, "--version"];
  const { error, status, stdout, stderr } = spawnSync(QEMU, ["--version"], { encoding: "utf8" });
  if (error !== undefined) throw cannotStart(error);
  const version = /version (\d[^\s()]*)/.exec(stdout)?.[1];
  if (version !== undefined) return version;
  throw new ToolError(`Cannot tell the version of ${QEMU}`, { argv, exitCode: status, stderr });
}

export function cannotStart(cause: Error): Error {
  if (!("code" in cause) || cause.code !== "ENOENT") return cause;
  return new UsageError(`Cannot find ${QEMU}`, { hint: "install it, on Debian: apt install qemu-system-x86", cause });
}
