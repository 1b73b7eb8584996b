import { type ByteSource, FormatError, hex, toSafeNumber } from "../../bytes/index.ts";
import { kindOfMode, type Node, PERMISSIONS_MASK } from "../../tree/index.ts";
import {
  CompactInode,
  ExtendedInode,
  FORMAT,
  I_FORMAT_EXTENDED,
  I_FORMAT_KNOWN,
  I_FORMAT_LAYOUT_MASK,
  I_FORMAT_LAYOUT_SHIFT,
  INODE_SLOT_BYTES,
  XATTR_ALIGNMENT,
  XattrHeader,
} from "./layout.ts";
import { type ErofsSuperblock, readSuperblock, signedSeconds } from "./superblock.ts";

/** An inode as it stands in the image; offsets and sizes in bytes. */
export interface ErofsInode {
  readonly nid: number;
  readonly offset: number;
  readonly extended: boolean;
  readonly layout: number;
  readonly kind: Node["kind"];
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970; parts of seconds are left out. */
  readonly mtime: number;
  readonly links: number;
  /** i_size. */
  readonly size: number;
  /** i_u: first block, device number or chunk format. */
  readonly union: number;
  readonly xattrOffset: number;
  /** Of the extended attributes, 0 without any. */
  readonly xattrBytes: number;
  /** Where inode and attributes end. */
  readonly headEnd: number;
}

/**
 * What metadata may still claim. Inodes, attributes, directories, symlinks and chunk tables never overlap in a sound
 * image, so that all of them together are smaller than it: a bound for every loop and every allocation.
 */
export class Budget {
  readonly #total: number;
  #left: number;

  constructor(bytes: number) {
    this.#total = bytes;
    this.#left = bytes;
  }

  /** @throws FormatError when more is claimed than the image holds. */
  claim(bytes: number, what: string, offset: number): void {
    this.#left -= bytes;
    if (this.#left >= 0) return;
    fail(`Cannot read ${what}: metadata claims more than the image's ${this.#total} bytes, it overlaps`, offset);
  }
}

/** An open image: parsed superblock, inodes on demand. */
export class ErofsImage {
  readonly source: ByteSource;
  readonly superblock: ErofsSuperblock;

  /** @throws FormatError when the superblock is not sound. */
  constructor(source: ByteSource) {
    this.source = source;
    this.superblock = readSuperblock(source);
  }

  /**
   * `length` bytes at `offset` of the image.
   * @throws FormatError when the image ends before.
   */
  read(offset: number, length: number, what: string): Uint8Array {
    this.checkRange(offset, length, what);
    return this.source.read(offset, length);
  }

  checkRange(offset: number, length: number, what: string): void {
    if (offset + length <= this.source.size) return;
    fail(`Cannot read ${what}: ${length} bytes reach beyond the image's ${this.source.size}`, offset);
  }

  /** @throws FormatError when there is no sound inode of this number. */
  inode(nid: number): ErofsInode {
    const offset = this.superblock.metaOffset + nid * INODE_SLOT_BYTES;
    const compact = this.read(offset, CompactInode.size, `inode ${nid}`);
    const { i_format } = CompactInode.parse(compact);
    if ((i_format & ~I_FORMAT_KNOWN) !== 0) {
      fail(`Cannot read inode ${nid}: unknown bits in format ${hex(i_format)}`, offset, "i_format");
    }
    const extended = (i_format & I_FORMAT_EXTENDED) !== 0;
    const size = extended ? ExtendedInode.size : CompactInode.size;
    const fields = extended ? this.#extended(nid, offset) : this.#compact(compact);
    const kind = kindOfMode(fields.mode);
    if (kind === undefined)
      fail(`Cannot read inode ${nid}: no kind of file has mode ${hex(fields.mode)}`, offset, "i_mode");
    const xattrBytes = this.#xattrBytes(fields.xattrCount, nid, offset);
    const headEnd = offset + size + xattrBytes;
    this.checkRange(offset, headEnd - offset, `inode ${nid}`);
    return {
      nid,
      offset,
      extended,
      layout: (i_format >> I_FORMAT_LAYOUT_SHIFT) & I_FORMAT_LAYOUT_MASK,
      kind,
      permissions: fields.mode & PERMISSIONS_MASK,
      uid: fields.uid,
      gid: fields.gid,
      mtime: fields.mtime,
      links: fields.links,
      size: fields.size,
      union: fields.union,
      xattrOffset: offset + size,
      xattrBytes,
      headEnd,
    };
  }

  #compact(bytes: Uint8Array): InodeFields {
    const raw = CompactInode.parse(bytes);
    return {
      mode: raw.i_mode,
      xattrCount: raw.i_xattr_icount,
      links: raw.i_nlink,
      size: raw.i_size,
      union: raw.i_u,
      uid: raw.i_uid,
      gid: raw.i_gid,
      mtime: this.superblock.epoch + raw.i_mtime,
    };
  }

  #extended(nid: number, offset: number): InodeFields {
    const raw = ExtendedInode.parse(this.read(offset, ExtendedInode.size, `inode ${nid}`));
    if (raw.i_nb !== 0) fail(`Cannot read inode ${nid}: it has 48-bit addresses, not supported`, offset, "i_nb");
    return {
      mode: raw.i_mode,
      xattrCount: raw.i_xattr_icount,
      links: raw.i_nlink,
      size: toSafeNumber(raw.i_size, { format: FORMAT, field: "i_size", offset }),
      union: raw.i_u,
      uid: raw.i_uid,
      gid: raw.i_gid,
      mtime: signedSeconds(raw.i_mtime, "i_mtime", offset),
    };
  }

  #xattrBytes(count: number, nid: number, offset: number): number {
    if (count === 1)
      fail(`Cannot read inode ${nid}: attributes without content, Linux refuses them`, offset, "i_xattr_icount");
    return count === 0 ? 0 : XattrHeader.size + (count - 1) * XATTR_ALIGNMENT;
  }
}

interface InodeFields {
  readonly mode: number;
  readonly xattrCount: number;
  readonly links: number;
  readonly size: number;
  readonly union: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

/** Every fault of an image ends here: with the place where it was found. */
export function fail(message: string, offset: number, field?: string): never {
  throw new FormatError(message, { format: FORMAT, offset, field });
}
