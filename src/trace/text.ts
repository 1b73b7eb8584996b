import * as z from "zod";
import { FormatError } from "../bytes/index.ts";
import {
  type TouchedRange,
  TRACE_VERSION,
  type Trace,
  type TraceDisk,
  type TraceLine,
  type TraceMemory,
  type TraceMilestone,
  type TraceModule,
  type TraceRead,
  type TraceStep,
} from "./types.ts";

const FORMAT = "trace";

/** Some ten times as much as a boot that reads a million times gives. */
const MAX_TRACE_CHARACTERS = 512 << 20;

/** Linux asks a disk for some megabytes at once at most. What is read is counted by blocks, so there must be a limit. */
export const MAX_REQUEST_BYTES = 256 << 20;

const Count = z.int().min(0);
const RequestLength = Count.max(MAX_REQUEST_BYTES);
const Text = z.string();
/** Bytes, one character each. */
const Path = z.string().regex(/^[^\u0100-\uffff]*$/);
const Header = z.strictObject({
  "lazyrd-trace": z.literal(TRACE_VERSION),
  generator: Text,
  source: z.enum(["qemu", "machine"]),
  way: z.enum(["classic", "lazy"]),
  kernelRelease: Text,
  architecture: Text,
  commandLine: Text,
  rootHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  imageBytes: Count.nullable(),
  loadedBytes: Count.nullable(),
  folder: Text.nullable(),
  machine: z
    .strictObject({
      qemuVersion: Text,
      memoryMib: Count,
      cpus: Count,
      cpuModel: Text,
      diskBus: Text,
      countsInstructions: z.boolean(),
    })
    .nullable(),
});

/** Every line but the first and the last is an array: what it is, and its values. */
const Line = z.union([
  z.tuple([z.literal("milestone"), Count, Text, Text]),
  z.tuple([z.literal("step"), Count, Count, Text, Text]),
  z.tuple([z.literal("memory"), Count, z.enum(["total", "available", "initrd-freed", "used"]), Count]),
  z.tuple([z.literal("disk"), Text, Count, Count]),
  z.tuple([z.literal("line"), Count, Text]),
  z.tuple([z.literal("read"), Count, Count, RequestLength]),
  z.tuple([z.literal("touched"), Count, Path, Count, Count]),
  z.tuple([z.literal("module"), Count, Text, z.boolean(), Count, Count.nullable()]),
]);
type Line = z.output<typeof Line>;

const End = z.strictObject({ end: z.enum(["reached", "guest-ended", "timeout"]), exact: z.boolean(), lines: Count });

/** The text of a trace (docs/formats/trace.md). Same trace, same text. */
export function encodeTrace(trace: Trace): string {
  const lines: Line[] = [
    ...trace.milestones.map(({ ns, name, title }): Line => ["milestone", ns, name, title]),
    ...trace.steps.map(({ startNs, endNs, verb, outcome }): Line => ["step", startNs, endNs, verb, outcome]),
    ...trace.memory.map(({ ns, what, bytes }): Line => ["memory", ns, what, bytes]),
    ...trace.disks.map(({ name, requests, bytes }): Line => ["disk", name, requests, bytes]),
    ...trace.lines.map(({ ns, text }): Line => ["line", ns, text]),
    ...trace.reads.map(({ ns, offset, length }): Line => ["read", ns, offset, length]),
    ...(trace.touched ?? []).map(({ ns, path, start, length }): Line => ["touched", ns, path, start, length]),
  ];
  for (const { ns, name, inFirstStage, initNs, loadNs } of trace.modules ?? []) {
    lines.push(["module", ns, name, inFirstStage, initNs, loadNs]);
  }
  const header = { "lazyrd-trace": TRACE_VERSION, ...trace.boot };
  const end = { end: trace.end, exact: trace.touched !== undefined, lines: lines.length };
  return [header, ...lines, end].map((value) => `${JSON.stringify(value)}\n`).join("");
}

/**
 * Reads the text of a trace.
 * @throws FormatError with the number of the line that is not one, for a trace that was cut off, and for other versions.
 */
