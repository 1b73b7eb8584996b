import type { ByteString } from "../../bytes/index.ts";

/** A stretch of an archive, from `offset` up to `end`. */
export interface CpioRange {
  /** Where its header starts. */
  readonly offset: number;
  /** After its data and their padding: where the next header may start. */
  readonly end: number;
}

export interface CpioEntry extends CpioRange {
  /** As stored: mostly without a leading slash; "." is the root directory. */
  readonly name: ByteString;
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** Where `data` starts in the archive. */
  readonly dataOffset: number;
  /** File content or symlink target: a view into the archive. */
  readonly data: Uint8Array;
}

/** An entry that the kernel passes over without creating anything. */
export interface SkippedEntry extends CpioRange {
  readonly name: ByteString;
  readonly reason: string;
}

/** One or more archives, one after another, as the kernel reads them from one stream. */
export interface CpioArchive {
  readonly bytes: Uint8Array;
  readonly entries: readonly CpioEntry[];
  /** The TRAILER!!! entries. Inode numbers mean something else before and after one. */
  readonly trailers: readonly CpioRange[];
  readonly skipped: readonly SkippedEntry[];
}
