import type { ByteString } from "../bytes/index.ts";

/** What begins the part of a pattern that is not literal. */
const WILDCARD = /[*?[\\]/;

/**
 * `_` for `-` outside of brackets, where `-` makes a range: what kmod does to patterns and to what it looks up
 * (alias_normalize in kmod's shared/util.c).
 */
export function normaliseAlias(alias: ByteString): ByteString {
  // A kernel has some ten thousand patterns, and few with brackets.
  if (!alias.includes("[")) return alias.replaceAll("-", "_");
  let result = "";
  let inBrackets = false;
  for (const character of alias) {
    if (character === "[") inBrackets = true;
    else if (character === "]") inBrackets = false;
    result += character === "-" && !inBrackets ? "_" : character;
  }
  return result;
}

/** The characters of a pattern before its first wildcard. */
export function literalPrefix(pattern: ByteString): ByteString {
  const end = pattern.search(WILDCARD);
  return end === -1 ? pattern : pattern.slice(0, end);
}

/**
 * fnmatch(3) with no flags: `*` also matches "/". Goes back to the last `*` only, so the time is at most the product of both lengths,
 * whatever the pattern (a regular expression would take exponential time on hostile ones).
 */
export function fnmatch(pattern: ByteString, text: ByteString): boolean {
  let patternAt = 0;
  let textAt = 0;
  let starAt = -1;
  let starText = 0;
  while (textAt < text.length) {
    if (pattern[patternAt] === "*") {
      starAt = patternAt++;
      starText = textAt;
      continue;
    }
    const next = matchOne(pattern, patternAt, text[textAt] as string);
    if (next !== undefined) {
      patternAt = next;
      textAt++;
    } else if (starAt !== -1) {
      patternAt = starAt + 1;
      textAt = ++starText;
    } else {
      return false;
    }
  }
  while (pattern[patternAt] === "*") patternAt++;
  return patternAt === pattern.length;
}

/** Matches one character; the place in the pattern behind what matched it, or undefined. */
function matchOne(pattern: ByteString, at: number, character: string): number | undefined {
  const token = pattern[at];
  if (token === undefined) return undefined;
  if (token === "?") return at + 1;
  if (token === "[") {
    const set = matchSet(pattern, at + 1, character);
    // A bracket without its end is an ordinary character, as in glibc.
    if (set !== undefined) return set.matches ? set.end : undefined;
  }
  if (token === "\\" && at + 1 < pattern.length) return pattern[at + 1] === character ? at + 2 : undefined;
  return token === character ? at + 1 : undefined;
}

function matchSet(
  pattern: ByteString,
  start: number,
  character: string,
): { matches: boolean; end: number } | undefined {
  const negated = pattern[start] === "!" || pattern[start] === "^";
  const first = negated ? start + 1 : start;
  let matches = false;
  for (let at = first; at < pattern.length; ) {
    if (pattern[at] === "]" && at > first) return { matches: matches !== negated, end: at + 1 };
    const low = pattern[at] as string;
    const high = pattern[at + 1] === "-" ? pattern[at + 2] : undefined;
    if (high !== undefined && high !== "]") {
      matches ||= low <= character && character <= high;
      at += 3;
    } else {
      matches ||= low === character;
      at++;
    }
  }
  return undefined;
}
