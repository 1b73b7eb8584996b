import { toText } from "../bytes/index.ts";
import type { ImageMap, Place } from "../trace/index.ts";
import type { FirstRead, GridCell, ImageGrid } from "./types.ts";

/** As many as a screen shows apart. */
const MAX_CELLS = 8192;
const MIN_CELL_BYTES = 4096;
/** How many names a cell tells. */
const NAMED = 4;

/** Cuts the image into cells of a power of two. @param map for what lies in them */
export function gridOf(imageBytes: number, pieces: readonly FirstRead[], map: ImageMap | undefined): ImageGrid {
  let cellBytes = MIN_CELL_BYTES;
  while (imageBytes / cellBytes > MAX_CELLS) cellBytes *= 2;
  const count = Math.ceil(imageBytes / cellBytes);
  const readBytes = new Float64Array(count);
  const firstNs = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  for (const { start, end, ns } of pieces) {
    for (let cell = Math.floor(start / cellBytes); cell * cellBytes < end; cell++) {
      const overlap = Math.min(end, (cell + 1) * cellBytes) - Math.max(start, cell * cellBytes);
      readBytes[cell] = (readBytes[cell] as number) + overlap;
      firstNs[cell] = Math.min(firstNs[cell] as number, ns);
    }
  }
  const cells = Array.from(readBytes, (bytes, index): GridCell => {
    const ns = firstNs[index] as number;
    const names = map === undefined ? [] : namesOf(map.placesOf(index * cellBytes, cellBytes));
    const shown = { names: names.slice(0, NAMED), nameCount: names.length };
    return { readBytes: bytes, firstNs: Number.isFinite(ns) ? ns : undefined, ...shown };
  });
  return { cellBytes, cells };
}

const KIND_NAMES = {
  "partition-table": "partition table",
  hashes: "dm-verity hash tree",
  "file-system": "file system's own data",
} as const;

function namesOf(places: Iterable<Place>): string[] {
  const names = new Set<string>();
  for (const { kind, path } of places) {
    names.add(path === undefined ? (KIND_NAMES[kind as keyof typeof KIND_NAMES] ?? kind) : `/${toText(path)}`);
  }
  return [...names];
}
