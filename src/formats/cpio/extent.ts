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
    const magic = byteStringFrom(header.subarray(0, MAGIC_NEWC.length));
    const namesize = hex8At(header, FIELDS.namesize.offset);
    const filesize = hex8At(header, FIELDS.filesize.offset);
    const isEntry = magic === MAGIC_NEWC || magic === MAGIC_NEWC_CHECKSUM;
    if (!isEntry || namesize < 0 || filesize < 0) return offset + header.length;
    const dataOffset = alignUp(offset - start + NewcHeader.size + namesize, ALIGNMENT);
    offset = start + alignUp(dataOffset + filesize, ALIGNMENT);
    if (offset >= source.size) return source.size;
    if (filesize === 0 && isTrailer(header, namesize)) break;
  }
  return offset;
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
