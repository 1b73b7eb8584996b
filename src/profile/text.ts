import { type ByteString, byteStringFrom, divideUp, FormatError } from "../bytes/index.ts";
import { componentsOf } from "../tree/index.ts";
import { PROFILE_UNIT_BYTES, type Profile, type ProfileEntry } from "./types.ts";

const FORMAT = "profile";
const HEADER = "lazyrd-profile 1";

/** Some hundred times as much as a boot of a large initrd gives. */
const MAX_PROFILE_BYTES = 64 << 20;
/** No file is longer (formats/erofs). */
const MAX_FILE_BYTES = 2 ** 44;

const LINE = /^\/(?<path>[^ ]*)(?: (?<start>\d+)\+(?<count>\d+))?$/;
/** What a line can show of a path as it is: ASCII without blanks, control characters and the backslash. */
const NEEDS_ESCAPE = /[^\x21-\x5b\x5d-\x7e]/g;
const ESCAPE = /\\(?:x(?<byte>[0-9a-f]{2}))?/g;

/**
 * Reads the text of a profile (docs/formats/profile.md).
 * @throws FormatError with the number of the line that is not one.
 */
export function parseProfile(input: Uint8Array | string): Profile {
  if (input.length > MAX_PROFILE_BYTES) {
    throw new FormatError(`Cannot read a profile of ${input.length} bytes: expected at most ${MAX_PROFILE_BYTES}`, {
      format: FORMAT,
    });
  }
  const text = typeof input === "string" ? input : byteStringFrom(input);
  const [header, ...lines] = text.split("\n");
  if (header !== HEADER) throw lineError(1, `expected "${HEADER}"`);
  if (lines.pop() !== "") throw lineError(lines.length + 2, "it is cut off: expected a line end");
  const entries: ProfileEntry[] = [];
  for (const [index, line] of lines.entries()) {
    if (line !== "" && !line.startsWith("#")) entries.push(parseLine(line, index + 2));
  }
  return { entries };
}

function parseLine(line: string, lineNumber: number): ProfileEntry {
  const { path: escaped, start, count } = LINE.exec(line)?.groups ?? {};
  if (escaped === undefined) {
    throw lineError(lineNumber, 'expected "/PATH" or "/PATH FIRST+COUNT" in units of 4096 bytes');
  }
  const path = canonicalPath(withoutEscapes(escaped, lineNumber));
  if (start === undefined || count === undefined) return { path, start: 0, end: 0 };
  const first = Number(start) * PROFILE_UNIT_BYTES;
  const end = first + Number(count) * PROFILE_UNIT_BYTES;
  if (first === end) throw lineError(lineNumber, "expected at least one unit, or no range at all");
  if (end > MAX_FILE_BYTES) throw lineError(lineNumber, `expected a range within ${MAX_FILE_BYTES} bytes`);
  return { path, start: first, end };
}

function withoutEscapes(escaped: string, lineNumber: number): ByteString {
  return escaped.replaceAll(ESCAPE, (_match, byte: string | undefined) => {
    if (byte === undefined) throw lineError(lineNumber, "expected two hexadecimal digits behind \\x");
    return String.fromCharCode(Number.parseInt(byte, 16));
  });
}

function lineError(lineNumber: number, problem: string): FormatError {
  return new FormatError(`Cannot read line ${lineNumber} of a profile: ${problem}`, { format: FORMAT });
}

/** The text of a profile. Ranges grow to whole units. */
export function encodeProfile({ entries }: Profile): string {
  return [HEADER, ...entries.map(lineOf), ""].join("\n");
}

function lineOf({ path, start, end }: ProfileEntry): string {
  const name = `/${canonicalPath(path).replaceAll(NEEDS_ESCAPE, escapeByte)}`;
  if (end <= start) return name;
  const first = Math.floor(start / PROFILE_UNIT_BYTES);
  return `${name} ${first}+${divideUp(end, PROFILE_UNIT_BYTES) - first}`;
}

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

function canonicalPath(path: ByteString): ByteString {
  return componentsOf(path).join("/");
}
