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

/** For showing: UTF-8 where the bytes are UTF-8, `\xNN` for control characters and for bytes that are not. */
export function toText(value: ByteString): string {
  const decoded = Buffer.from(value, "latin1").toString("utf8");
  const text = decoded.includes("\ufffd") ? value.replace(/[\x80-\xff]/g, escapeByte) : decoded;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not reach a terminal
  return text.replace(/[\x00-\x1f\x7f]/g, escapeByte);
}

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** Order of unsigned bytes, as EROFS directories and our walks need it. */
export function compareByteStrings(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
