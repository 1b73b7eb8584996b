import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ToolError, UsageError } from "../bytes/index.ts";
import { onInterrupt } from "./interrupt.ts";

/** As initrd generators call them (dracut.sh, mkinitramfs): what the kernel unpacks is a subset of what these write. */
const PACKERS = {
  bzip2: { argv: ["bzip2", "-9"], debianPackage: "bzip2" },
  lzma: { argv: ["xz", "--format=lzma", "-6"], debianPackage: "xz-utils" },
  // The kernel knows no other checksum (Documentation/staging/xz.rst).
  xz: { argv: ["xz", "--check=crc32", "--lzma2=dict=1MiB"], debianPackage: "xz-utils" },
  lzo: { argv: ["lzop", "-9"], debianPackage: "lzop" },
  lz4: { argv: ["lz4", "-l", "-9", "-c"], debianPackage: "lz4" },
} as const;

/** Formats that lazyrd reads and leaves the writing of to their own programs. */
export type PackedByTool = keyof typeof PACKERS;

/** @throws UsageError when the program is not installed, ToolError when it fails. */
export function packWithTool(bytes: Uint8Array, method: PackedByTool): Uint8Array {
  const { argv, debianPackage } = PACKERS[method];
  const [program, ...args] = argv;
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-pack-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  const stopListening = onInterrupt(removeFolder);
  const [from, to] = [join(folder, "in"), join(folder, "out")];
  try {
    // Through files: what a pipe brings must fit into one buffer of Node's.
    writeFileSync(from, bytes);
    const files = [openSync(from, "r"), openSync(to, "wx")] as const;
    const { status, stderr, error } = spawnSync(program, args, { stdio: [...files, "pipe"], encoding: "utf8" });
    for (const file of files) closeSync(file);
    if (error !== undefined) throw cannotStart(error, program, debianPackage);
    if (status === 0) return readFileSync(to);
    const reason = stderr.trim().split("\n").at(-1) || `exit status ${status}`;
    throw new ToolError(`Cannot pack with ${program}: ${reason}`, { argv: [...argv], exitCode: status, stderr });
  } finally {
    stopListening();
    removeFolder();
  }
}

function cannotStart(cause: Error, program: string, debianPackage: string): Error {
  if (!("code" in cause) || cause.code !== "ENOENT") return cause;
  return new UsageError(`Cannot pack: there is no ${program}`, {
    hint: `install it, on Debian: apt install ${debianPackage}`,
    cause,
  });
}
