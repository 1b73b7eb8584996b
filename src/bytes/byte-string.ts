/**
 * A name or path exactly as the kernel sees it: bytes, one character (U+0000 to U+00FF) each.
 *
 * File names on Linux are bytes, not text: initrds hold names in any encoding. A string of one character a byte
 * keeps every name, compares and sorts as the kernel does (by unsigned bytes), and is what a plain ASCII literal
 * in the source already is. Convert at the edge: `fromText` for what a person typed, `toText` for what is shown.
 */
export type ByteString = string;

export function byteStringFrom(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

export function byteStringBytes(value: ByteString): Uint8Array {
  return new Uint8Array(Buffer.from(value, "latin1"));
}

/** Text (UTF-16) to the bytes of its UTF-8 form. */
export function fromText(text: string): ByteString {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** What acts on a terminal, or on the order in which text is read, instead of being shown: none may come from a file. */
const NOT_SHOWN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const NOT_ASCII_TEXT = /[^\x20-\x7e]/g;

/** For showing: UTF-8 where the whole value is UTF-8; `\xNN` for the bytes of control characters, and for all that are not ASCII otherwise. */
export function toText(value: ByteString): string {
  const bytes = Buffer.from(value, "latin1");
  const text = bytes.toString("utf8");
  const isUtf8 = Buffer.from(text, "utf8").equals(bytes);
  return isUtf8
    ? text.replace(NOT_SHOWN, (character) => escapeBytes(Buffer.from(character, "utf8")))
    : value.replace(NOT_ASCII_TEXT, (character) => escapeBytes(Buffer.from(character, "latin1")));
}

function escapeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

/** Order of unsigned bytes, as EROFS directories and our walks need it. */
export function compareByteStrings(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
