import { spawnSync } from "node:child_process";
import { ToolError, UsageError } from "../bytes/index.ts";
import type { Tree } from "../tree/index.ts";

/** mke2fs(8) by the place that Debian has it in, which is not in everybody's search path. */
const PROGRAM = "/usr/sbin/mke2fs";
const BLOCK_BYTES = 4096;
/** Tables and journal, and room for what a system writes at a boot. */
const FREE_BYTES = 256 << 20;
const FREE_INODES = 16_384;
/** The same for the same folder. */
const UUID = "6c617a79-7264-4265-8e63-680000000001";
const EPOCH_SECONDS = "1";

/**
 * Makes an ext4 of a folder, with room to write to.
 * @param tree the same folder, for its size
 * @throws UsageError when mke2fs is not installed, ToolError when it fails.
 */
export function makeExt4(folder: string, tree: Tree, path: string): void {
  let [bytes, entries] = [FREE_BYTES, FREE_INODES];
  for (const { node } of tree.walk()) {
    entries++;
    bytes += node.kind === "file" ? Math.ceil(node.content.size / BLOCK_BYTES) * BLOCK_BYTES : BLOCK_BYTES;
  }
  const extended = `hash_seed=${UUID},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0`;
  const args = ["-q", "-t", "ext4", "-U", UUID, "-E", extended, "-b", String(BLOCK_BYTES), "-N", String(entries)];
  const argv = [PROGRAM, ...args, "-d", folder, path, `${Math.ceil(bytes / 1024)}k`];
  const { status, stderr, error } = spawnSync(PROGRAM, argv.slice(1), {
    encoding: "utf8",
    env: { ...process.env, E2FSPROGS_FAKE_TIME: EPOCH_SECONDS },
  });
  if (error !== undefined) throw cannotStart(error);
  if (status === 0) return;
  const reason = stderr.trim().split("\n").at(-1) || `exit status ${status}`;
  throw new ToolError(`Cannot make a file system of ${folder}: ${reason}`, { argv, exitCode: status, stderr });
}

function cannotStart(cause: Error): Error {
  if (!("code" in cause) || cause.code !== "ENOENT") return cause;
  return new UsageError(`Cannot make a file system that can be written to: there is no ${PROGRAM}`, {
    hint: "install it, on Debian: apt install e2fsprogs; or give the image of a root file system instead of a folder",
    cause,
  });
}
