import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { chunksOf, type PositionedSink, UsageError } from "../bytes/index.ts";
import { FileSource, systemReason } from "./files.ts";

/** The file that every folder written by lazyrd has. */
const MARKER = "manifest.json";

/** Bytes of the random part of a temporary folder's name: no two runs at the same time choose the same one. */
const RANDOM_BYTES = 6;

/**
 * A folder of files that appears complete or not at all: everything is written to a hidden folder beside it, made
 * durable, and renamed at the end.
 */
export class OutputFolder {
  readonly path: string;
  readonly #ownNames: readonly string[];
  readonly #temporary: string;
  /** The outermost of the parents that were not there, if any. */
  readonly #createdParent: string | undefined;

  /**
   * @param ownNames the names of all files that lazyrd writes: a folder with any other one is not touched
   * @throws UsageError when the place cannot be written, or something that is not lazyrd's stands there.
   */
  constructor(path: string, ownNames: readonly string[]) {
    // Of a link, what it points to is replaced, not the link.
    this.path = existsSync(path) ? realpathSync(path) : resolve(path);
    this.#ownNames = ownNames;
    checkReplaceable(this.path, ownNames);
    const parent = dirname(this.path);
    this.#temporary = join(parent, `.${basename(this.path)}-${randomBytes(RANDOM_BYTES).toString("hex")}`);
    try {
      this.#createdParent = mkdirSync(parent, { recursive: true });
      // The umask decides who may enter: an initrd can hold secrets.
      mkdirSync(this.#temporary);
    } catch (cause) {
      throw new UsageError(`Cannot write to ${parent}: ${systemReason(cause)}`, {
        hint: "choose another place with -o",
        cause,
      });
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

  /** Makes the symbolic link `name` to a file of this machine. */
  link(name: string, target: string): void {
    this.#guard(`write ${name}`, () => symlinkSync(resolve(target), join(this.#temporary, name)));
  }

  /**
   * Puts the folder in its place. A power cut before the rename leaves the old folder, at worst under its hidden
   * name; the sync of the parent makes the new one survive a power cut after it.
   */
  commit(): void {
    // Once more: since the first time somebody may have put something there.
    checkReplaceable(this.path, this.#ownNames);
    this.#guard("put the generation in place", () => {
      syncFolder(this.#temporary);
      const old = `${this.#temporary}.old`;
      const replaced = existsSync(this.path);
      if (replaced) renameSync(this.path, old);
      try {
        renameSync(this.#temporary, this.path);
      } catch (cause) {
        if (replaced) renameSync(old, this.path);
        throw cause;
      }
      syncFolder(dirname(this.path));
      if (replaced) rmSync(old, { recursive: true });
    });
  }

  /** Removes what was written so far, and the parents that were made for it. Does nothing once that is done, or committed. */
  discard(): void {
    if (!existsSync(this.#temporary)) return;
    rmSync(this.#temporary, { recursive: true, force: true });
    if (this.#createdParent === undefined) return;
    for (let folder = dirname(this.path); folder.startsWith(this.#createdParent); folder = dirname(folder)) {
      if (readdirSync(folder).length > 0) return; // somebody else uses it by now
      rmdirSync(folder);
    }
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

function checkReplaceable(path: string, ownNames: readonly string[]): void {
  let names: string[];
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
    names = readdirSync(path);
  } catch (cause) {
    throw new UsageError(`Cannot use ${path} as output folder: ${outputReason(cause)}`, {
      hint: "give a new or empty folder with -o",
      cause,
    });
  }
  const foreign = names.find((name) => !ownNames.includes(name)) ?? (names.includes(MARKER) ? undefined : names[0]);
  if (foreign === undefined) return;
  throw new UsageError(`Cannot use ${path} as output folder: it holds ${foreign}, which lazyrd did not write`, {
    hint: "give a new or empty folder with -o",
  });
}

function outputReason(cause: unknown): string {
  const isFile = cause instanceof Error && "code" in cause && cause.code === "ENOTDIR";
  return isFile ? "it is a file" : systemReason(cause);
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
