import { alignUp, type ByteString } from "../bytes/index.ts";
import { RangeSet } from "./ranges.ts";
import { PROFILE_UNIT_BYTES, type Profile, type ProfileEntry } from "./types.ts";

/**
 * One profile of several: of different machines, of a first boot, of a rescue shell. What a profile has that none before
 * it had follows, in its own order; each byte and each look-up appears once. What was read in one go becomes one entry.
 * With a single profile: that profile without repetitions.
 */
export function mergeProfiles(profiles: readonly Profile[]): Profile {
  const entries: ProfileEntry[] = [];
  const known = new Map<ByteString, RangeSet>();
  for (const { path, start, end } of profiles.flatMap((profile) => profile.entries)) {
    const ranges = known.get(path) ?? new RangeSet();
    if (end > start) {
      const whole = { start: start - (start % PROFILE_UNIT_BYTES), end: alignUp(end, PROFILE_UNIT_BYTES) };
      for (const fresh of ranges.missing(whole)) append(entries, { path, ...fresh });
      ranges.add(whole);
    } else if (!known.has(path)) {
      entries.push({ path, start: 0, end: 0 });
    }
    known.set(path, ranges);
  }
  return { entries };
}

/** Adds an entry, or lengthens the last one by it. */
function append(entries: ProfileEntry[], next: ProfileEntry): void {
  const last = entries.at(-1);
  const continues = last?.path === next.path && last.end === next.start && last.end > last.start;
  if (continues) entries[entries.length - 1] = { ...last, end: next.end };
  else entries.push(next);
}
