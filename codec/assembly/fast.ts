/** One look at one earlier place, with growing steps where nothing repeats. */
import { MAX_DECODED, OUTPUT, RECENT, RECENT_BITS } from "./memory";
import {
  begin,
  equalBytes,
  finish,
  fittingMatch,
  LAST_LITERALS,
  LAST_MATCH_START,
  lengthBytes,
  MAX_DISTANCE,
  MIN_MATCH,
  output,
  RESERVE,
  writeSequence,
} from "./sequences";

/** After so many places without a match (as a power of two) the step grows by one. */
const SKIP_BITS: u32 = 6;
/** Multiplies five bytes into the upper bits: matches of five bytes are worth more than those of four. */
const FIVE_BYTES: u64 = 889523592379;
const SHIFT_TO_FIVE: u64 = 24;

@inline
function recentOf(place: usize): usize {
  return RECENT + (<usize>(((load<u64>(place) << SHIFT_TO_FIVE) * FIVE_BYTES) >> (64 - RECENT_BITS)) << 1);
}

/**
 * What stands at `recent` as a distance, and `place` in its stead. No match is farther away than 16 bits can tell, so
 * that the lowest 16 bits of a place are enough: where they are those of an older place, the bytes there are looked at
 * in vain. 0 for one that just left the window.
 */
@inline
function distanceTo(place: usize): usize {
  const recent = recentOf(place);
  const distance = (place - <usize>load<u16>(recent)) & MAX_DISTANCE;
  store<u16>(recent, <u16>place);
  return distance;
}

@inline
function isMatch(place: usize, distance: usize, start: usize): bool {
  return distance - 1 < place - start && load<u32>(place - distance) == load<u32>(place);
}

export function encodeFast(start: usize, end: usize, room: usize): usize {
  begin();
  const limit = OUTPUT + room;
  if (end - start > MAX_DECODED) end = start + MAX_DECODED;
  let anchor = start;
  if (end - start <= LAST_MATCH_START) return finish(start, anchor, end, limit);
  const lastStart = end - LAST_MATCH_START;
  const matchEnd = end - LAST_LITERALS;
  let place = start;
  store<u16>(recentOf(place), <u16>place);
  place++;
  while (true) {
    // What lies beyond the room that is left cannot become literals of this block.
    const searchEnd = min(lastStart, anchor + (limit - output));
    let distance: usize = 0;
    let next = place;
    let searches: u32 = 1 << SKIP_BITS;
    while (true) {
      place = next;
      if (place > searchEnd) return finish(start, anchor, end, limit);
      next += searches++ >> SKIP_BITS;
      distance = distanceTo(place);
      if (isMatch(place, distance, start)) break;
    }
    while (place > anchor && place - distance > start && load<u8>(place - 1) == load<u8>(place - distance - 1)) place--;
    // One match after the other, as long as there is one at once.
    while (true) {
      const literals = place - anchor;
      let length = MIN_MATCH + equalBytes(place - distance + MIN_MATCH, place + MIN_MATCH, matchEnd);
      const left = limit - output;
      const fixed = lengthBytes(literals) + literals + RESERVE;
      const fitting: usize = fixed > left ? 0 : fittingMatch(length, left - fixed);
      if (fitting == 0) return finish(start, anchor, end, limit);
      writeSequence(anchor, literals, distance, fitting);
      place += fitting;
      anchor = place;
      if (fitting < length || place > lastStart) return finish(start, anchor, end, limit);
      store<u16>(recentOf(place - 2), <u16>(place - 2));
      distance = distanceTo(place);
      if (!isMatch(place, distance, start)) break;
    }
    place++;
  }
}
