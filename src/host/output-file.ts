import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, ftruncateSync, lstatSync, openSync, realpathSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type PositionedSink, UsageError } from "../bytes/index.ts";
import { guardOutput, requireFreeSpace, syncFolder, writeFully } from "./durable.ts";

/** Bytes of the random part of a temporary file's name: no two runs at the same time choose the same one. */
const RANDOM_BYTES = 6;

/** A file that appears complete or not at all: written beside its place, made durable, and renamed at the end. */
export class OutputFile {
  readonly path: string;
  /** Where it is until then, for programs that write it. */
  readonly temporary: string;
  readonly #force: boolean;

  /** @throws UsageError when something stands there that may not be replaced: without `force`, anything. */
  constructor(path: string, { force }: { readonly force: boolean }) {
    this.#force = force;
    const status = lstatSync(path, { throwIfNoEntry: false });
    // Of a link, what it points to is replaced, not the link.
    this.path = status === undefined ? resolve(path) : guardOutput(`use ${path}`, () => realpathSync(path));
    this.temporary = join(dirname(this.path), `.${basename(this.path)}-${randomBytes(RANDOM_BYTES).toString("hex")}`);
    this.#checkReplaceable();
  }

  /** @throws UsageError when fewer than `bytes` are free. */
  requireSpace(bytes: number): void {
    guardOutput(`write to ${dirname(this.path)}`, () => requireFreeSpace(dirname(this.path), this.path, bytes));
  }

  /** Makes the file of `sizeBytes`; zeroes, and what `fill` does not write, take no room on the disk. */
  writeSparse(sizeBytes: number, fill: (sink: PositionedSink) => void): void {
    this.#guard(() => {
      const file = openSync(this.temporary, "wx", 0o644);
      try {
        ftruncateSync(file, sizeBytes);
        fill(sparseSink({ writeAt: (offset, bytes) => this.#guard(() => writeFully(file, offset, bytes)) }));
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
    });
  }

  /** Puts the file in its place. A power cut leaves the old one or the new one, never a part. */
  commit(): void {
    // Once more: since the first time somebody may have put something there.
    this.#checkReplaceable();
    this.#guard(() => {
      renameSync(this.temporary, this.path);
      syncFolder(dirname(this.path));
    });
  }

  /** Removes what was written so far. Does nothing once that is done, or committed. */
  discard(): void {
    rmSync(this.temporary, { force: true });
  }

  #checkReplaceable(): void {
    const status = lstatSync(this.path, { throwIfNoEntry: false });
    if (status === undefined) return;
    if (!status.isFile()) {
      throw new UsageError(
        `Cannot write to ${this.path}: it is ${status.isDirectory() ? "a folder" : "no regular file"}`,
        {
          hint: "give the name of a new file with -o",
        },
      );
    }
    if (this.#force) return;
    throw new UsageError(`Cannot write to ${this.path}: there is such a file`, {
      hint: "give another name with -o, or replace it with --force",
    });
  }

  #guard<T>(work: () => T): T {
    return guardOutput(`write ${this.path}`, work);
  }
}

/** File systems keep holes in units of their blocks: 4 KiB almost everywhere. */
const HOLE_BYTES = 4096;
const ZEROES = new Uint8Array(HOLE_BYTES);

/** Leaves out the blocks that are zero: for a new file, whose bytes are zero already. */
function sparseSink(output: PositionedSink): PositionedSink {
  return {
    writeAt(offset, bytes) {
      let start = 0; // of what has been looked at and must be written
      let end = 0;
      const flush = (): void => {
        if (end > start) output.writeAt(offset + start, bytes.subarray(start, end));
      };
      while (end < bytes.length) {
        const next = Math.min(bytes.length, end + HOLE_BYTES - ((offset + end) % HOLE_BYTES));
        const isZero = Buffer.compare(bytes.subarray(end, next), ZEROES.subarray(0, next - end)) === 0;
        if (isZero) {
          flush();
          start = next;
        }
        end = next;
      }
      flush();
    },
  };
}
