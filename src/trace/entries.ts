import { PROFILE_UNIT_BYTES, type ProfileEntry } from "../profile/index.ts";
import type { Place } from "./image-map.ts";

/**
 * What the bytes from `start` to `end` of the disk, as far as they lie in `place`, are of a file: whole pages, since the
 * kernel reads nothing less. Undefined for what is no entry's.
 */
export function entryOfPlace(place: Place, start: number, end: number): ProfileEntry | undefined {
  const { path, content } = place;
  if (path === undefined) return undefined;
  if (content === undefined) return { path, start: 0, end: 0 };
  const contentEnd = content.start + content.length;
  if (!place.isPlain) return { path, start: content.start, end: contentEnd };
  const from = content.start + Math.max(start - place.start, 0);
  const to = Math.min(content.start + end - place.start, contentEnd);
  return { path, start: from - (from % PROFILE_UNIT_BYTES), end: to };
}
