import type { ByteString } from "../bytes/index.ts";

/** An expression that cannot be said in JavaScript the same way; the message says which part. */
export class UntranslatableError extends Error {
  override readonly name = "UntranslatableError";
}

/** One element: a quoted character, the start of a group, a repetition, or any one character. */
const ELEMENT = /\\x\{[^}]*\}|\\.|\(\?(?:<[=!]|#|[P<'&|>!=:]|.)|\(\*|\{\d+(?:,\d*)?\}|./gsy;

const GROUP_STARTS: ReadonlySet<string> = new Set(["(?:", "(?=", "(?!", "(?<=", "(?<!"]);
const REPETITION = /^(?:[*+?]|\{\d+(?:,\d*)?\})$/;
/** Mean the same in both for bytes. */
const SAME_ESCAPES = /^\\[dDwWbBtnrf1-9]$/;
/** PCRE's white space is ASCII's (PCRE2 10, pcre2pattern(3), "Generic character types"). */
const OTHER_ESCAPES: Readonly<Record<string, string>> = { "\\s": "[\\t-\\r ]", "\\S": "[^\\t-\\r ]" };
const ALPHANUMERIC = /^\\[A-Za-z0-9]$/;

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: "\\t ",
  digit: "0-9",
  lower: "a-z",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\t-\\r ",
  upper: "A-Z",
  word: "0-9A-Z_a-z",
  xdigit: "0-9A-Fa-f",
};

/**
 * The regular expression of a file_contexts line as one of JavaScript, for a path as a byte string: what libselinux
 * compiles, "^" and "$" around it and a dot for every character (libselinux, label_file.h and regex.c).
 * @throws UntranslatableError for what PCRE2 has and JavaScript has not, or understands otherwise.
 */
export function translatePcre(pattern: ByteString): RegExp {
  let output = "";
  let repeated = false;
  for (let index = 0; index < pattern.length; ) {
    if (pattern[index] === "[") {
      const [set, length] = translateSet(pattern.slice(index));
      output += set;
      index += length;
      repeated = false;
      continue;
    }
    ELEMENT.lastIndex = index;
    const element = ELEMENT.exec(pattern)?.[0] ?? "";
    const isRepetition = REPETITION.test(element);
    // Behind a repetition, "?" makes it lazy in both; "+" is PCRE's way to forbid backtracking.
    if (isRepetition && repeated && element !== "?") throw untranslatable(element === "+" ? "a possessive +" : element);
    output += isRepetition ? element : translateElement(element);
    repeated = isRepetition && !repeated;
    index += element.length;
  }
  try {
    return new RegExp(`^${output}$`, "s");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.replace(/^.*: /s, "") : String(cause);
    throw new UntranslatableError(`it is no regular expression (${reason.toLowerCase()})`, { cause });
  }
}

function translateElement(element: string): string {
  if (element.startsWith("(") && element.length > 1) {
    if (GROUP_STARTS.has(element)) return element;
    throw untranslatable(element);
  }
  if (element === "\\") throw new UntranslatableError("it ends with a \\");
  if (!element.startsWith("\\"))
    return element === "{" || element === "}" || element === "]" ? `\\${element}` : element;
  if (SAME_ESCAPES.test(element)) return element;
  const other = OTHER_ESCAPES[element];
  if (other !== undefined) return other;
  if (ALPHANUMERIC.test(element) || element.length > 2) throw untranslatable(element);
  return element === "\\\n" ? "\\n" : element;
}

/** A set in brackets, and how many characters of the pattern it takes. "]" is one of the set when it comes first. */
function translateSet(pattern: string): [set: string, length: number] {
  const start = /^\[\^?/.exec(pattern)?.[0] ?? "[";
  let output = start;
  for (let index = start.length; index < pattern.length; ) {
    const rest = pattern.slice(index);
    const isFirst = index === start.length;
    if (rest.startsWith("]") && !isFirst) return [`${output}]`, index + 1];
    const posix = /^\[([:.=])(\^?)(\w*)\1\]/.exec(rest);
    if (posix !== null) {
      const members = POSIX_CLASSES[posix[3] ?? ""];
      if (posix[1] !== ":" || posix[2] !== "" || members === undefined) throw untranslatable(posix[0]);
      output += members;
      index += posix[0].length;
      continue;
    }
    const element = /^\\?./s.exec(rest)?.[0] ?? "";
    output += translateMember(element);
    index += element.length;
  }
  throw new UntranslatableError("a [ has no ]");
}

function translateMember(element: string): string {
  if (element === "\\s") return POSIX_CLASSES["space"] ?? "";
  if (/^\\[dDwWtnrf]$/.test(element)) return element;
  if (ALPHANUMERIC.test(element) || element === "\\") throw untranslatable(element);
  return /^[[\]]$/.test(element) ? `\\${element}` : element;
}

function untranslatable(element: string): UntranslatableError {
  return new UntranslatableError(`lazyrd does not know what ${element} means in it`);
}
