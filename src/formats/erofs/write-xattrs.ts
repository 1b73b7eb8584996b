import {
  alignUp,
  type ByteString,
  byteStringBytes,
  byteStringFrom,
  compareByteStrings,
  FormatError,
  toText,
} from "../../bytes/index.ts";
import type { CollectedInode } from "./collect.ts";
import {
  FORMAT,
  XATTR_ALIGNMENT,
  XATTR_FILTER_BITS,
  XATTR_FILTER_SEED,
  XATTR_ID_BYTES,
  XattrEntry,
  XattrHeader,
} from "./layout.ts";
import { splitXattrName } from "./xattr-names.ts";
import { xxh32 } from "./xxh32.ts";

/** h_shared_count is a u8. */
const MAX_SHARED_PER_INODE = 0xff;
/** e_name_len is a u8, e_value_size and i_xattr_icount are u16. */
const MAX_NAME_BYTES = 0xff;
const MAX_VALUE_BYTES = 0xffff;
const MAX_COUNT = 0xffff;
const NO_BODY = new Uint8Array(0);

interface Attribute {
  readonly name: ByteString;
  readonly encoded: Uint8Array;
  /** In the name filter: the bit that says "may be present". */
  readonly filterBit: number;
  uses: number;
  /** Place in the shared area, in units of XATTR_ALIGNMENT, when it pays to share. */
  sharedId: number | undefined;
}

export interface PlannedXattrs {
  /** What follows each inode, by index; empty without attributes. */
  readonly bodies: readonly Uint8Array[];
  /** The shared area; starts at a block. */
  readonly shared: Uint8Array;
}

/**
 * Lays out all extended attributes: a pair of name and value that several inodes have is stored once where that is
 * smaller. `filter` also makes the name filters of Linux 6.6, which spare look-ups of names that are not there.
 * @throws FormatError for names or values that EROFS cannot hold.
 */
export function planXattrs(inodes: readonly CollectedInode[], filter: boolean): PlannedXattrs {
  const known = new Map<string, Attribute>();
  const lists = inodes.map((inode) => attributesOf(inode, known));
  const shared: Uint8Array[] = [];
  let sharedBytes = 0;
  for (const key of [...known.keys()].sort(compareByteStrings)) {
    const attribute = known.get(key) as Attribute;
    const inlineCost = attribute.uses * attribute.encoded.length;
    if (attribute.encoded.length + attribute.uses * XATTR_ID_BYTES >= inlineCost) continue;
    attribute.sharedId = sharedBytes / XATTR_ALIGNMENT;
    shared.push(attribute.encoded);
    sharedBytes += attribute.encoded.length;
  }
  const bodies = lists.map((list, index) => encodeBody(list, filter, inodes[index]?.path ?? ""));
  return { bodies, shared: new Uint8Array(Buffer.concat(shared)) };
}

function attributesOf(inode: CollectedInode, known: Map<string, Attribute>): Attribute[] {
  const names = [...inode.node.xattrs.keys()].sort(compareByteStrings);
  return names.map((name) => {
    const value = inode.node.xattrs.get(name) ?? NO_BODY;
    const key = `${name}\0${byteStringFrom(value)}`;
    const attribute = known.get(key) ?? encodeAttribute(name, value, inode.path);
    known.set(key, attribute);
    attribute.uses++;
    return attribute;
  });
}

function encodeAttribute(name: ByteString, value: Uint8Array, path: ByteString): Attribute {
  const { index, rest } = splitXattrName(name, path);
  if (rest.length > MAX_NAME_BYTES || value.length > MAX_VALUE_BYTES || rest.includes("\0")) {
    const limits = `a name up to ${MAX_NAME_BYTES} bytes without NUL and a value up to ${MAX_VALUE_BYTES}`;
    const got = `${rest.length} and ${value.length}`;
    throw new FormatError(
      `Cannot write the attribute ${toText(name)} of /${toText(path)}: expected ${limits}, got ${got}`,
      {
        format: FORMAT,
      },
    );
  }
  const nameBytes = byteStringBytes(rest);
  const valueOffset = XattrEntry.size + nameBytes.length;
  const encoded = new Uint8Array(alignUp(valueOffset + value.length, XATTR_ALIGNMENT));
  XattrEntry.write(encoded, 0, { e_name_len: nameBytes.length, e_name_index: index, e_value_size: value.length });
  encoded.set(nameBytes, XattrEntry.size);
  encoded.set(value, valueOffset);
  const filterBit = xxh32(nameBytes, (XATTR_FILTER_SEED + index) >>> 0) % XATTR_FILTER_BITS;
  return { name, encoded, filterBit, uses: 0, sharedId: undefined };
}

function encodeBody(attributes: readonly Attribute[], filter: boolean, path: ByteString): Uint8Array {
  if (attributes.length === 0) return NO_BODY;
  const shared = attributes.filter((attribute) => attribute.sharedId !== undefined).slice(0, MAX_SHARED_PER_INODE);
  const inline = attributes.filter((attribute) => !shared.includes(attribute));
  const ids = new DataView(new ArrayBuffer(shared.length * XATTR_ID_BYTES));
  for (const [index, { sharedId }] of shared.entries()) ids.setUint32(index * XATTR_ID_BYTES, sharedId ?? 0, true);
  const absent = attributes.reduce((bits, attribute) => bits & ~(1 << attribute.filterBit), -1) >>> 0;
  const header = XattrHeader.encode({ h_name_filter: filter ? absent : 0, h_shared_count: shared.length });
  const body = new Uint8Array(
    Buffer.concat([header, new Uint8Array(ids.buffer), ...inline.map((attribute) => attribute.encoded)]),
  );
  if (xattrCount(body) > MAX_COUNT) {
    throw new FormatError(`Cannot write /${toText(path)}: its extended attributes take ${body.length} bytes`, {
      format: FORMAT,
    });
  }
  return body;
}

/** i_xattr_icount of an inode with this body. */
export function xattrCount(body: Uint8Array): number {
  return body.length === 0 ? 0 : 1 + (body.length - XattrHeader.size) / XATTR_ALIGNMENT;
}
