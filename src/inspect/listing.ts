import { type ByteString, byteStringFrom, toText } from "../bytes/index.ts";
import type { CpioEntry } from "../formats/cpio/index.ts";
import type { ErofsEntry } from "../formats/erofs/index.ts";
import { kindOfMode, type Node, PERMISSIONS_MASK } from "../tree/index.ts";

/** An entry as a listing shows it; the same for every format. */
export interface ListedEntry {
  readonly path: ByteString;
  /** Undefined where the mode names no kind of file. */
  readonly kind: Node["kind"] | undefined;
  readonly permissions: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  readonly target: ByteString | undefined;
}

export function listedCpioEntry(entry: CpioEntry): ListedEntry {
  const kind = kindOfMode(entry.mode);
  const isDevice = kind === "character-device" || kind === "block-device";
  return {
    path: entry.name,
    kind,
    permissions: entry.mode & PERMISSIONS_MASK,
    links: entry.nlink,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.data.length,
    mtime: entry.mtime,
    device: isDevice ? { major: entry.rdevMajor, minor: entry.rdevMinor } : undefined,
    target: kind === "symlink" ? byteStringFrom(entry.data) : undefined,
  };
}

export function listedErofsEntry(entry: ErofsEntry): ListedEntry {
  return { ...entry, path: entry.path === "" ? "." : entry.path };
}

/** As `ls -l` begins its lines. */
const KIND_LETTERS: Readonly<Record<Node["kind"], string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  "character-device": "c",
  "block-device": "b",
  fifo: "p",
  socket: "s",
};

/** Entries as `ls -ln` shows them, times in UTC. */
export function listingLines(entries: readonly ListedEntry[]): string[] {
  const columns = entries.map((entry) => ({
    entry,
    links: String(entry.links),
    owner: `${entry.uid} ${entry.gid}`,
    size: entry.device === undefined ? String(entry.size) : `${entry.device.major}, ${entry.device.minor}`,
  }));
  const widest = (of: (column: (typeof columns)[number]) => string): number =>
    columns.reduce((width, column) => Math.max(width, of(column).length), 0);
  const links = widest((column) => column.links);
  const owner = widest((column) => column.owner);
  const size = widest((column) => column.size);
  return columns.map((column) =>
    [
      modeText(column.entry),
      column.links.padStart(links),
      column.owner.padEnd(owner),
      column.size.padStart(size),
      timeText(column.entry.mtime),
      nameText(column.entry),
    ].join(" "),
  );
}

/** The entries as plain values. */
export function listingFacts(entries: readonly ListedEntry[]): object[] {
  return entries.map(({ path, kind, permissions, links, uid, gid, size, mtime, device, target }) => ({
    path: toText(path),
    kind: kind ?? "unknown",
    mode: permissions.toString(8).padStart(4, "0"),
    links,
    uid,
    gid,
    sizeBytes: size,
    mtime,
    ...(device === undefined ? {} : { device: `${device.major}:${device.minor}` }),
    ...(target === undefined ? {} : { target: toText(target) }),
  }));
}

const SPECIAL_BITS: readonly { bit: number; place: number; set: string; alone: string }[] = [
  { bit: 0o4000, place: 2, set: "s", alone: "S" },
  { bit: 0o2000, place: 5, set: "s", alone: "S" },
  { bit: 0o1000, place: 8, set: "t", alone: "T" },
];
const RIGHTS = "rwxrwxrwx";

function modeText({ kind, permissions }: ListedEntry): string {
  const letters = [...RIGHTS].map((letter, index) =>
    (permissions & (1 << (RIGHTS.length - 1 - index))) === 0 ? "-" : letter,
  );
  for (const { bit, place, set, alone } of SPECIAL_BITS) {
    if ((permissions & bit) !== 0) letters[place] = letters[place] === "x" ? set : alone;
  }
  return (kind === undefined ? "?" : KIND_LETTERS[kind]) + letters.join("");
}

const MS_PER_SECOND = 1000;
/** ECMA-262, 21.4.1.1: a Date holds no more. */
const MAX_DATE_MS = 8.64e15;

function timeText(mtime: number): string {
  const ms = mtime * MS_PER_SECOND;
  return Math.abs(ms) > MAX_DATE_MS ? `@${mtime}` : new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}

function nameText({ path, target }: ListedEntry): string {
  return target === undefined ? toText(path) : `${toText(path)} -> ${toText(target)}`;
}
