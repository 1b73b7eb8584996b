import { closeSync, fsyncSync, openSync, statfsSync, writeSync } from "node:fs";
import { UsageError } from "../bytes/index.ts";
import { MOST_BYTES_AT_ONCE } from "./descriptors.ts";
import { systemReason } from "./files.ts";

const ELSEWHERE = "make room there, or choose another place with -o";

/**
 * Said before anything is written.
 * @param folder one that is there, on the file system in question
 * @param shown what the person named
 * @throws UsageError when fewer than `bytes` are free.
 */
export function requireFreeSpace(folder: string, shown: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new UsageError(`Cannot write ${megabytes(bytes)} to ${shown}: only ${megabytes(free)} are free`, {
    hint: ELSEWHERE,
  });
}

/** Tells in words what the operating system has against `work`; `action` is what was tried: "write plan in /srv". */
export function guardOutput<T>(action: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || !("syscall" in cause)) throw cause;
    throw new UsageError(`Cannot ${action}: ${systemReason(cause)}`, { hint: ELSEWHERE, cause });
  }
}

/** Writes all of `bytes` to `offset` of an open file. */
export function writeFully(descriptor: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, Math.min(bytes.length - done, MOST_BYTES_AT_ONCE), offset + done);
  }
}

/** Makes what was renamed in a folder survive a power cut. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
