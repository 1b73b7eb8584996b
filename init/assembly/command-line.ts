/**
 * What a person at the machine asked for: the words `lazyrd.*` of the kernel's command line (docs/how-to/debug-a-boot.md).
 * They choose between what the plan allows, and show more; none of them changes what is verified.
 */
import { readSmallFile } from "./files";
import * as kernel from "./kernel";
import { overrideTimeouts, Step } from "./plan";
import { compose, ERROR, say, sayOnConsole } from "./report";
import { path, Text } from "./text";

/** The longest command line of any architecture that Linux knows (COMMAND_LINE_SIZE). */
const CAPACITY: i32 = 4096;
const PREFIX: string = "lazyrd.";
const LONGEST_TIMEOUT_SECONDS: i64 = 3600;

const QUOTE: u8 = 0x22;
const SPACE: u8 = 0x20;
const EQUALS: u8 = 0x3d;
const COMMA: u8 = 0x2c;
const LETTER_S: u8 = 0x73;

const commandLine = memory.data(CAPACITY);

const NOTHING = new Text(0, 0);

/** The candidate to begin with; empty: the first one. */
export let wantedCandidate: Text = NOTHING;
/** Where to fetch from instead of where the plan says; null: there. What comes is verified all the same. */
export let wantedUrl: Text | null = null;
let breakPoints: Text | null = null;

/** Reads the command line. Words that are not understood are named and have no effect. */
export function readCommandLine(): void {
  const length = readSmallFile(path("/proc/cmdline"), commandLine, CAPACITY);
  let from = 0;
  let isQuoted = false;
  for (let i = 0; i <= length; i++) {
    const byte = i < length ? load<u8>(commandLine + i) : SPACE;
    if (byte == QUOTE && i < length) isQuoted = !isQuoted;
    if (i < length && (isQuoted || byte > SPACE)) continue;
    const word = new Text(commandLine + from, i - from);
    from = i + 1;
    if (word.equals("--")) return; // what follows is for init
    if (word.startsWith(PREFIX)) readWord(word);
  }
}

function readWord(word: Text): void {
  const setting = word.slice(PREFIX.length, word.length);
  const equals = setting.indexOf(EQUALS);
  const key = equals < 0 ? setting : setting.slice(0, equals);
  const value = equals < 0 ? NOTHING : setting.slice(equals + 1, setting.length);
  if (key.equals("debug") && equals < 0) sayOnConsole();
  else if (key.equals("break")) breakPoints = value;
  else if (key.equals("image") && value.length > 0) wantedCandidate = value;
  else if (NETWORK != 0 && key.equals("url") && value.length > 0) wantedUrl = value;
  else if (!key.equals("timeout") || !readTimeout(value)) {
    compose().literal("not understood on the command line: ").text(word);
    say(ERROR);
  }
}

function readTimeout(value: Text): bool {
  const isInSeconds = value.length > 0 && value.at(value.length - 1) == LETTER_S;
  const seconds = (isInSeconds ? value.slice(0, value.length - 1) : value).toNumber();
  if (seconds < 0 || seconds > LONGEST_TIMEOUT_SECONDS) return false;
  overrideTimeouts(<i32>seconds * 1000);
  return true;
}

/** Whether a break point stands before this step: `lazyrd.break` alone before each, with verbs and numbers of lines before those. */
export function isBreakPoint(step: Step): bool {
  const points = breakPoints;
  if (points === null) return false;
  if (points.length == 0) return true;
  let from = 0;
  for (let i = 0; i <= points.length; i++) {
    if (i < points.length && points.at(i) != COMMA) continue;
    const point = points.slice(from, i);
    from = i + 1;
    if (point.same(step.verb) || point.toNumber() == step.lineNumber) return true;
  }
  return false;
}
