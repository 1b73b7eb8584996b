import { mergeProfiles, type Profile } from "../profile/index.ts";
import { entryOfPlace } from "./entries.ts";
import type { ImageMap } from "./image-map.ts";
import type { Trace, TraceRead } from "./types.ts";

/** What a boot touched, in order; undefined where that was not recorded. */
export function profileOfTouched({ touched }: Trace): Profile | undefined {
  if (touched === undefined) return undefined;
  return mergeProfiles([{ entries: touched.map(({ path, start, length }) => ({ path, start, end: start + length })) }]);
}

/**
 * What a boot read, in order: with read-ahead, compressed clusters and blocks that hold several entries, this is more
 * than what it touched.
 */
export function profileOfReads(
  { reads }: { readonly reads: readonly Omit<TraceRead, "ns">[] },
  map: ImageMap,
): Profile {
  const entries = reads.flatMap(({ offset, length }) => {
    return [...map.placesOf(offset, length)].flatMap((place) => {
      const entry = entryOfPlace(place, offset, offset + length);
      return entry === undefined ? [] : [entry];
    });
  });
  return mergeProfiles([{ entries }]);
}
