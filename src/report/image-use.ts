import type { ByteString } from "../bytes/index.ts";
import {
  BLOCK_BYTES,
  blocksOfTouched,
  type ImageMap,
  type Place,
  type PlaceKind,
  readsUntilDone,
  type Trace,
} from "../trace/index.ts";
import { directoriesOf } from "./directories.ts";
import { firstReads } from "./first-reads.ts";
import { gridOf } from "./grid.ts";
import type { EntryUse, FirstRead, ImageContent, ImageUse, KindUse } from "./types.ts";

const KINDS: readonly PlaceKind[] = [
  "file",
  "directory",
  "symlink",
  "inode",
  "file-system",
  "hashes",
  "partition-table",
];

/** What a boot read of its image, by offset and, where the image is known, by content. */
export function imageUse(trace: Trace, map: ImageMap | { readonly missing: string }): ImageUse {
  const { touched } = trace;
  const reads = readsUntilDone(trace);
  const imageBytes = trace.boot.imageBytes ?? 0;
  const isKnown = "places" in map;
  const pieces = firstReads(reads, imageBytes);
  return {
    imageBytes,
    requests: reads.length,
    laterRequests: trace.reads.length - reads.length,
    requestedBytes: sum(reads.map(({ length }) => length)),
    readBytes: sum(pieces.map(({ start, end }) => end - start)),
    usedBytes: touched === undefined || !isKnown ? undefined : blocksOfTouched(touched, map).size * BLOCK_BYTES,
    firstReads: pieces,
    grid: gridOf(imageBytes, pieces, isKnown ? map : undefined),
    content: isKnown ? contentUse(map, pieces) : map,
  };
}

function contentUse(map: ImageMap, pieces: readonly FirstRead[]): ImageContent {
  const kinds = new Map<PlaceKind, { bytes: number; readBytes: number }>();
  const entries = new Map<ByteString, Mutable<EntryUse>>();
  for (const { place, readBytes, firstNs } of readsOfPlaces(map.places, pieces)) {
    const bytes = place.end - place.start;
    const kind = kinds.get(place.kind) ?? { bytes: 0, readBytes: 0 };
    kind.bytes += bytes;
    kind.readBytes += readBytes;
    kinds.set(place.kind, kind);
    if (place.path === undefined) continue;
    const entry = entries.get(place.path) ?? newEntry(place.path, place.start);
    entry.bytes += bytes;
    entry.readBytes += readBytes;
    if (place.kind !== "inode") {
      if (entry.contentBytes === 0) entry.offset = place.start;
      entry.contentBytes += bytes;
      entry.readContentBytes += readBytes;
      entry.firstNs = earliest(entry.firstNs, firstNs);
    }
    entries.set(place.path, entry);
  }
  const sorted = [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    kinds: KINDS.flatMap((kind): KindUse[] => {
      const use = kinds.get(kind);
      return use === undefined ? [] : [{ kind, ...use }];
    }),
    entries: sorted,
    directories: directoriesOf(sorted),
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function newEntry(path: ByteString, offset: number): Mutable<EntryUse> {
  return { path, offset, bytes: 0, readBytes: 0, contentBytes: 0, readContentBytes: 0, firstNs: undefined };
}

interface PlaceRead {
  readonly place: Place;
  readonly readBytes: number;
  readonly firstNs: number | undefined;
}

/** Both are ordered by offset and do not overlap: one walk along both. */
function* readsOfPlaces(places: readonly Place[], pieces: readonly FirstRead[]): Generator<PlaceRead> {
  let next = 0;
  for (const place of places) {
    let readBytes = 0;
    let firstNs: number | undefined;
    while (next < pieces.length && (pieces[next] as FirstRead).end <= place.start) next++;
    for (let index = next; index < pieces.length; index++) {
      const { start, end, ns } = pieces[index] as FirstRead;
      if (start >= place.end) break;
      readBytes += Math.min(end, place.end) - Math.max(start, place.start);
      firstNs = earliest(firstNs, ns);
    }
    yield { place, readBytes, firstNs };
  }
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
