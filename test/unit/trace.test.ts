import { describe, expect, test } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import { encodeTrace, parseTrace, type Trace } from "../../src/trace/index.ts";
import { sampleTrace } from "../support/trace-samples.ts";

const linesOf = (trace: Trace): string[] => encodeTrace(trace).split("\n");

function problemOf(text: string): string {
  try {
    parseTrace(text);
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return error instanceof Error ? error.message : "";
  }
  throw new Error("It was read");
}

/** The text of the sample with one line changed; lines count from 1. */
function withLine(number: number, line: string): string {
  return linesOf(sampleTrace())
    .with(number - 1, line)
    .join("\n");
}

describe("a trace as text", () => {
  test("is one line for each fact", async () => {
    await expect(encodeTrace(sampleTrace())).toMatchFileSnapshot("../golden/sample.trace");
  });

  test.each<[string, Partial<Trace>]>([
    ["everything", {}],
    ["no exact boot", { touched: undefined, modules: undefined }],
    ["an exact boot that saw nothing", { touched: [], modules: [] }],
    ["nothing", { milestones: [], steps: [], memory: [], disks: [], lines: [], reads: [], end: "timeout" }],
  ])("with %s is read as it was written", (_, given) => {
    const trace = sampleTrace(given);
    expect(parseTrace(encodeTrace(trace))).toEqual(trace);
  });

  test("holds a hundred thousand reads", () => {
    const reads = Array.from({ length: 100_000 }, (_, index) => ({
      ns: index * 1000,
      offset: index * 4096,
      length: 4096,
    }));
    const trace = sampleTrace({ reads });
    expect(parseTrace(encodeTrace(trace)).reads).toEqual(reads);
  });
});

describe("a trace that is not sound is refused, by line", () => {
  test.each([
    ["nothing", "", /line 1 .*no trace/],
    ["something else", "lazyrd-profile 1\n", /line 1 .*no trace/],
    ["other JSON", '{"version":1}\n', /line 1 .*no trace/],
    ["another version", '{"lazyrd-trace":2}\n', /line 1 .*expected version 1, got 2/],
    [
      "a head with a wrong value",
      withLine(1, linesOf(sampleTrace())[0]?.replace('"quiet"', "7") ?? ""),
      /line 1 .*commandLine/,
    ],
    ["a line that is no JSON", withLine(3, "[milestone]"), /line 3 .*not JSON/],
    ["an unknown line", withLine(3, '["mile",1]'), /line 3/],
    ["a time below zero", withLine(9, '["read",-1,0,4096]'), /line 9/],
    ["a longer request than there are", withLine(9, '["read",1,0,1000000000000]'), /line 9/],
    ["a length that is no number", withLine(9, '["read",1,0,"4096"]'), /line 9/],
    ["a path of more than bytes", withLine(12, '["touched",1,"\u0416",0,0]'), /line 12/],
    ["a missing line", linesOf(sampleTrace()).toSpliced(4, 1).join("\n"), /expected 12 lines before it, got 11/],
    ["no end", `${linesOf(sampleTrace()).slice(0, -2).join("\n")}\n`, /cut off/],
    ["no line end", encodeTrace(sampleTrace()).slice(0, -1), /cut off/],
  ])("%s", (_, text, message) => {
    expect(problemOf(text)).toMatch(message);
  });
});
