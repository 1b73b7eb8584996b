import { type ByteString, fromText, UsageError } from "../bytes/index.ts";
import { componentsOf } from "../tree/index.ts";

/** Something quoted, a set in brackets ("]" is one of the set when it comes first), or any one character. */
const ELEMENT = /\\.|\[[!^]?\]?[^\]]*\]|./gs;
const ANY_COMPONENTS = "**";
const SPECIAL = /[\\^$.*+?()[\]{}|/-]/g;

/** A pattern for paths, ready for use. */
export interface PathPattern {
  /** As a person wrote it. */
  readonly text: string;
  /** Whether the pattern means this path (without a leading slash). */
  readonly matches: (path: ByteString) => boolean;
  /** What stands before the first component with a wildcard. */
  readonly literalStart: ByteString;
}

/**
 * A path with wildcards: `*` and `?` for any characters and one character within a component, also a leading dot;
 * `[a-z]` and `[!a-z]` for one of a set; `**` as a whole component for any number of components; `\` takes what
 * follows as it is. `a/**` means what is in a, not a itself.
 * @throws UsageError for a pattern that says something else, or nothing.
 */
export function parsePathPattern(text: string): PathPattern {
  const components = componentsOf(fromText(text));
  if (components.length === 0) throw unusable(text, "it names no path");
  const parts = components.map((component, index) => {
    const isLast = index === components.length - 1;
    if (component === ANY_COMPONENTS) return isLast ? ".+" : "(?:[^/]+/)*";
    return componentExpression(component, text) + (isLast ? "" : "/");
  });
  const expression = new RegExp(`^${parts.join("")}$`, "s");
  const firstWild = components.findIndex((component) => /[*?[\\]/.test(component));
  return {
    text,
    matches: (path) => expression.test(path),
    literalStart: components.slice(0, firstWild < 0 ? components.length : firstWild).join("/"),
  };
}

function componentExpression(component: ByteString, text: string): string {
  if (component === "..") throw unusable(text, "paths start at the top of the tree and have no ..");
  if (component.includes(ANY_COMPONENTS)) throw unusable(text, "** must stand alone between slashes");
  return component.replace(ELEMENT, (element) => {
    if (element === "*") return "[^/]*";
    if (element === "?") return "[^/]";
    if (element.length === 1 && element !== "[" && element !== "\\") return quoted(element);
    if (element.startsWith("\\")) {
      if (element.length === 1) throw unusable(text, "\\ needs a character behind it");
      return quoted(element.slice(1));
    }
    if (element.length === 1) throw unusable(text, "[ has no ]; write \\[ for the character");
    return setExpression(element, text);
  });
}

/** "[!a-z]" as a set of a regular expression, in which only "-" keeps a meaning. */
function setExpression(element: ByteString, text: string): string {
  const isNegated = /^\[[!^]/.test(element);
  const members = element.slice(isNegated ? 2 : 1, -1);
  const ranges = members.replace(/[\\\]^[]/g, "\\$&");
  try {
    // No set holds the slash: a component ends there.
    const set = new RegExp(`[${isNegated ? "^" : ""}${ranges}]`).source;
    return `(?!/)${set}`;
  } catch (cause) {
    throw unusable(text, `${element} is no set of characters`, cause);
  }
}

function quoted(character: ByteString): string {
  return character.replace(SPECIAL, "\\$&");
}

function unusable(text: string, why: string, cause?: unknown): UsageError {
  return new UsageError(`Cannot use the pattern ${JSON.stringify(text)}: ${why}`, { cause });
}
