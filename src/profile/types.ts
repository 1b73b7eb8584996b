import type { ByteString } from "../bytes/index.ts";

/** Files are read in pages: a profile counts in units of this size. */
export const PROFILE_UNIT_BYTES = 4096;

/** A range of a file that was read, or, where it is empty (`start` and `end` both 0), an inode that was looked up. */
export interface ProfileEntry {
  /** Without a leading slash, "" for the root, without symlinks on the way: a place in a `Tree`. */
  readonly path: ByteString;
  /** In bytes. */
  readonly start: number;
  /** Behind the last byte; may lie behind the file's end. */
  readonly end: number;
}

/** What a boot read, in the order in which it did so. */
export interface Profile {
  readonly entries: readonly ProfileEntry[];
}
