import { alignUp, byteStringFrom, type Field, FormatError, hex, toHex, toText } from "../../bytes/index.ts";
import { FILE_TYPE_BITS, FILE_TYPE_MASK } from "../../tree/index.ts";
import type { CpioArchive, CpioEntry, CpioRange, SkippedEntry } from "./entry.ts";
import {
  ALIGNMENT,
  FIRST_BYTE,
  hex8At,
  MAGIC_NEWC,
  MAGIC_NEWC_CHECKSUM,
  MAGIC_ODC,
  MAX_ENTRIES,
  MAX_NAME_BYTES,
  MAX_TARGET_BYTES,
  NewcHeader,
  TRAILER,
} from "./layout.ts";

const FORMAT = "cpio";
const FIELDS = NewcHeader.fields;

/**
 * All entries of `bytes`: newc archives (070701 and 070702), one after another, with NUL padding between them, as the
 * kernel's init/initramfs.c reads what a compressed segment holds. Entries' data are views, nothing is copied.
 * @throws FormatError with the offset of the fault: damaged or truncated entries, wrong checksums, junk, other formats.
 */
export function parseCpio(bytes: Uint8Array): CpioArchive {
  const { archive, next } = scanCpio(bytes, { stopAfterTrailer: false });
  if (next < bytes.length) {
    const message = `Cannot read an entry: expected an entry or NUL bytes, got the bytes ${shown(bytes, next)}`;
    throw new FormatError(message, { format: FORMAT, offset: next });
  }
  return { ...archive, bytes };
}

/**
 * The entries from the start of `bytes` until something follows that is no entry (or, when told to, until the first
 * trailer); `next` is where that is. The archive's bytes end with its last entry.
 */
export function scanCpio(
  bytes: Uint8Array,
  { stopAfterTrailer }: { stopAfterTrailer: boolean },
): { archive: CpioArchive; next: number } {
  const entries: CpioEntry[] = [];
  const trailers: CpioRange[] = [];
  const skipped: SkippedEntry[] = [];
  let offset = 0;
  let end = 0;
  for (;;) {
    while (bytes[offset] === 0) offset++;
    if (bytes[offset] !== FIRST_BYTE) break;
    if (offset % ALIGNMENT !== 0) {
      throw new FormatError("Cannot read an entry: the padding before it is not a multiple of 4 bytes", {
        format: FORMAT,
        offset,
      });
    }
    const record = parseRecord(bytes, offset);
    end = record.end;
    offset = end;
    if ("reason" in record) skipped.push(record);
    else if (isTrailer(record)) {
      trailers.push({ offset: record.offset, end: record.end });
      if (stopAfterTrailer) break;
    } else entries.push(record);
    if (entries.length + skipped.length + trailers.length > MAX_ENTRIES) {
      throw new FormatError(`Cannot read more than ${MAX_ENTRIES} entries`, { format: FORMAT, offset });
    }
  }
  return { archive: { bytes: bytes.subarray(0, end), entries, trailers, skipped }, next: offset };
}

/** The kernel compares the name only where it would create something other than a symlink. */
function isTrailer(entry: CpioEntry): boolean {
  return entry.name === TRAILER && (entry.mode & FILE_TYPE_MASK) !== FILE_TYPE_BITS.symlink;
}

