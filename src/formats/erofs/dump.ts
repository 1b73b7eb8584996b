import { type ByteSource, chunksOf, SubSource, toText } from "../../bytes/index.ts";
import { readCompressedLayout } from "./compressed-header.ts";
import { ContentReader } from "./content-reader.ts";
import { BUILT_IN_DECODERS } from "./decoders.ts";
import { describeSuperblock, dumpDescription } from "./describe.ts";
import { decodeDevice } from "./device.ts";
import type { InodeContent } from "./extent.ts";
import { chunkTableOf } from "./extents.ts";
import { Budget, ErofsImage, type ErofsInode } from "./image.ts";
import { CompressionHeader, DATA_LAYOUT, SUPER_OFFSET } from "./layout.ts";
import { nameOfLayout } from "./names.ts";
import { XattrReader } from "./read-xattrs.ts";
import { walkDirectories } from "./walk.ts";

/** Offsets and lengths stand in columns of this width: 10 hexadecimal digits with "0x", 10 decimal ones. */
const OFFSET_WIDTH = 12;
const LENGTH_WIDTH = 10;

/** A part of the image and what it is. */
interface Region {
  readonly start: number;
  readonly end: number;
  readonly label: string;
}

/**
 * The image as text: the superblock's facts, then every byte of the image in order, with what it belongs to.
 * @throws FormatError as the reader.
 */
export function dumpErofs(source: ByteSource): string {
  const image = new ErofsImage(source);
  const header = dumpDescription(describeSuperblock(image.superblock));
  const lines = withGaps(source, merged(regionsOf(image))).map(({ start, end, label }) => {
    const offset = `0x${start.toString(16).padStart(OFFSET_WIDTH - 2, "0")}`;
    return `${offset} ${String(end - start).padStart(LENGTH_WIDTH)}  ${label}\n`;
  });
  return `${header}\n${lines.join("")}`;
}

function regionsOf(image: ErofsImage): Region[] {
  // Nothing is unpacked but what the walk needs.
  const reader = new ContentReader(image, new Budget(image.source.size), BUILT_IN_DECODERS);
  const xattrs = new XattrReader(reader);
  const regions: Region[] = [{ start: SUPER_OFFSET, end: image.superblock.endOffset, label: "superblock" }];
  const paths = new Map<number, string>();
  const add = (inode: ErofsInode, path: string, known?: InodeContent): void => {
    paths.set(inode.nid, path);
    const details = `${describeInode(inode)}  /${path}`;
    regions.push({ start: inode.offset, end: inode.xattrOffset, label: `inode ${inode.nid}: ${details}` });
    if (inode.xattrBytes > 0) {
      const names = [...xattrs.read(inode)].map(([name, value]) => `${toText(name)}=${value.length} bytes`);
      regions.push({
        start: inode.xattrOffset,
        end: inode.headEnd,
        label: `attributes of ${inode.nid}: ${names.join(", ")}`,
      });
    }
    if (hasContent(inode)) regions.push(...contentRegions(image, inode, known ?? reader.open(inode)));
  };
  for (const { inode, content, entries } of walkDirectories(reader)) {
    const parent = paths.get(inode.nid) ?? "";
    // A directory's inode is listed when it is walked: its content is open then.
    add(inode, parent, content);
    for (const { name, inode: child, isFirst } of entries) {
      const path = parent === "" ? toText(name) : `${parent}/${toText(name)}`;
      if (child.kind === "directory") paths.set(child.nid, path);
      else if (isFirst) add(child, path);
    }
  }
  const packed = reader.packedInode();
  if (packed !== undefined) add(packed, "(the packed inode)", reader.packed());
  for (const { offset, bytes, name } of xattrs.sharedRegions) {
    regions.push({ start: offset, end: offset + bytes, label: `shared attribute ${toText(name)}` });
  }
  const { prefixRegion } = xattrs;
  if (prefixRegion !== undefined) {
    const { offset, bytes } = prefixRegion;
    regions.push({ start: offset, end: offset + bytes, label: "long attribute prefixes" });
  }
  return regions;
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

function contentRegions(image: ErofsImage, inode: ErofsInode, content: InodeContent): Region[] {
  const regions: Region[] = [];
  if (inode.layout === DATA_LAYOUT.CHUNK_BASED) {
    const { offset, count, entryBytes, chunkBytes } = chunkTableOf(image, inode);
    const label = `chunk table of ${inode.nid}: ${count} of ${chunkBytes} bytes`;
    if (count > 0) regions.push({ start: offset, end: offset + count * entryBytes, label });
  }
  const inlineOffset = isCompressed(inode) ? addIndex(image, inode, regions) : inode.headEnd;
  for (const { start, length, offset, storedBytes, kind, fragment } of content.extents()) {
    if (offset === undefined || fragment) continue;
    const isTail = offset === inlineOffset && inode.layout !== DATA_LAYOUT.FLAT_PLAIN;
    const packing = isCompressed(inode) ? `, ${kind}, ${length} bytes` : "";
    const label = `${isTail ? "tail" : "content"} of ${inode.nid}${start === 0 ? "" : ` from ${start}`}${packing}`;
    regions.push({ start: offset, end: offset + storedBytes, label });
  }
  return regions;
}

function isCompressed({ layout }: ErofsInode): boolean {
  return layout === DATA_LAYOUT.COMPRESSED_FULL || layout === DATA_LAYOUT.COMPRESSED_COMPACT;
}

/** Adds what the map of a compressed inode takes; returns where an inline tail would start. */
function addIndex(image: ErofsImage, inode: ErofsInode, regions: Region[]): number | undefined {
  const layout = readCompressedLayout(image, inode);
  const { headerOffset } = layout;
  if ("start" in layout) {
    const label = `fragment of ${inode.nid}: from ${layout.start} of the packed inode`;
    regions.push({ start: headerOffset, end: headerOffset + CompressionHeader.size, label });
    return undefined;
  }
  const label = `index of ${inode.nid}: ${layout.count} clusters of ${2 ** layout.clusterBits} bytes`;
  regions.push({ start: headerOffset, end: layout.indexEnd, label });
  return layout.indexEnd;
}

/** In the order of the image; regions that are the same bytes (shared content) become one. */
function merged(regions: readonly Region[]): Region[] {
  const sorted = [...regions].sort((a, b) => a.start - b.start || a.end - b.end);
  const result: Region[] = [];
  for (const region of sorted) {
    const last = result.at(-1);
    if (last !== undefined && last.start === region.start && last.end === region.end) {
      result[result.length - 1] = { ...last, label: `${last.label}; ${region.label}` };
    } else {
      result.push(region);
    }
  }
  return result;
}

/** Adds what no region claims, so that every byte is accounted for; says where regions overlap. */
function withGaps(source: ByteSource, regions: readonly Region[]): Region[] {
  const result: Region[] = [];
  let end = 0;
  for (const region of [...regions, { start: source.size, end: source.size, label: "" }]) {
    if (region.start > end) result.push({ start: end, end: region.start, label: gapLabel(source, end, region.start) });
    const overlap = region.start < end ? ` (overlaps what stands before it)` : "";
    if (region.label !== "") result.push({ ...region, label: region.label + overlap });
    end = Math.max(end, region.end);
  }
  return result;
}

function gapLabel(source: ByteSource, start: number, end: number): string {
  for (const chunk of chunksOf(new SubSource(source, start, end - start))) {
    if (chunk.some((byte) => byte !== 0)) return "unused, not zero";
  }
  return "zeros";
}
