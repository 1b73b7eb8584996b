import { alignUp, type ByteSource, type ByteString, byteStringFrom, FormatError, toText } from "../../bytes/index.ts";
import type { ContentReader } from "./content-reader.ts";
import { type Budget, type ErofsImage, type ErofsInode, fail } from "./image.ts";
import {
  FEATURE_COMPAT,
  FEATURE_INCOMPAT,
  FORMAT,
  XATTR_ALIGNMENT,
  XATTR_ID_BYTES,
  XATTR_LONG_PREFIX,
  XATTR_LONG_PREFIX_MASK,
  XattrEntry,
  XattrHeader,
  XattrLongPrefix,
} from "./layout.ts";
import { xattrPrefix } from "./xattr-names.ts";

interface Attribute {
  readonly name: ByteString;
  readonly value: Uint8Array;
  /** On disk, padding included. */
  readonly bytes: number;
}

/** Reads extended attributes; shared ones once, however many inodes have them. */
export class XattrReader {
  readonly #image: ErofsImage;
  readonly #budget: Budget;
  readonly #prefixes: readonly ByteString[];
  /** Where the table of long prefixes stands, when it is not in the packed inode. */
  readonly prefixRegion: { offset: number; bytes: number } | undefined;
  /** By offset in the image. */
  readonly #shared = new Map<number, Attribute>();

  /** @throws FormatError when the table of long prefixes is not sound. */
  constructor(reader: ContentReader) {
    this.#image = reader.image;
    this.#budget = reader.budget;
    const { prefixes, end, inImage } = readLongPrefixes(reader);
    const start = reader.image.superblock.xattrPrefixOffset;
    this.#prefixes = prefixes;
    this.prefixRegion = inImage && end > start ? { offset: start, bytes: end - start } : undefined;
  }

  /** Where the shared attributes that were met stand. */
  get sharedRegions(): { offset: number; bytes: number; name: ByteString }[] {
    return [...this.#shared].map(([offset, { bytes, name }]) => ({ offset, bytes, name }));
  }

  /** @throws FormatError when they are not sound. */
  read(inode: ErofsInode): Map<ByteString, Uint8Array> {
    const attributes = new Map<ByteString, Uint8Array>();
    if (inode.xattrBytes === 0) return attributes;
    const offset = inode.xattrOffset;
    const add = ({ name, value }: Attribute): void => {
      if (attributes.has(name)) fail(`Cannot read inode ${inode.nid}: it has ${toText(name)} twice`, offset);
      attributes.set(name, value);
    };
    const body = this.#image.read(offset, inode.xattrBytes, `the attributes of inode ${inode.nid}`);
    const idsEnd = XattrHeader.size + XattrHeader.parse(body).h_shared_count * XATTR_ID_BYTES;
    if (idsEnd > body.length) {
      fail(`Cannot read inode ${inode.nid}: more shared attributes than fit`, offset, "h_shared_count");
    }
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    for (let at = XattrHeader.size; at < idsEnd; at += XATTR_ID_BYTES) add(this.#readShared(view.getUint32(at, true)));
    for (let at = idsEnd; at < body.length; ) {
      const attribute = this.#parse(body.subarray(at), offset + at);
      add(attribute);
      at += attribute.bytes;
    }
    return attributes;
  }

  #readShared(id: number): Attribute {
    const offset = this.#image.superblock.xattrOffset + id * XATTR_ALIGNMENT;
    const known = this.#shared.get(offset);
    if (known !== undefined) return known;
    const head = XattrEntry.parse(this.#image.read(offset, XattrEntry.size, "a shared attribute"));
    const bytes = entryBytes(head);
    this.#budget.claim(bytes, "a shared attribute", offset);
    const attribute = this.#parse(this.#image.read(offset, bytes, "a shared attribute"), offset);
    this.#shared.set(offset, attribute);
    return attribute;
  }

  /** The attribute at the start of `bytes`, which stand at `offset`. */
  #parse(bytes: Uint8Array, offset: number): Attribute {
    if (bytes.length < XattrEntry.size) fail("Cannot read an attribute: it is cut off", offset);
    const head = XattrEntry.parse(bytes);
    const length = entryBytes(head);
    if (length > bytes.length) fail(`Cannot read an attribute of ${length} bytes: ${bytes.length} are left`, offset);
    const valueStart = XattrEntry.size + head.e_name_len;
    const rest = byteStringFrom(bytes.subarray(XattrEntry.size, valueStart));
    const name = this.#prefix(head.e_name_index, offset) + rest;
    if (name.includes("\0")) fail("Cannot read an attribute: its name has a NUL", offset);
    return { name, value: bytes.subarray(valueStart, valueStart + head.e_value_size), bytes: length };
  }

  #prefix(index: number, offset: number): ByteString {
    const isLong = (index & XATTR_LONG_PREFIX) !== 0;
    const prefix = isLong ? this.#prefixes[index & XATTR_LONG_PREFIX_MASK] : xattrPrefix(index);
    return prefix ?? fail(`Cannot read an attribute: there is no prefix ${index}`, offset, "e_name_index");
  }
}

function entryBytes(head: { e_name_len: number; e_value_size: number }): number {
  return alignUp(XattrEntry.size + head.e_name_len + head.e_value_size, XATTR_ALIGNMENT);
}

interface LongPrefixes {
  readonly prefixes: readonly ByteString[];
  /** Where the table ends, in the image or in the packed inode. */
  readonly end: number;
  readonly inImage: boolean;
}

/** The table of long prefixes: in the packed inode when there is one, unless PLAIN_XATTR_PFX says otherwise. */
function readLongPrefixes(reader: ContentReader): LongPrefixes {
  const { image } = reader;
  const { incompat, compat, packedNid, xattrPrefixCount, xattrPrefixOffset } = image.superblock;
  if ((incompat & FEATURE_INCOMPAT.XATTR_PREFIXES) === 0 || xattrPrefixCount === 0) {
    return { prefixes: [], end: 0, inImage: false };
  }
  const inImage = packedNid === undefined || (compat & FEATURE_COMPAT.PLAIN_XATTR_PFX) !== 0;
  const source = inImage ? image.source : reader.packed();
  const prefixes: ByteString[] = [];
  let offset = xattrPrefixOffset;
  for (let index = 0; index < xattrPrefixCount; index++) {
    const head = XattrLongPrefix.parse(readPart(source, offset, XattrLongPrefix.size));
    const base = xattrPrefix(head.base_index);
    // `size` counts the byte of base_index, too.
    const infixBytes = head.size - XattrLongPrefix.fields.base_index.size;
    if (base === undefined || infixBytes < 0) fail(`Cannot read long attribute prefix ${index}`, offset);
    prefixes.push(base + byteStringFrom(readPart(source, offset + XattrLongPrefix.size, infixBytes)));
    offset = alignUp(offset + XattrLongPrefix.size + infixBytes, XATTR_ALIGNMENT);
  }
  return { prefixes, end: offset, inImage };
}

function readPart(source: ByteSource, offset: number, length: number): Uint8Array {
  if (offset + length <= source.size) return source.read(offset, length);
  throw new FormatError("Cannot read the long attribute prefixes: they reach beyond their place", {
    format: FORMAT,
    offset,
    field: "xattr_prefix_start",
  });
}
