/** One look at one earlier place, with growing steps where nothing repeats. */
import { HEADS, HEADS_BITS, MAX_DECODED, OUTPUT } from "./memory";
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
function headOf(place: usize): usize {
  return HEADS + (<usize>(((load<u64>(place) << SHIFT_TO_FIVE) * FIVE_BYTES) >> (64 - HEADS_BITS)) << 2);
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
  store<u32>(headOf(place), <u32>place);
  place++;
  while (true) {
    // What lies beyond the room that is left cannot become literals of this block.
    const searchEnd = min(lastStart, anchor + (limit - output));
    let earlier: usize = 0;
    let next = place;
    let searches: u32 = 1 << SKIP_BITS;
    while (true) {
      place = next;
      if (place > searchEnd) return finish(start, anchor, end, limit);
      next += searches++ >> SKIP_BITS;
      const head = headOf(place);
      earlier = load<u32>(head);
      store<u32>(head, <u32>place);
      if (earlier >= start && place - earlier - 1 < MAX_DISTANCE && load<u32>(earlier) == load<u32>(place)) break;
    }
    while (place > anchor && earlier > start && load<u8>(place - 1) == load<u8>(earlier - 1)) {
      place--;
      earlier--;
    }
    // One match after the other, as long as there is one at once.
    while (true) {
      const literals = place - anchor;
      let length = MIN_MATCH + equalBytes(earlier + MIN_MATCH, place + MIN_MATCH, matchEnd);
      const left = limit - output;
      const fixed = lengthBytes(literals) + literals + RESERVE;
      const fitting: usize = fixed > left ? 0 : fittingMatch(length, left - fixed);
      if (fitting == 0) return finish(start, anchor, end, limit);
      writeSequence(anchor, literals, place - earlier, fitting);
      place += fitting;
      anchor = place;
      if (fitting < length || place > lastStart) return finish(start, anchor, end, limit);
      store<u32>(headOf(place - 2), <u32>(place - 2));
      const head = headOf(place);
      earlier = load<u32>(head);
      store<u32>(head, <u32>place);
      if (earlier < start || place - earlier - 1 >= MAX_DISTANCE || load<u32>(earlier) != load<u32>(place)) break;
    }
    place++;
  }
}
