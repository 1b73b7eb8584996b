import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { UsageError } from "../bytes/index.ts";
import { ScratchFile } from "./descriptors.ts";
import { guardOutput, requireFreeSpace, syncFolder } from "./durable.ts";
import { systemReason } from "./files.ts";
import { WrittenFile } from "./written-file.ts";

/** The file that every folder written by lazyrd has. */
const MARKER = "manifest.json";

const SCRATCH_NAME = "scratch";

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
  readonly #files: WrittenFile[] = [];

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
    requireFreeSpace(this.#temporary, this.path, bytes);
  }

  write(name: string, content: Uint8Array): void {
    const file = this.create(name);
    file.writeAt(0, content);
    file.syncNow();
    file.close();
  }

  /** Opens the new file `name`, for the caller to fill, sync and close. */
  create(name: string): WrittenFile {
    const file = new WrittenFile(join(this.#temporary, name), `write ${name} in ${this.path}`);
    this.#files.push(file);
    return file;
  }

  /** A file beside those that will be in the folder. */
  scratchFile(): ScratchFile {
    return this.#guard("make a scratch file", () => new ScratchFile(join(this.#temporary, SCRATCH_NAME)));
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
    for (const file of this.#files) file.close();
    if (this.#createdParent === undefined) return;
    for (let folder = dirname(this.path); folder.startsWith(this.#createdParent); folder = dirname(folder)) {
      if (readdirSync(folder).length > 0) return; // somebody else uses it by now
      rmdirSync(folder);
    }
  }

  #guard<T>(action: string, work: () => T): T {
    return guardOutput(`${action} in ${this.path}`, work);
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