function parseRecord(bytes: Uint8Array, offset: number): CpioEntry | SkippedEntry {
  const dataStart = offset + NewcHeader.size;
  if (dataStart > bytes.length) throw truncated(offset, bytes, "header");
  const hasChecksum = checkMagic(bytes, offset);
  const number = (field: Field<number>): number => {
    const value = hex8At(bytes, offset + field.offset);
    if (value < 0) throw notHex(field, offset);
    return value;
  };
  const mode = number(FIELDS.mode);
  const namesize = number(FIELDS.namesize);
  const filesize = number(FIELDS.filesize);
  const check = number(FIELDS.check);
  const numbers = {
    ino: number(FIELDS.ino),
    mode,
    uid: number(FIELDS.uid),
    gid: number(FIELDS.gid),
    nlink: number(FIELDS.nlink),
    mtime: number(FIELDS.mtime),
    devMajor: number(FIELDS.devmajor),
    devMinor: number(FIELDS.devminor),
    rdevMajor: number(FIELDS.rdevmajor),
    rdevMinor: number(FIELDS.rdevminor),
  };
  const dataOffset = alignUp(dataStart + namesize, ALIGNMENT);
  const dataEnd = dataOffset + filesize;
  const end = alignUp(dataEnd, ALIGNMENT);
  if (dataOffset > bytes.length) throw truncated(offset, bytes, "namesize");
  if (dataEnd > bytes.length) throw truncated(offset, bytes, "filesize");
  // The last entry's padding may be missing: writers that are no cpio stop after the data.
  const range = { offset, end: Math.min(end, bytes.length) };

  const type = mode & FILE_TYPE_MASK;
  const isSymlink = type === FILE_TYPE_BITS.symlink;
  if (namesize === 0 || namesize > MAX_NAME_BYTES) {
    return { ...range, name: "", reason: `its name of ${namesize} bytes is not between 1 and ${MAX_NAME_BYTES}` };
  }
  const nameEnd = dataStart + namesize;
  // NULs within the name field end the name early: some writers align the data so.
  const firstNul = bytes.indexOf(0, dataStart);
  if (bytes[nameEnd - 1] !== 0) {
    throw new FormatError("Cannot read an entry: its name does not end with NUL", {
      format: FORMAT,
      offset: nameEnd - 1,
      field: "namesize",
    });
  }
  const name = byteStringFrom(bytes.subarray(dataStart, firstNul));
  if (isSymlink && filesize > MAX_TARGET_BYTES) {
    return { ...range, name, reason: `its target of ${filesize} bytes is longer than ${MAX_TARGET_BYTES}` };
  }
  if (!isSymlink && type !== FILE_TYPE_BITS.file && filesize > 0) {
    return { ...range, name, reason: `it is no regular file, yet has ${filesize} bytes of data` };
  }
  const data = bytes.subarray(dataOffset, dataEnd);
  if (hasChecksum && type === FILE_TYPE_BITS.file) checkSum(check, data, name, offset);
  return { offset, end: range.end, name, ...numbers, dataOffset, data };
}

/** Whether the entry at `offset` carries a checksum. */
function checkMagic(bytes: Uint8Array, offset: number): boolean {
  const magic = byteStringFrom(bytes.subarray(offset, offset + MAGIC_NEWC.length));
  if (magic === MAGIC_NEWC) return false;
  if (magic === MAGIC_NEWC_CHECKSUM) return true;
  const hint =
    magic === MAGIC_ODC
      ? "this is the old portable format: pack with cpio -H newc"
      : `expected ${MAGIC_NEWC} or ${MAGIC_NEWC_CHECKSUM}, got the bytes ${shown(bytes, offset)}`;
  throw new FormatError(`Cannot read an entry: ${hint}`, { format: FORMAT, offset, field: "magic" });
}

function notHex(field: Field<number>, headerOffset: number): FormatError {
  const [name] = Object.entries(FIELDS).find(([, candidate]) => candidate === field) ?? [];
  return new FormatError("Cannot read an entry: expected eight hexadecimal digits", {
    format: FORMAT,
    offset: headerOffset + field.offset,
    field: name,
  });
}

function checkSum(expected: number, data: Uint8Array, name: string, offset: number): void {
  let sum = 0;
  for (const byte of data) sum = (sum + byte) >>> 0;
  if (sum !== expected) {
    const message = `Cannot read ${toText(name)}: expected data that add up to ${hex(expected)}, got ${hex(sum)}`;
    throw new FormatError(message, { format: FORMAT, offset, field: "check" });
  }
}

function shown(bytes: Uint8Array, offset: number): string {
  return toHex(bytes.subarray(offset, offset + MAGIC_NEWC.length));
}

function truncated(offset: number, bytes: Uint8Array, field: string): FormatError {
  return new FormatError(`Cannot read an entry: the archive ends after ${bytes.length} bytes, within it`, {
    format: FORMAT,
    offset,
    field,
  });
}
