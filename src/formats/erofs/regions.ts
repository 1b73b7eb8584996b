import { type ByteString, toText } from "../../bytes/index.ts";
import type { Node } from "../../tree/index.ts";
import { readCompressedLayout } from "./compressed-header.ts";
import type { ContentReader } from "./content-reader.ts";
import { decodeDevice } from "./device.ts";
import type { InodeContent } from "./extent.ts";
import { chunkTableOf } from "./extents.ts";
import type { ErofsImage, ErofsInode } from "./image.ts";
import { CompressionHeader, DATA_LAYOUT, SUPER_OFFSET } from "./layout.ts";
import { nameOfLayout } from "./names.ts";
import { XattrReader } from "./read-xattrs.ts";
import { walkDirectories } from "./walk.ts";

/** A part of an image and what it is; offsets in bytes. */
export interface ErofsRegion {
  readonly start: number;
  readonly end: number;
  /** Attributes that several inodes share count as attributes of none; the map is a chunk table or a cluster index. */
  readonly kind: "superblock" | "inode" | "attributes" | "map" | "content";
  /** What the region says, for a person. */
  readonly label: string;
  /** The entry that it belongs to, the first one of hard links; undefined for what belongs to none. */
  readonly owner?: RegionOwner;
  /** Of content: the bytes of the file that it holds. With compression these are more than the region's. */
  readonly content?: { readonly start: number; readonly length: number };
}

export interface RegionOwner {
  /** Without a leading slash; "" for the root. */
  readonly path: ByteString;
  readonly kind: Node["kind"];
  readonly nid: number;
}

type Part = Pick<ErofsRegion, "start" | "end" | "kind" | "label" | "content">;

/**
 * Every part of the image that belongs to something, in the order of a walk. Regions may be the same bytes, where
 * contents are shared.
 * @throws FormatError as the reader.
 */
export function regionsOf(reader: ContentReader): ErofsRegion[] {
  const { image } = reader;
  const xattrs = new XattrReader(reader);
  const regions: ErofsRegion[] = [
    { start: SUPER_OFFSET, end: image.superblock.endOffset, kind: "superblock", label: "superblock" },
  ];
  const paths = new Map<number, ByteString>();
  const add = (inode: ErofsInode, path: ByteString, known?: InodeContent, name = `/${toText(path)}`): void => {
    paths.set(inode.nid, path);
    const owner = { path, kind: inode.kind, nid: inode.nid };
    const label = `inode ${inode.nid}: ${describeInode(inode)}  ${name}`;
    regions.push({ start: inode.offset, end: inode.xattrOffset, kind: "inode", label, owner });
    if (inode.xattrBytes > 0) regions.push({ ...attributesPart(inode, xattrs), owner });
    if (!hasContent(inode)) return;
    for (const part of contentParts(image, inode, known ?? reader.open(inode))) regions.push({ ...part, owner });
  };
  for (const { inode, content, entries } of walkDirectories(reader)) {
    const parent = paths.get(inode.nid) ?? "";
    // A directory's inode is listed when it is walked: its content is open then.
    add(inode, parent, content);
    for (const { name, inode: child, isFirst } of entries) {
      const path = parent === "" ? name : `${parent}/${name}`;
      if (child.kind === "directory") paths.set(child.nid, path);
      else if (isFirst) add(child, path);
    }
  }
  const packed = reader.packedInode();
  if (packed !== undefined) add(packed, "", reader.packed(), "/(the packed inode)");
  return [...regions, ...sharedParts(xattrs)];
}

function attributesPart(inode: ErofsInode, xattrs: XattrReader): Part {
  const names = [...xattrs.read(inode)].map(([name, value]) => `${toText(name)}=${value.length} bytes`);
  const label = `attributes of ${inode.nid}: ${names.join(", ")}`;
  return { start: inode.xattrOffset, end: inode.headEnd, kind: "attributes", label };
}

function sharedParts({ sharedRegions, prefixRegion }: XattrReader): Part[] {
  const shared = sharedRegions.map(({ offset, bytes, name }) => {
    return { offset, bytes, label: `shared attribute ${toText(name)}` };
  });
  const prefixes = prefixRegion === undefined ? [] : [{ ...prefixRegion, label: "long attribute prefixes" }];
  return [...shared, ...prefixes].map(({ offset, bytes, label }) => {
    return { start: offset, end: offset + bytes, kind: "attributes", label };
  });
}

function hasContent({ kind }: ErofsInode): boolean {
  return kind === "file" || kind === "directory" || kind === "symlink";
}

function describeInode(inode: ErofsInode): string {
  const facts = [
    inode.kind,
    inode.permissions.toString(8).padStart(4, "0"),
    `${inode.uid}:${inode.gid}`,
    `links ${inode.links}`,
    `mtime ${inode.mtime}`,
    inode.extended ? "extended" : "compact",
  ];
  if (hasContent(inode)) return [...facts, nameOfLayout(inode.layout), `size ${inode.size}`].join(" ");
  if (inode.kind === "fifo" || inode.kind === "socket") return facts.join(" ");
  const { major, minor } = decodeDevice(inode.union);
  return [...facts, `device ${major}:${minor}`].join(" ");
}

function contentParts(image: ErofsImage, inode: ErofsInode, content: InodeContent): Part[] {
  const parts: Part[] = [];
  if (inode.layout === DATA_LAYOUT.CHUNK_BASED) {
    const { offset, count, entryBytes, chunkBytes } = chunkTableOf(image, inode);
    const label = `chunk table of ${inode.nid}: ${count} of ${chunkBytes} bytes`;
    if (count > 0) parts.push({ start: offset, end: offset + count * entryBytes, kind: "map", label });
  }
  const inlineOffset = isCompressed(inode) ? addIndex(image, inode, parts) : inode.headEnd;
  for (const { start, length, offset, storedBytes, kind, fragment } of content.extents()) {
    if (offset === undefined || fragment) continue;
    const isTail = offset === inlineOffset && inode.layout !== DATA_LAYOUT.FLAT_PLAIN;
    const packing = isCompressed(inode) ? `, ${kind}, ${length} bytes` : "";
    const label = `${isTail ? "tail" : "content"} of ${inode.nid}${start === 0 ? "" : ` from ${start}`}${packing}`;
    parts.push({ start: offset, end: offset + storedBytes, kind: "content", label, content: { start, length } });
  }
  return parts;
}

function isCompressed({ layout }: ErofsInode): boolean {
  return layout === DATA_LAYOUT.COMPRESSED_FULL || layout === DATA_LAYOUT.COMPRESSED_COMPACT;
}

/** Adds what the map of a compressed inode takes; returns where an inline tail would start. */
function addIndex(image: ErofsImage, inode: ErofsInode, parts: Part[]): number | undefined {
  const layout = readCompressedLayout(image, inode);
  const { headerOffset } = layout;
  if ("start" in layout) {
    const label = `fragment of ${inode.nid}: from ${layout.start} of the packed inode`;
    parts.push({ start: headerOffset, end: headerOffset + CompressionHeader.size, kind: "map", label });
    return undefined;
  }
  const label = `index of ${inode.nid}: ${layout.count} clusters of ${2 ** layout.clusterBits} bytes`;
  parts.push({ start: headerOffset, end: layout.indexEnd, kind: "map", label });
  return layout.indexEnd;
}
