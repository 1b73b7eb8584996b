import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { chunksOf, type PositionedSink, UsageError } from "../bytes/index.ts";
import { FileSource, systemReason } from "./files.ts";

/** The name that marks a folder as one that lazyrd wrote and may therefore replace. */
const MARKER = "manifest.json";

const FOLDER_PERMISSIONS = 0o755;

/**
 * A folder of files that appears complete or not at all: everything is written to a hidden folder beside it, made
 * durable, and renamed at the end.
 */
export class OutputFolder {
  readonly path: string;
  readonly #temporary: string;

  /** @throws UsageError when the place cannot be written, or something that is not lazyrd's stands there. */
  constructor(path: string) {
    this.path = resolve(path);
    checkReplaceable(this.path);
    const parent = dirname(this.path);
    try {
      mkdirSync(parent, { recursive: true });
      this.#temporary = mkdtempSync(join(parent, `.${basename(this.path)}-`));
      chmodSync(this.#temporary, FOLDER_PERMISSIONS); // mkdtemp keeps others out
    } catch (cause) {
      throw new UsageError(`Cannot write to ${parent}: ${systemReason(cause)}`, { cause });
    }
  }

  /** @throws UsageError when fewer than `bytes` are free: said before anything is written. */
  requireSpace(bytes: number): void {
    const { bavail, bsize } = statfsSync(this.#temporary);
    const free = bavail * bsize;
    if (free >= bytes) return;
    throw new UsageError(`Cannot write ${megabytes(bytes)} to ${this.path}: only ${megabytes(free)} are free`, {
      hint: "make room there, or choose another place with -o",
    });
  }

  write(name: string, content: Uint8Array): void {
    this.writePositioned(name, (sink) => sink.writeAt(0, content));
  }

  /** Makes the file `name` of whatever `fill` writes, in any order. */
  writePositioned<T>(name: string, fill: (sink: PositionedSink) => T): T {
    return this.#guard(`write ${name}`, () => {
      const file = openSync(join(this.#temporary, name), "wx", 0o644);
      try {
        ftruncateSync(file, 0);
        const result = fill({
          writeAt: (offset, bytes) => this.#guard(`write ${name}`, () => writeFully(file, offset, bytes)),
        });
        fsyncSync(file);
        return result;
      } finally {
        closeSync(file);
      }
    });
  }

  /** SHA-256, in hexadecimal, of a file that was written. */
  digest(name: string): string {
    const source = new FileSource(join(this.#temporary, name), "the output");
    try {
      const hash = createHash("sha256");
      for (const chunk of chunksOf(source)) hash.update(chunk);
      return hash.digest("hex");
    } finally {
      source.close();
    }
  }

  link(name: string, target: string): void {
    symlinkSync(resolve(target), join(this.#temporary, name));
  }

  /**
   * Puts the folder in its place. A power cut before the rename leaves the old folder; the sync of the parent makes
   * the new one survive a power cut after it.
   */
  commit(): void {
    this.#guard("put in place", () => {
      syncFolder(this.#temporary);
      const old = `${this.#temporary}.old`;
      const replaced = existsSync(this.path);
      if (replaced) renameSync(this.path, old);
      renameSync(this.#temporary, this.path);
      syncFolder(dirname(this.path));
      if (replaced) rmSync(old, { recursive: true });
    });
  }

  /** Removes what was written so far. */
  discard(): void {
    rmSync(this.#temporary, { recursive: true, force: true });
  }

  #guard<T>(action: string, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      if (!(cause instanceof Error) || !("code" in cause) || !("syscall" in cause)) throw cause;
      throw new UsageError(`Cannot ${action} in ${this.path}: ${systemReason(cause)}`, {
        hint: "make room there, or choose another place with -o",
        cause,
      });
    }
  }
}

function checkReplaceable(path: string): void {
  if (!existsSync(path)) return;
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (cause) {
    throw new UsageError(`Cannot use ${path} as output folder: ${systemReason(cause)}`, { cause });
  }
  if (names.length === 0 || names.includes(MARKER)) return;
  throw new UsageError(`Cannot use ${path} as output folder: it holds files that lazyrd did not write`, {
    hint: "give a new or empty folder with -o",
  });
}

function writeFully(file: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, offset + done);
  }
}

function syncFolder(path: string): void {
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
