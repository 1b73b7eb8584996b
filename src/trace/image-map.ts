import { type ByteSource, type ByteString, FormatError, toHex } from "../bytes/index.ts";
import { readDdi } from "../formats/ddi/index.ts";
import { type ErofsRegion, openErofs } from "../formats/erofs/index.ts";

/** What a part of an image's disk is. */
export type PlaceKind =
  /** GPT, and what no partition claims. */
  | "partition-table"
  /** The hash tree. */
  | "hashes"
  /** Superblock, cluster indexes, attributes that several inodes share, and what is unused. */
  | "file-system"
  | "inode"
  | "directory"
  | "symlink"
  | "file";

/** A part of the disk and what it is; parts of a map lie one behind the other without gaps. */
export interface Place {
  readonly start: number;
  readonly end: number;
  readonly kind: PlaceKind;
  /** Of inodes, directories, symlinks and files. */
  readonly path?: ByteString;
  /** Of a file's content: the bytes of the file that are read from here, all of them with each part of a cluster. */
  readonly content?: { readonly start: number; readonly length: number };
  /** Whether the bytes can be used one by one; those of a compressed cluster are of use only together. */
  readonly isPlain: boolean;
}

/** What each byte of an image's disk is: the way from a read back to a file. */
export class ImageMap {
  readonly places: readonly Place[];
  readonly sizeBytes: number;
  /** Where the file system starts on the disk. */
  readonly dataOffset: number;

  constructor(places: readonly Place[], sizeBytes: number, dataOffset: number) {
    this.places = places;
    this.sizeBytes = sizeBytes;
    this.dataOffset = dataOffset;
  }

  /** What the range touches, in order, whole. Nothing for what lies behind the end. */
  *placesOf(offset: number, length: number): Generator<Place> {
    const { places } = this;
    let low = 0;
    let high = places.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((places[middle] as Place).start <= offset) low = middle;
      else high = middle;
    }
    for (let index = low; index < places.length; index++) {
      const place = places[index] as Place;
      if (place.start >= offset + length) return;
      if (place.end > offset) yield place;
    }
  }
}

/**
 * Maps an image's disk.
 * @param rootHash the image that is expected, hexadecimal
 * @throws FormatError when the disk holds another image, or a damaged one.
 */
export async function mapImage(disk: ByteSource, rootHash: string): Promise<ImageMap> {
  const { trees } = readDdi(disk);
  const hashes = trees.map(({ verity }) => (verity === undefined ? "none" : toHex(verity.rootHash)));
  const tree = trees[hashes.indexOf(rootHash)];
  if (tree?.verity === undefined) {
    throw new FormatError(`Cannot use this image: expected root hash ${rootHash}, got ${hashes.join(", ")}`, {
      format: "trace",
    });
  }
  const data = tree.data.partition;
  const hash = tree.verity.partition;
  const erofs = await openErofs(tree.data.source);
  const parts: Place[] = [
    ...erofs.regions().map((region) => placeOf(region, data.offsetBytes)),
    { ...partOf(hash), kind: "hashes", isPlain: true },
  ];
  const rest: readonly Place[] = [
    { ...partOf(data), kind: "file-system", isPlain: true },
    { start: 0, end: disk.size, kind: "partition-table", isPlain: true },
  ];
  return new ImageMap(tilePlaces(parts, rest), disk.size, data.offsetBytes);
}

function partOf({ offsetBytes, sizeBytes }: { offsetBytes: number; sizeBytes: number }) {
  return { start: offsetBytes, end: offsetBytes + sizeBytes };
}

function placeOf({ start, end, kind, owner, content }: ErofsRegion, offset: number): Place {
  const range = { start: start + offset, end: end + offset };
  if (owner === undefined || kind === "superblock") return { ...range, kind: "file-system", isPlain: true };
  const { path } = owner;
  // Attributes and maps stand behind their inode and are read with it.
  if (kind !== "content") return { ...range, kind: "inode", path, isPlain: true };
  const isPlain = content === undefined || content.length === end - start;
  if (owner.kind === "directory" || owner.kind === "symlink") return { ...range, kind: owner.kind, path, isPlain };
  return { ...range, kind: "file", path, isPlain, ...(content && { content }) };
}

/** Sorted, each byte once: where contents are shared, the first in order has it. `rest` says what gaps are, its last all. */
export function tilePlaces(parts: readonly Place[], rest: readonly Place[]): Place[] {
  const sorted = [...parts].sort((a, b) => a.start - b.start || b.end - a.end);
  const places: Place[] = [];
  const end = rest.at(-1)?.end ?? 0;
  let at = 0;
  for (const part of [...sorted, { start: end, end, kind: "file-system", isPlain: true } satisfies Place]) {
    if (part.start > at) places.push(...gap(at, part.start, rest));
    at = Math.max(at, part.start);
    if (part.end > at) {
      places.push(part.start === at ? part : cut(part, at));
      at = part.end;
    }
  }
  return places;
}

function cut(part: Place, start: number): Place {
  if (part.content === undefined || !part.isPlain) return { ...part, start };
  const less = start - part.start;
  return { ...part, start, content: { start: part.content.start + less, length: part.content.length - less } };
}

/** The gap in pieces, each of the first of `rest` that holds it. */
function gap(start: number, end: number, rest: readonly Place[]): Place[] {
  const bounds = new Set([start, end]);
  for (const part of rest) for (const at of [part.start, part.end]) if (at > start && at < end) bounds.add(at);
  const sorted = [...bounds].sort((a, b) => a - b);
  return sorted.slice(1).flatMap((pieceEnd, index) => {
    const pieceStart = sorted[index] ?? start;
    const owner = rest.find((part) => part.start <= pieceStart && part.end >= pieceEnd);
    return owner === undefined ? [] : [{ ...owner, start: pieceStart, end: pieceEnd }];
  });
}
