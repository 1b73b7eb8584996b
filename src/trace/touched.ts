import { entryOfPlace } from "./entries.ts";
import type { ImageMap } from "./image-map.ts";
import type { TouchedRange, TraceRead } from "./types.ts";

/** What the reads of an exact image used, in order, each part once. */
export function touchedBy(reads: readonly TraceRead[], map: ImageMap): TouchedRange[] {
  const known = new Set<string>();
  return reads.flatMap(({ ns, offset, length }) => {
    return [...map.placesOf(offset, length)].flatMap((place): TouchedRange[] => {
      const entry = entryOfPlace(place, offset, offset + length);
      if (entry === undefined) return [];
      const key = `${entry.start}-${entry.end} ${entry.path}`;
      if (known.has(key)) return [];
      known.add(key);
      return [{ ns, path: entry.path, start: entry.start, length: entry.end - entry.start }];
    });
  });
}
