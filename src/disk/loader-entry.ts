import { UsageError } from "../bytes/index.ts";

/** A Boot Loader Specification entry of type #1 (UAPI.1): a kernel and what it boots with. Paths begin at the partition's root. */
export interface LoaderEntry {
  readonly title: string;
  readonly version: string;
  readonly sortKey: string;
  readonly architecture: string;
  readonly linux: string;
  readonly initrd: string;
  /** The kernel's command line. */
  readonly options: string;
}

/** Keys in the order in which they are written. */
const KEYS: Readonly<Record<keyof LoaderEntry, string>> = {
  title: "title",
  version: "version",
  sortKey: "sort-key",
  architecture: "architecture",
  linux: "linux",
  initrd: "initrd",
  options: "options",
};
const KEY_COLUMNS = 13;

// biome-ignore lint/suspicious/noControlCharactersInRegex: a line break would begin another key
const CONTROL_CHARACTER = /[\0-\x1f\x7f]/;

/**
 * The text of a file in /loader/entries.
 * @throws UsageError for a value that does not stand on one line.
 */
export function encodeLoaderEntry(entry: LoaderEntry): string {
  const lines = Object.entries(KEYS).flatMap(([name, key]) => {
    const value = entry[name as keyof LoaderEntry].trim();
    if (CONTROL_CHARACTER.test(value)) {
      throw new UsageError(`Cannot write ${JSON.stringify(value)} to a loader entry (${key})`, {
        hint: "write it on one line, without control characters",
      });
    }
    return value === "" ? [] : [`${key.padEnd(KEY_COLUMNS)}${value}\n`];
  });
  return lines.join("");
}
