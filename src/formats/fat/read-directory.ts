import { type ByteString, FormatError, fromText, toText } from "../../bytes/index.ts";
import {
  ATTRIBUTE,
  ATTRIBUTE_LONG_NAME,
  ATTRIBUTE_LONG_NAME_MASK,
  DirectoryEntry,
  FORMAT,
  LOWER_CASE_BASE,
  LOWER_CASE_EXTENSION,
  NAME_E5,
  NAME_END,
  NAME_FREE,
} from "./layout.ts";
import { LongNameReader } from "./long-name.ts";
import { decodeOem, decodeShortName, shortNameChecksum } from "./short-name.ts";
import { decodeTime } from "./time.ts";

/** An entry as its directory holds it. */
export interface RawEntry {
  readonly name: ByteString;
  /** As text, `LONGNA~1.TXT`. */
  readonly shortName: string;
  readonly attributes: number;
  readonly firstCluster: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of the short entry, in the directory. */
  readonly position: number;
}

export interface ParsedDirectory {
  readonly entries: readonly RawEntry[];
  /** The volume's, where this is the root directory. */
  readonly label: string | undefined;
  readonly warnings: readonly string[];
}

interface Context {
  readonly isRoot: boolean;
  readonly hasHighCluster: boolean;
  /** For messages. */
  readonly path: ByteString;
  /** Where a byte of the directory stands in the volume. */
  readonly offsetOf: (position: number) => number;
}

const HIGH_SHIFT = 16;
const LONE_SURROGATE = /\p{Cs}/u;

/**
 * Takes a directory apart; "." and ".." are left out.
 * @throws FormatError for names that no file can have, and for one that stands twice.
 */
export function parseDirectory(bytes: Uint8Array, context: Context): ParsedDirectory {
  const entries = new Map<ByteString, RawEntry>();
  const warnings: string[] = [];
  const warn = (what: string): void => {
    warnings.push(`/${toText(context.path)}: ${what}`);
  };
  const longName = new LongNameReader();
  let label: string | undefined;
  for (let position = 0; position + DirectoryEntry.size <= bytes.length; position += DirectoryEntry.size) {
    const entry = bytes.subarray(position, position + DirectoryEntry.size);
    if (entry[0] === NAME_END) break;
    if (entry[0] === NAME_FREE) {
      longName.clear();
      continue;
    }
    const fields = DirectoryEntry.parse(entry);
    if ((fields.DIR_Attr & ATTRIBUTE_LONG_NAME_MASK) === ATTRIBUTE_LONG_NAME) {
      if (!longName.add(entry)) warn("a part of a long name belongs to no file and is passed over");
      continue;
    }
    const hadLongName = longName.isPending;
    const long = longName.take(shortNameChecksum(fields.DIR_Name));
    if (hadLongName && long === undefined) warn("a long name does not belong to the file behind it and is passed over");
    if ((fields.DIR_Attr & ATTRIBUTE.VOLUME_ID) !== 0) {
      if (context.isRoot) label ??= decodeOem(fields.DIR_Name);
      continue;
    }
    const shortName = shortNameOf(fields);
    if (!context.isRoot && (shortName === "." || shortName === "..")) continue;
    const text = long ?? shortName;
    const name = fromText(text);
    if (LONE_SURROGATE.test(text)) warn(`the name ${toText(name)} is not Unicode and was changed where it is not`);
    checkName(name, context.offsetOf(position));
    if (entries.has(name)) fail(`Cannot use two entries of the name ${toText(name)}`, context.offsetOf(position));
    entries.set(name, {
      name,
      shortName,
      attributes: fields.DIR_Attr,
      firstCluster: fields.DIR_FstClusLO + (context.hasHighCluster ? fields.DIR_FstClusHI * 2 ** HIGH_SHIFT : 0),
      size: fields.DIR_FileSize,
      mtime: decodeTime(fields.DIR_WrtDate, fields.DIR_WrtTime),
      position,
    });
  }
  return { entries: [...entries.values()], label, warnings };
}

function shortNameOf({ DIR_Name, DIR_NTRes }: { DIR_Name: Uint8Array; DIR_NTRes: number }): string {
  const bytes = Uint8Array.from(DIR_Name);
  if (bytes[0] === NAME_E5) bytes[0] = NAME_FREE;
  return decodeShortName(bytes, {
    base: (DIR_NTRes & LOWER_CASE_BASE) !== 0,
    extension: (DIR_NTRes & LOWER_CASE_EXTENSION) !== 0,
  });
}

/** A name must not lead anywhere else when somebody unpacks the volume. */
function checkName(name: ByteString, offset: number): void {
  if (name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name)) return;
  fail(`Cannot use the name ${JSON.stringify(toText(name))}: no file can have it`, offset);
}

function fail(message: string, offset: number): never {
  throw new FormatError(message, { format: FORMAT, offset });
}
