import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { UsageError } from "../bytes/index.ts";
import { syncFolder } from "./durable.ts";
import { systemReason } from "./files.ts";

/** Bytes of the random part of a temporary name. */
const RANDOM_BYTES = 6;

/** A file of a new folder. */
export interface NewFile {
  readonly name: string;
  readonly content: Uint8Array;
  /** Permissions, whatever the umask allows more. */
  readonly mode: number;
}

/**
 * Makes a folder that only its owner may enter, complete or not at all.
 * @throws UsageError when there is one already (an empty one is taken), or it cannot be written.
 */
export function createPrivateFolder(path: string, files: readonly NewFile[]): void {
  const target = resolve(path);
  const temporary = temporaryName(target);
  try {
    mkdirSync(dirname(target), { recursive: true });
    mkdirSync(temporary, { mode: 0o700 });
    for (const { name, content, mode } of files) writeDurably(join(temporary, name), content, mode);
    syncFolder(temporary);
    // Refused by the kernel where something is in the way: nothing can come between a check and this.
    renameSync(temporary, target);
    syncFolder(dirname(target));
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    const isTaken = cause instanceof Error && "code" in cause && ["ENOTEMPTY", "EEXIST"].includes(String(cause.code));
    const reason = isTaken ? "it exists and is not empty" : systemReason(cause);
    throw new UsageError(`Cannot make the folder ${path}: ${reason}`, { hint: "give a new folder", cause });
  }
}

function temporaryName(target: string): string {
  return join(dirname(target), `.${basename(target)}-${randomBytes(RANDOM_BYTES).toString("hex")}`);
}

function writeDurably(path: string, content: Uint8Array, mode: number): void {
  const file = openSync(path, "wx", mode);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
