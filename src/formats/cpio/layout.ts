import { ascii, type Field, type StructOf, struct } from "../../bytes/index.ts";

const HEX_DIGITS = 8;
const NOT_A_DIGIT = -1;
const DIGIT_VALUES = Int8Array.from({ length: 256 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? NOT_A_DIGIT : value;
});

/**
 * The number that the eight hexadecimal digits at `offset` stand for, or -1 where one is no digit. Parsing a header is
 * little else than this, so it works on the bytes directly.
 */
export function hex8At(bytes: Uint8Array, offset: number): number {
  let value = 0;
  for (let at = offset; at < offset + HEX_DIGITS; at++) {
    const digit = DIGIT_VALUES[bytes[at] as number] as number;
    if (digit === NOT_A_DIGIT) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** A number as eight hexadecimal digits. Reading takes upper and lower case; writing gives upper, as GNU cpio does. */
const hex8 = (offset: number): Field<number> => ({
  offset,
  size: HEX_DIGITS,
  get: (view) => hex8At(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), offset),
  set: (view, value) => {
    const digits = value.toString(16).toUpperCase().padStart(HEX_DIGITS, "0");
    for (let at = 0; at < HEX_DIGITS; at++) view.setUint8(offset + at, digits.charCodeAt(at));
  },
});

/** The header of an entry (Documentation/driver-api/early-userspace/buffer-format.rst). */
export const NewcHeader = struct("newc header", 110, {
  magic: ascii(0, 6),
  ino: hex8(6),
  mode: hex8(14),
  uid: hex8(22),
  gid: hex8(30),
  nlink: hex8(38),
  mtime: hex8(46),
  filesize: hex8(54),
  devmajor: hex8(62),
  devminor: hex8(70),
  rdevmajor: hex8(78),
  rdevminor: hex8(86),
  namesize: hex8(94),
  check: hex8(102),
});
export type NewcHeader = StructOf<typeof NewcHeader>;

export const MAGIC_NEWC = "070701";
/** The same with `check` filled in: the sum of all bytes of the data. */
export const MAGIC_NEWC_CHECKSUM = "070702";
/** The older format with octal fields: `cpio -o` without `-H newc`. */
export const MAGIC_ODC = "070707";

/** The first byte of every header, by which the kernel knows an archive that is not compressed. */
export const FIRST_BYTE = 0x30;

/** Headers and data start at multiples of this, counted from the start of the archive. */
export const ALIGNMENT = 4;

/** The name of the entry that ends an archive, and with it the inode numbers' meaning. */
export const TRAILER = "TRAILER!!!";

/** PATH_MAX: the kernel skips entries with longer names (the NUL counts) and symlinks with longer targets. */
export const MAX_NAME_BYTES = 4096;
export const MAX_TARGET_BYTES = 4096;

export const MAX_FIELD = 0xffff_ffff;

/** More entries than any file system that goes into memory; each costs some hundred bytes when parsed. */
export const MAX_ENTRIES = 1 << 22;

/** The largest typed array of Node.js 20. */
export const MAX_ARCHIVE_BYTES = 2 ** 32;

/** An initrd has a handful of segments; a unified kernel image adds one for each credential and extension. */
export const MAX_SEGMENTS = 1 << 12;

// Bootconfig at the end of the buffer (Documentation/admin-guide/bootconfig.rst): text, padding, size, checksum, magic.
export const BOOTCONFIG_MAGIC = "#BOOTCONFIG\n";
/** XBC_DATA_MAX */
export const MAX_BOOTCONFIG_BYTES = 32767;
/** Loaders may pad what they load to 4 bytes, after the magic. */
export const MAX_BOOTCONFIG_PADDING = 3;

/** Where the kernel looks before it unpacks anything (find_cpio_data): such a segment must come first, uncompressed. */
export const EARLY_PREFIXES = ["kernel/x86/microcode/", "kernel/firmware/acpi/"] as const;
/** dracut's and mkinitcpio's mark in such a segment. */
export const EARLY_MARK = "early_cpio";

/** Directories of the archive that is built into every kernel (usr/default_cpio_list): they are there before ours. */
export const BUILT_IN_DIRECTORIES: ReadonlyMap<string, number> = new Map([
  ["dev", 0o755],
  ["root", 0o700],
]);
