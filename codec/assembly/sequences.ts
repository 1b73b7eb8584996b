/** LZ4's block format (lz4_Block_format.md): sequences of literals and a match, the last one of literals alone. */
import { OUTPUT } from "./memory";

export const MIN_MATCH: usize = 4;
export const MAX_DISTANCE: usize = 0xffff;
/** MFLIMIT: decoders demand that the last match begins at least so far in front of the decoded end. */
export const LAST_MATCH_START: usize = 12;
/** LASTLITERALS: and that it ends so far in front of it. */
export const LAST_LITERALS: usize = 5;
const TOKEN_BYTES: usize = 1;
const OFFSET_BYTES: usize = 2;
/** A length in the token of this value goes on in bytes, up to one that is not 255. */
const LONG_LENGTH: usize = 15;
const LENGTH_BYTE: usize = 255;

/**
 * Room that stays free behind every match: a token and eight literals, so that LAST_MATCH_START holds even behind the
 * shortest match when the output ends there.
 */
export const RESERVE: usize = TOKEN_BYTES + LAST_MATCH_START - MIN_MATCH;

/** Bytes of a sequence's match: token, offset and, of longer ones, the length. */
@inline
export function matchCost(length: usize): usize {
  return TOKEN_BYTES + OFFSET_BYTES + lengthBytes(length - MIN_MATCH);
}

/** Bytes that a length takes outside of the token. */
@inline
export function lengthBytes(length: usize): usize {
  return length < LONG_LENGTH ? 0 : (length - LONG_LENGTH) / LENGTH_BYTE + 1;
}

/** The longest match that costs no more than `room`, at most `length`; 0 when not even the shortest one does. */
export function fittingMatch(length: usize, room: usize): usize {
  if (room < TOKEN_BYTES + OFFSET_BYTES) return 0;
  const extra = room - TOKEN_BYTES - OFFSET_BYTES;
  const longest = MIN_MATCH + LONG_LENGTH - 1 + extra * LENGTH_BYTE;
  return min(length, longest);
}

/** The most literals, at most `count`, that the last sequence can have in `room` bytes (at least TOKEN_BYTES). */
export function fittingLiterals(count: usize, room: usize): usize {
  let fitting = min(count, room - TOKEN_BYTES);
  while (true) {
    const cost = TOKEN_BYTES + lengthBytes(fitting) + fitting;
    if (cost <= room) return fitting;
    fitting -= cost - room;
  }
}

/** The end of what is written. */
export let output: usize = OUTPUT;
/** Set by the encoders at their end. */
export let consumed: usize = 0;

export function begin(): void {
  output = OUTPUT;
}

@inline
function writeLength(to: usize, length: usize): usize {
  let rest = length - LONG_LENGTH;
  while (rest >= LENGTH_BYTE) {
    store<u8>(to++, 255);
    rest -= LENGTH_BYTE;
  }
  store<u8>(to++, <u8>rest);
  return to;
}

@inline
function writeLiterals(from: usize, count: usize): usize {
  const token = output;
  let to = token + TOKEN_BYTES;
  if (count >= LONG_LENGTH) to = writeLength(to, count);
  store<u8>(token, <u8>(min(count, LONG_LENGTH) << 4));
  memory.copy(to, from, count);
  return to + count;
}

/** Literals from `from`, then a match. */
export function writeSequence(from: usize, literals: usize, distance: usize, length: usize): void {
  const token = output;
  let to = token + TOKEN_BYTES;
  if (literals <= 14) {
    store<u8>(token, <u8>(literals << 4));
    // Two stores may write more than the literals; what follows overwrites it.
    store<u64>(to, load<u64>(from));
    store<u64>(to, load<u64>(from, 8), 8);
    to += literals;
  } else {
    to = writeLiterals(from, literals);
  }
  store<u16>(to, <u16>distance);
  to += OFFSET_BYTES;
  const code = length - MIN_MATCH;
  store<u8>(token, load<u8>(token) | <u8>min(code, LONG_LENGTH));
  output = code >= LONG_LENGTH ? writeLength(to, code) : to;
}

/** The last sequence; returns the bytes of the whole block. `start` is where its input begins. */
export function finish(start: usize, anchor: usize, end: usize, limit: usize): usize {
  const literals = fittingLiterals(end - anchor, limit - output);
  output = writeLiterals(anchor, literals);
  consumed = anchor + literals - start;
  return output - OUTPUT;
}

/** How many bytes are equal at `a` and `b`, the later one, up to `end`. */
@inline
export function equalBytes(a: usize, b: usize, end: usize): usize {
  const from = b;
  while (b + 8 <= end) {
    const difference = load<u64>(a) ^ load<u64>(b);
    if (difference != 0) return b - from + <usize>(ctz(difference) >> 3);
    a += 8;
    b += 8;
  }
  while (b < end && load<u8>(a) == load<u8>(b)) {
    a++;
    b++;
  }
  return b - from;
}
