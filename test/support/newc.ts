/** Fields of a hand-made entry; what is left out is zero. */
export interface RawEntry {
  name?: string;
  data?: string | Uint8Array;
  mode?: number;
  ino?: number;
  uid?: number;
  gid?: number;
  nlink?: number;
  mtime?: number;
  devMajor?: number;
  devMinor?: number;
  rdevMajor?: number;
  rdevMinor?: number;
  check?: number;
  magic?: string;
  /** The name field with its NUL, where it should not simply be `name` and one NUL. */
  nameField?: string;
  filesize?: number;
}

const pad = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);

/** An entry built without lazyrd's writer, so that tests of the reader do not lean on it. */
export function rawEntry(entry: RawEntry): Buffer {
  const nameField = Buffer.from(entry.nameField ?? `${entry.name ?? ""}\0`, "latin1");
  const data = Buffer.from(entry.data ?? "");
  const numbers = [
    entry.ino ?? 0,
    entry.mode ?? 0o100644,
    entry.uid ?? 0,
    entry.gid ?? 0,
    entry.nlink ?? 1,
    entry.mtime ?? 0,
    entry.filesize ?? data.length,
    entry.devMajor ?? 0,
    entry.devMinor ?? 0,
    entry.rdevMajor ?? 0,
    entry.rdevMinor ?? 0,
    nameField.length,
    entry.check ?? 0,
  ];
  const header = (entry.magic ?? "070701") + numbers.map((value) => value.toString(16).padStart(8, "0")).join("");
  return Buffer.concat([pad(Buffer.concat([Buffer.from(header), nameField])), pad(data)]);
}

export const TRAILER_ENTRY = rawEntry({ name: "TRAILER!!!", mode: 0 });

/** Entries and a trailer. */
export function rawArchive(...entries: readonly RawEntry[]): Uint8Array {
  return new Uint8Array(Buffer.concat([...entries.map(rawEntry), TRAILER_ENTRY]));
}

export const DIRECTORY_MODE = 0o040755;
export const SYMLINK_MODE = 0o120777;
