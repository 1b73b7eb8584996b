import type { ByteString } from "../bytes/index.ts";
import type { ImageMap, PlaceKind } from "./image-map.ts";
import type { TouchedRange, TraceRead } from "./types.ts";

/** What a boot read and used of one entry of the image. */
export interface FileUsage {
  readonly path: ByteString;
  /** What it takes in the image, its inode included; bytes. */
  readonly storedBytes: number;
  /** Of those, how many were read; with repetitions. */
  readonly readBytes: number;
  /** Requests that read a part of it. */
  readonly requests: number;
  /** When it was first read; undefined when it was not. */
  readonly firstNs: number | undefined;
  /** Bytes of its content that were touched, unpacked; undefined where that was not recorded. */
  readonly touchedBytes: number | undefined;
}

export interface Usage {
  /** Bytes read of each kind of place, with repetitions. */
  readonly bytesByKind: Readonly<Record<PlaceKind, number>>;
  /** Every entry of the image by its path, also those that were not read. */
  readonly files: ReadonlyMap<ByteString, FileUsage>;
}

type Count = { -readonly [Key in keyof FileUsage]: FileUsage[Key] };

/** Which entries the reads were for. */
export function usageOf(
  reads: readonly TraceRead[],
  touched: readonly TouchedRange[] | undefined,
  map: ImageMap,
): Usage {
  const files = new Map<ByteString, Count>();
  for (const { path, start, end } of map.places) {
    if (path === undefined) continue;
    const known = files.get(path);
    if (known !== undefined) known.storedBytes += end - start;
    else files.set(path, emptyCount(path, end - start, touched !== undefined));
  }
  const bytesByKind: Record<PlaceKind, number> = {
    "partition-table": 0,
    hashes: 0,
    "file-system": 0,
    inode: 0,
    directory: 0,
    symlink: 0,
    file: 0,
  };
  for (const { ns, offset, length } of reads) {
    const seen = new Set<Count>();
    for (const place of map.placesOf(offset, length)) {
      const bytes = Math.min(place.end, offset + length) - Math.max(place.start, offset);
      bytesByKind[place.kind] += bytes;
      const file = place.path === undefined ? undefined : files.get(place.path);
      if (file === undefined) continue;
      file.readBytes += bytes;
      file.firstNs ??= ns;
      if (!seen.has(file)) file.requests++;
      seen.add(file);
    }
  }
  for (const { path, length } of touched ?? []) {
    const file = files.get(path);
    if (file?.touchedBytes !== undefined) file.touchedBytes += length;
  }
  return { bytesByKind, files };
}

function emptyCount(path: ByteString, storedBytes: number, knowsTouched: boolean): Count {
  return {
    path,
    storedBytes,
    readBytes: 0,
    requests: 0,
    firstNs: undefined,
    touchedBytes: knowsTouched ? 0 : undefined,
  };
}
