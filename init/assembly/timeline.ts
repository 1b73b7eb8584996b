import { makeDirectory, writeFile } from "./files";
import * as kernel from "./kernel";
import { Step } from "./plan";
import { Text, Writer, path } from "./text";

/** More than the names and numbers of one entry, or of the whole, take. */
const ENTRY_CAPACITY: i32 = 160;
const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const SPACE: u8 = 0x20;

const entries: Entry[] = [];
let firstLine: i64 = 0;

@final
class Entry {
  constructor(
    readonly step: Step,
    readonly start: i64,
    readonly end: i64,
  ) {}
}

/** Notes when the first stage began. */
export function startTimeline(): void {
  firstLine = kernel.clock();
}

export function timelineStart(): i64 {
  return firstLine;
}

export function noteStep(step: Step, start: i64, end: i64): void {
  entries.push(new Entry(step, start, end));
}

/** Leaves /run/lazyrd/timeline.json for the next stage (docs/plan.md); 0 or -errno. */
export function writeTimeline(): i32 {
  let capacity = ENTRY_CAPACITY;
  for (let i = 0; i < entries.length; i++) capacity += ENTRY_CAPACITY + 2 * entries[i].step.source.length;
  const json = new Writer(capacity);
  json.literal('{"version":1,"clock":"monotonic","firstLineUs":').number(firstLine / 1000);
  json.literal(',"handOverUs":').number(kernel.clock() / 1000).literal(',"steps":[');
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    json.literal(i == 0 ? "\n" : ",\n").literal('{"line":').number(entry.step.lineNumber);
    json.literal(',"step":');
    quote(json, entry.step.source);
    json.literal(',"startUs":').number(entry.start / 1000).literal(',"endUs":').number(entry.end / 1000).literal("}");
  }
  json.literal("\n]}\n");
  const made = makeDirectory(path("/run/lazyrd"), 0o755);
  if (made < 0) return made;
  return writeFile(path("/run/lazyrd/timeline.json"), json, kernel.O_CREAT | kernel.O_TRUNC);
}

/** Text as a string of JSON. */
export function quote(json: Writer, text: Text): void {
  json.byte(QUOTE);
  for (let i = 0; i < text.length; i++) {
    const byte = text.at(i);
    if (byte == QUOTE || byte == BACKSLASH) json.byte(BACKSLASH);
    json.byte(byte < SPACE ? SPACE : byte); // JSON has no bare control characters
  }
  json.byte(QUOTE);
}