export function parseTrace(text: string): Trace {
  if (text.length > MAX_TRACE_CHARACTERS) {
    throw new FormatError(
      `Cannot read a trace of ${text.length} characters: expected at most ${MAX_TRACE_CHARACTERS}`,
      { format: FORMAT },
    );
  }
  const lines = text.split("\n");
  const header = parseHeader(lines[0] ?? "");
  if (lines.pop() !== "") throw lineError(lines.length + 1, "the trace is cut off");
  const last = End.safeParse(parseJson(lines.at(-1) ?? "", lines.length));
  if (!last.success || lines.length < 2) throw lineError(lines.length, "the trace is cut off: expected its end");
  const { end, exact, lines: count } = last.data;
  if (count !== lines.length - 2)
    throw lineError(lines.length, `expected ${count} lines before it, got ${lines.length - 2}`);
  const { "lazyrd-trace": _, ...boot } = header;
  const content = new Content();
  for (let index = 1; index < lines.length - 1; index++) content.add(parseLine(lines[index] ?? "", index + 1));
  return {
    boot,
    ...content,
    touched: exact ? content.touched : undefined,
    modules: exact ? content.modules : undefined,
    end,
  };
}

class Content {
  readonly milestones: TraceMilestone[] = [];
  readonly steps: TraceStep[] = [];
  readonly memory: TraceMemory[] = [];
  readonly disks: TraceDisk[] = [];
  readonly lines: TraceLine[] = [];
  readonly reads: TraceRead[] = [];
  readonly touched: TouchedRange[] = [];
  readonly modules: TraceModule[] = [];

  add(line: Line): void {
    switch (line[0]) {
      case "milestone":
        this.milestones.push({ ns: line[1], name: line[2], title: line[3] });
        break;
      case "step":
        this.steps.push({ startNs: line[1], endNs: line[2], verb: line[3], outcome: line[4] });
        break;
      case "memory":
        this.memory.push({ ns: line[1], what: line[2], bytes: line[3] });
        break;
      case "disk":
        this.disks.push({ name: line[1], requests: line[2], bytes: line[3] });
        break;
      case "line":
        this.lines.push({ ns: line[1], text: line[2] });
        break;
      case "read":
        this.reads.push({ ns: line[1], offset: line[2], length: line[3] });
        break;
      case "touched":
        this.touched.push({ ns: line[1], path: line[2], start: line[3], length: line[4] });
        break;
      case "module":
        this.modules.push({ ns: line[1], name: line[2], inFirstStage: line[3], initNs: line[4], loadNs: line[5] });
        break;
    }
  }
}

function parseHeader(line: string): z.output<typeof Header> {
  const value = parseJson(line, 1);
  const version = isObject(value) ? value["lazyrd-trace"] : undefined;
  if (version === undefined) throw lineError(1, 'expected {"lazyrd-trace":1,...}: this is no trace');
  if (version !== TRACE_VERSION) {
    throw lineError(
      1,
      `expected version ${TRACE_VERSION}, got ${JSON.stringify(version)}: use the lazyrd that wrote it`,
    );
  }
  return parsed(Header, value, 1);
}

function parseLine(line: string, lineNumber: number): Line {
  const value = parseJson(line, lineNumber);
  // Nearly all lines are reads, of which there may be very many.
  if (isRead(value)) return value;
  return parsed(Line, value, lineNumber);
}

function isRead(value: unknown): value is ["read", number, number, number] {
  const isReadLine = Array.isArray(value) && value.length === 4 && value[0] === "read";
  return isReadLine && value.slice(1).every(isCount) && value[3] <= MAX_REQUEST_BYTES;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, lineNumber: number): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw lineError(lineNumber, issue?.message ?? "unexpected content", issue?.path.join("."));
}

function parseJson(line: string, lineNumber: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw lineError(
      lineNumber,
      lineNumber === 1 ? "it is not JSON: this is no trace" : "it is not JSON",
      undefined,
      cause,
    );
  }
}

function lineError(lineNumber: number, problem: string, field?: string, cause?: unknown): FormatError {
  return new FormatError(`Cannot read line ${lineNumber} of a trace: ${problem}`, { format: FORMAT, field, cause });
}
