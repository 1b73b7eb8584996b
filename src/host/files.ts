import { closeSync, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { type ByteSource, byteStringFrom, checkRange, FormatError, toText, UsageError } from "../bytes/index.ts";
import { readDescriptor } from "./descriptors.ts";

/**
 * The whole content of a file that a person named.
 * @throws UsageError when it cannot be read; `what` says what it was wanted as: "the kernel".
 */
export function readInput(path: string, what: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw cannotRead(path, what, cause);
  }
}

/** Whether a person named a folder, directly or by a link. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Puts the file's name in front of what was found wrong in it. */
export async function inFile<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    // What comes from the operating system names its file already.
    const isNamed = cause instanceof UsageError ? cause.message.includes(path) : !(cause instanceof FormatError);
    if (cause instanceof Error && !isNamed) cause.message = `${path}: ${cause.message}`;
    throw cause;
  }
}

/** An opened file as a ByteSource: nothing is in memory but what is being read. */
export class FileSource implements ByteSource {
  readonly path: string;
  readonly size: number;
  /** For other threads. */
  readonly descriptor: number;

  /**
   * @param path a Buffer where its bytes need not be text
   * @throws UsageError when the file cannot be opened; `what` says what it was wanted as.
   */
  constructor(path: string | Buffer, what: string) {
    this.path = typeof path === "string" ? path : toText(byteStringFrom(path));
    try {
      this.descriptor = openSync(path, "r");
    } catch (cause) {
      throw cannotRead(this.path, what, cause);
    }
    const status = fstatSync(this.descriptor);
    if (!status.isFile()) {
      closeSync(this.descriptor);
      const kind = status.isDirectory() ? "a folder" : "a device or pipe: copy it to a file first";
      throw new UsageError(`Cannot read ${what} ${this.path}: it is ${kind}`);
    }
    this.size = status.size;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, this.path);
    const buffer = new Uint8Array(length);
    this.readInto(offset, buffer);
    return buffer;
  }

  /** Fills `output` with what stands from `offset` on. */
  readInto(offset: number, output: Uint8Array): void {
    if (readDescriptor(this.descriptor, offset, output) === output.length) return;
    throw new UsageError(`Cannot read ${this.path}: it became shorter while it was being read`);
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** Whether there is a file that can be read from any place; says no to what cannot even be looked at. */
export function isRegularFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (cause) {
    systemReason(cause);
    return false;
  }
}

export function cannotRead(path: string, what: string, cause: unknown): UsageError {
  return new UsageError(`Cannot read ${what} ${path}: ${systemReason(cause)}`, { cause });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "no space is left on the device",
  EROFS: "the file system is read-only",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be larger than is allowed here",
  ELOOP: "too many symbolic links",
  EIO: "the device reports an input/output error",
};

/** What the operating system said, in words. Anything that is no system error is thrown on: it is a fault of ours. */
export function systemReason(cause: unknown): string {
  if (!(cause instanceof Error) || !("code" in cause) || typeof cause.code !== "string") throw cause;
  return REASONS[cause.code] ?? cause.code;
}
