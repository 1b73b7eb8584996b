/**
 * LZ4 blocks of a fixed size: as much of the input as fits into a given room. The caller writes the input to
 * `inputAddress()` and reads what was encoded from `outputAddress()`; nothing is ever allocated.
 */
import { encodeFast } from "./fast";
import { encodeHigh } from "./high";
import { INPUT, INPUT_BYTES, MEMORY_PAGES, OUTPUT, OUTPUT_BYTES, RECENT, RECENT_BYTES } from "./memory";
import { consumed } from "./sequences";

export function inputAddress(): usize {
  return INPUT;
}

export function inputBytes(): usize {
  return INPUT_BYTES;
}

export function outputAddress(): usize {
  return OUTPUT;
}

export function outputBytes(): usize {
  return OUTPUT_BYTES;
}

/** To be called once for each new input: what was seen of an earlier one must not have an effect on the next. */
export function start(): void {
  if (<u32>memory.size() < MEMORY_PAGES) memory.grow(<i32>(MEMORY_PAGES - <u32>memory.size()));
  memory.fill(RECENT, 0, RECENT_BYTES);
}

/** Encodes the input from `offset` to `end`, or its beginning, into at most `room` bytes; returns their number. */
export function fast(offset: u32, end: u32, room: u32): u32 {
  return <u32>encodeFast(INPUT + offset, INPUT + end, room);
}

/** Like `fast`; looks at up to `attempts` earlier places for each byte and chooses the cheapest of all encodings. */
export function high(offset: u32, end: u32, room: u32, attempts: u32): u32 {
  return <u32>encodeHigh(INPUT + offset, INPUT + end, room, attempts);
}

/** How much of the input the last call encoded. */
export function consumedBytes(): u32 {
  return <u32>consumed;
}
