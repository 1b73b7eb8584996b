import type { ProgressListener } from "../build/index.ts";
import type { ByteSource } from "../bytes/index.ts";
import type { ListedEntry } from "./listing.ts";

/** A file to look at. */
export interface InspectedFile {
  readonly path: string;
  readonly source: ByteSource;
}

/** Entries that belong together: of one segment, or of one file system. */
export interface Listing {
  readonly title: string;
  readonly entries: readonly ListedEntry[];
}

/** What was found. */
export interface Inspection {
  /** The name of the format: "initramfs", "ddi" and so on. */
  readonly format: string;
  /** In a few words, for the first line. */
  readonly title: string;
  /** For people, after the first line. */
  readonly lines: readonly string[];
  /** The same for programs: plain values that JSON can hold. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** What a person should know although it could be read. */
  readonly warnings: readonly string[];
  /** What is not as it should be. */
  readonly problems: readonly string[];
  /** Its entries; undefined for what has none. */
  readonly list: (() => readonly Listing[]) | undefined;
  /** Everything, byte for byte, as text; undefined for what has no such description. */
  readonly dump: (() => string) | undefined;
  /**
   * Reads all of it and compares it with its hashes; returns what was verified, one line each. Undefined for what
   * has no hashes.
   * @throws FormatError that names the first fault.
   */
  readonly verify: ((progress: ProgressListener) => Promise<readonly string[]>) | undefined;
}

/** One format that can be inspected. */
export interface Reader {
  /** As in "known are: ...". */
  readonly what: string;
  /** Whether a file is of this format, from its first bytes (HEAD_BYTES, or all of a shorter file). */
  readonly matches: (head: Uint8Array, file: InspectedFile) => boolean;
  /** @throws FormatError when it cannot be read. */
  readonly inspect: (file: InspectedFile) => Inspection | Promise<Inspection>;
}
