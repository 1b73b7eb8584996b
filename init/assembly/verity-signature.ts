import * as kernel from "./kernel";
import { because, problem } from "./report";
import { hexDigit, Text } from "./text";

/** What a key of the kind "user" holds at most (keyctl(2)): a signature beyond that could not be handed over. */
const LARGEST_SIGNATURE: i32 = 32767;
/** That in base64, the root hash, a fingerprint, and the names of all three. */
const LARGEST_TEXT: i32 = 48 * 1024;
const HASH_DIGITS: i32 = 64;

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const FIRST_CHARACTER: u8 = 0x20;
const LAST_CHARACTER: u8 = 0x7e;
const PADDING: u8 = 0x3d;

const content = memory.data(LARGEST_TEXT);
const signature = memory.data(LARGEST_SIGNATURE);

let position: i32 = 0;
let end: i32 = 0;
let rootHash: Text = new Text(0, 0);
let signatureLength: i32 = 0;
const nothing = new Text(0, 0);

/** The root hash that the signature read last is for: 64 lower-case digits. */
export function signedRootHash(): Text {
  return rootHash;
}

/** The signature read last: PKCS#7 in DER. Nobody has checked it yet. */
export function signatureBytes(): Text {
  return new Text(signature, signatureLength);
}

/**
 * Reads the content of a verity-sig partition (UAPI.2): one JSON object of texts, then zeros.
 *
 * All of it is whatever somebody wrote to a disk. So only the form that the specification has is taken: no escapes, no
 * member twice, no other kinds of values, a root hash of exactly 64 lower-case digits, base64 without a break.
 */
export function readVeritySignature(device: i32): bool {
  const length = kernel.pread(device, content, LARGEST_TEXT, 0);
  if (length < 0) return because(problem("cannot read the signature's partition"), length);
  end = 0;
  while (end < length && load<u8>(content + end) != 0) end++;
  for (let i = end; i < length; i++) if (load<u8>(content + i) != 0) return refuse("something stands behind its end");
  if (end == 0) return refuse("it is empty");
  if (end == LARGEST_TEXT) return refuse("it is too long");
  position = 0;
  rootHash = nothing;
  signatureLength = 0;
  if (!takeObject()) return refuse("it is no JSON object of texts");
  if (rootHash.length == 0) return refuse("it has no rootHash of 64 lower-case hexadecimal digits, or more than one");
  if (signatureLength == 0) return refuse("it has no signature in base64, or one that is too long, or more than one");
  return true;
}

function refuse(why: string): bool {
  problem("the signature's partition is not of the form it must have: ").literal(why);
  return false;
}

function takeObject(): bool {
  if (!take(0x7b)) return false; // {
  let hashes = 0;
  let signatures = 0;
  do {
    const name = takeText();
    if (name === null || !take(0x3a)) return false; // :
    const value = takeText();
    if (value === null) return false;
    if (name.equals("rootHash")) rootHash = hashes++ == 0 && isHash(value) ? value : nothing;
    else if (name.equals("signature")) signatureLength = signatures++ == 0 ? decodeBase64(value) : 0;
  } while (take(0x2c)); // ,
  return take(0x7d) && skipBlanks() == end; // }
}

/** Goes past blanks and, where it is next, `byte`. */
function take(byte: u8): bool {
  if (skipBlanks() == end || load<u8>(content + position) != byte) return false;
  position++;
  return true;
}

function takeText(): Text | null {
  if (!take(QUOTE)) return null;
  const start = position;
  for (; position < end; position++) {
    const byte = load<u8>(content + position);
    if (byte == QUOTE) return new Text(content + start, position++ - start);
    if (byte < FIRST_CHARACTER || byte > LAST_CHARACTER || byte == BACKSLASH) return null;
  }
  return null;
}

function skipBlanks(): i32 {
  for (; position < end; position++) {
    const byte = load<u8>(content + position);
    if (byte != 0x20 && byte != 0x0a && byte != 0x0d && byte != 0x09) break;
  }
  return position;
}

function isHash(text: Text): bool {
  if (text.length != HASH_DIGITS) return false;
  for (let i = 0; i < HASH_DIGITS; i++) {
    const byte = text.at(i);
    if (hexDigit(byte) < 0 || (byte >= 0x41 && byte <= 0x46)) return false;
  }
  return true;
}

/** The number of bytes at `signature`, or 0 when the text is not base64 as RFC 4648 (4) has it, or too long. */
function decodeBase64(text: Text): i32 {
  if ((text.length & 3) != 0 || (text.length >> 2) * 3 > LARGEST_SIGNATURE + 2) return 0;
  let digits = text.length;
  while (digits > text.length - 2 && text.at(digits - 1) == PADDING) digits--;
  let bits: u32 = 0;
  let length = 0;
  for (let i = 0; i < digits; i++) {
    const value = base64Digit(text.at(i));
    if (value < 0) return 0;
    bits = (bits << 6) | value;
    if ((i & 3) == 0) continue;
    if (length == LARGEST_SIGNATURE) return 0;
    store<u8>(signature + length++, <u8>(bits >> (6 - 2 * (i & 3))));
  }
  // Bits of the last digit that belong to no byte are zero: there is one text for each content.
  const rest = digits & 3;
  return rest != 0 && (bits & ((1 << (8 - 2 * rest)) - 1)) != 0 ? 0 : length;
}

function base64Digit(byte: u8): i32 {
  if (byte >= 0x41 && byte <= 0x5a) return byte - 0x41;
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x61 + 26;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30 + 52;
  return byte == 0x2b ? 62 : byte == 0x2f ? 63 : -1;
}
