import { Text } from "./text";

const NUL: u8 = 0;
/** No character of a version. */
const NOTHING: u8 = 1;
const TILDE: u8 = 0x7e;
const CARET: u8 = 0x5e;
const MINUS: u8 = 0x2d;
const DOT: u8 = 0x2e;
const ZERO: u8 = 0x30;

/** What sorts before everything else at one place comes first: what both have is passed, what one has makes it older. */
const SEPARATORS: StaticArray<u8> = [TILDE, NUL, MINUS, CARET, DOT];

/** Below zero when `a` is older than `b`, above when it is newer, by the Version Format Specification (UAPI.10). */
export function compareVersions(a: Text, b: Text): i32 {
  let i = 0;
  let j = 0;
  let order = 0;
  while (order == 0) {
    while (i < a.length && !isOfVersion(a.at(i))) i++;
    while (j < b.length && !isOfVersion(b.at(j))) j++;
    const x = a.at(i); // NUL at the end
    const y = b.at(j);
    const separator = firstSeparator(x, y);
    if (separator == NUL) return <i32>(x != NUL) - <i32>(y != NUL);
    if (separator != NOTHING) {
      if (x != y) order = x == separator ? -1 : 1;
      i++;
      j++;
      continue;
    }
    const isNumber = isDigit(x) || isDigit(y);
    // Zeros in front do not count; then the longer number is the larger one.
    while (isNumber && a.at(i) == ZERO) i++;
    while (isNumber && b.at(j) == ZERO) j++;
    const iEnd = endOfRun(a, i, isNumber);
    const jEnd = endOfRun(b, j, isNumber);
    const longer = iEnd - i - (jEnd - j);
    order = isNumber && longer != 0 ? longer : memory.compare(a.start + i, b.start + j, min(iEnd - i, jEnd - j));
    if (order == 0) order = longer;
    i = iEnd;
    j = jEnd;
  }
  return order;
}

/** The first of the separators that one of the two is; NOTHING when neither is one. */
function firstSeparator(x: u8, y: u8): u8 {
  for (let i = 0; i < SEPARATORS.length; i++) {
    const separator = unchecked(SEPARATORS[i]);
    if (x == separator || y == separator) return separator;
  }
  return NOTHING;
}

function endOfRun(text: Text, from: i32, isNumber: bool): i32 {
  let end = from;
  while (isNumber ? isDigit(text.at(end)) : isLetter(text.at(end))) end++;
  return end;
}

function isOfVersion(byte: u8): bool {
  return isDigit(byte) || isLetter(byte) || byte == MINUS || byte == DOT || byte == TILDE || byte == CARET;
}

function isDigit(byte: u8): bool {
  return byte >= ZERO && byte <= ZERO + 9;
}

function isLetter(byte: u8): bool {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}
