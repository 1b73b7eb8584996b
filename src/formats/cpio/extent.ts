import { alignUp, type BufferedSource, byteStringFrom } from "../../bytes/index.ts";
import { FILE_TYPE_BITS, FILE_TYPE_MASK } from "../../tree/index.ts";
import {
  ALIGNMENT,
  FIRST_BYTE,
  hex8At,
  MAGIC_NEWC,
  MAGIC_NEWC_CHECKSUM,
  MAX_ENTRIES,
  MAX_NAME_BYTES,
  NewcHeader,
  TRAILER,
} from "./layout.ts";

const FIELDS = NewcHeader.fields;

/**
 * How far the archive at `start` reaches, from its headers alone, so that no more than that need be in memory: up to its
 * first trailer, or what is no entry. An archive that is damaged reaches at least as far as `scanCpio` needs to say how.
 */
export function archiveEnd(source: BufferedSource, start: number): number {
  let offset = start;
  for (let entries = 0; entries <= MAX_ENTRIES; entries++) {
    offset = afterNuls(source, offset);
    const header = source.read(offset, Math.min(NewcHeader.size + MAX_NAME_BYTES, source.size - offset));
    if (header[0] !== FIRST_BYTE) return offset;
    if (header.length < NewcHeader.size) return source.size;
    const sizes = sizesIn(header);
    if (sizes === undefined) return offset + header.length;
    const dataOffset = alignUp(offset - start + NewcHeader.size + sizes.name, ALIGNMENT);
    offset = start + alignUp(dataOffset + sizes.file, ALIGNMENT);
    if (offset >= source.size) return source.size;
    if (sizes.file === 0 && isTrailer(header, sizes.name)) break;
  }
  return offset;
}

/** Where the content of a regular file stands in an archive. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The contents of regular files that are complete in `bytes`, the first part of an archive of which more is to come, from
 * the header at `from` on; `next` is where to go on when there is more. What is damaged is as good as not there yet:
 * whoever reads the whole archive says so.
 */
export function contentsSoFar(bytes: Uint8Array, from: number): { contents: ContentRange[]; next: number } {
  const contents: ContentRange[] = [];
  for (let offset = from; ; ) {
    while (bytes[offset] === 0) offset++;
    const header = bytes.subarray(offset, offset + NewcHeader.size);
    const sizes = header.length < NewcHeader.size || offset % ALIGNMENT !== 0 ? undefined : sizesIn(header);
    if (sizes === undefined) return { contents, next: Math.min(offset, bytes.length) };
    const start = alignUp(offset + NewcHeader.size + sizes.name, ALIGNMENT);
    const end = start + sizes.file;
    if (end > bytes.length) return { contents, next: offset };
    const type = hex8At(header, FIELDS.mode.offset) & FILE_TYPE_MASK;
    if (type === FILE_TYPE_BITS.file && start < end) contents.push({ start, end });
    offset = alignUp(end, ALIGNMENT);
  }
}

/** Name and data of the entry with this header, or undefined where it is none. */
function sizesIn(header: Uint8Array): { readonly name: number; readonly file: number } | undefined {
  const magic = byteStringFrom(header.subarray(0, MAGIC_NEWC.length));
  if (magic !== MAGIC_NEWC && magic !== MAGIC_NEWC_CHECKSUM) return undefined;
  const [name, file] = [hex8At(header, FIELDS.namesize.offset), hex8At(header, FIELDS.filesize.offset)];
  return name < 0 || file < 0 ? undefined : { name, file };
}

/** As `scanCpio` knows it, of an entry without data. */
function isTrailer(header: Uint8Array, namesize: number): boolean {
  const [name] = byteStringFrom(header.subarray(NewcHeader.size, NewcHeader.size + namesize)).split("\0", 1);
  const type = hex8At(header, FIELDS.mode.offset) & FILE_TYPE_MASK;
  return name === TRAILER && namesize <= MAX_NAME_BYTES && type !== FILE_TYPE_BITS.symlink;
}

/** Where the first byte stands from `start` on that is not NUL, or the end. */
export function afterNuls(source: BufferedSource, start: number): number {
  for (let offset = start; ; ) {
    const piece = source.piece(offset);
    let index = 0;
    while (piece[index] === 0) index++;
    offset += index;
    if (piece.length === 0 || index < piece.length) return offset;
  }
}
