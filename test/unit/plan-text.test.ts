import { describe, expect, test } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import {
  candidateSteps,
  encodePlan,
  firstStagePattern,
  optionOf,
  PLAN_HEADER,
  type PlanStep,
  parsePlan,
  stepLine,
} from "../../src/plan/index.ts";

const plan = (...lines: string[]): string => [PLAN_HEADER, ...lines, ""].join("\n");

describe("reading a plan", () => {
  test("takes blanks, empty lines and comments as the first stage does", () => {
    expect(
      parsePlan(plan("# a comment", "", "  mount  a   /b erofs ", "   ", "modules", "switch /new /init # x")),
    ).toEqual([
      { lineNumber: 4, verb: "mount", words: ["a", "/b", "erofs"] },
      { lineNumber: 6, verb: "modules", words: [] },
      { lineNumber: 7, verb: "switch", words: ["/new", "/init", "#", "x"] },
    ]);
    expect(parsePlan(PLAN_HEADER)).toEqual([]);
  });

  test.each([
    ["no text", "", 'expected "lazyrd-plan 1" as line 1'],
    ["another version", "lazyrd-plan 2\n", "as line 1"],
    ["something before the header", `\n${PLAN_HEADER}\n`, "as line 1"],
    ["an unknown step", plan("modules a", "frobnicate b"), 'Cannot read line 3: unknown step "frobnicate"'],
    ["a name that every object has", plan("toString"), 'line 2: unknown step "toString"'],
    ["a comment that is indented", plan(" # x"), 'line 2: unknown step "#"'],
    ["a line of 8193 characters", plan("", `modules ${"a".repeat(8185)}`), "Cannot read line 3: expected at most 8192"],
    ["an end of nothing", plan("mount a b", "end"), "Cannot use line 3 (end): it ends no candidate"],
    ["a second end", plan("candidate a", "mount a b", "end", "end"), "Cannot use line 5 (end)"],
    ["a candidate without a name", plan("candidate"), "Cannot use line 2 (candidate): it names no candidate"],
    ["a candidate without steps", plan("candidate a", "end"), "Cannot use line 3 (end): it comes before any step"],
    ["a candidate without an end", plan("candidate a", "mount a b"), "Cannot use the plan: its candidates have no end"],
    ...["failure panic", "graft a b", "forward a", "switch a b"].map((line): [string, string, string] => [
      `a candidate with ${line}`,
      plan("candidate a", line, "end"),
      `Cannot use line 3 (${line.split(" ")[0]}): it cannot be taken back, so it must not stand in a candidate`,
    ]),
    ["more than a mebibyte", "x".repeat(2 ** 20 + 1), "expected at most 1048576 bytes, got 1048577"],
  ])("refuses %s", (_, text, message) => {
    expect(() => parsePlan(text)).toThrow(FormatError);
    expect(() => parsePlan(text)).toThrow(message);
  });

  test("an option is found by its whole key", () => {
    const step = { words: ["root", "hash-start=1", "hash=h", "x=a=b"] };
    expect(["hash", "hash-start", "x", "has", "root", "y"].map((key) => optionOf(step, key))).toEqual([
      "h",
      "1",
      "a=b",
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("writing a plan", () => {
  test("a step is its words", () => {
    expect(stepLine({ verb: "mount", words: ["root", "/x", "erofs"] })).toBe("mount root /x erofs");
    expect(encodePlan({ steps: [] })).toBe("lazyrd-plan 1\n");
  });

  test.each(["", "a b", "a\nb", "a\tb", "\x7f", "\xff", "ä"])("%j is no word of a plan", (word) => {
    expect(() => stepLine({ verb: "modules", words: ["a", word] })).toThrow(FormatError);
    expect(() => stepLine({ verb: "modules", words: [word] })).toThrow(/plan: Cannot write .*without blanks/);
  });

  test("a line is no longer than what is read", () => {
    expect(
      parsePlan(encodePlan({ steps: [{ verb: "modules", words: ["a".repeat(8184)], reasons: [] }] })),
    ).toHaveLength(1);
    expect(() => stepLine({ verb: "modules", words: ["a".repeat(8185)] })).toThrow(
      /8193 characters: expected at most 8192/,
    );
  });
});

describe("candidates", () => {
  const steps: PlanStep[] = [{ verb: "mount", words: ["a", "/b", "erofs"], reasons: [] }];

  test("stand between the lines that name them and an end", () => {
    const written = candidateSteps([
      { name: "new", steps, reasons: ["the newest"] },
      { name: "previous", steps: [...steps, ...steps], reasons: [] },
    ]);
    expect(written.map(stepLine)).toEqual([
      "candidate new",
      "mount a /b erofs",
      "candidate previous",
      "mount a /b erofs",
      "mount a /b erofs",
      "end",
    ]);
    expect(written[0]?.reasons).toEqual(["the newest"]);
    expect(parsePlan(encodePlan({ steps: written }))).toHaveLength(6);
  });

  test("a single one is what it consists of", () => {
    expect(candidateSteps([{ name: "new", steps, reasons: [] }])).toEqual(steps);
  });
});

describe("patterns for the first stage", () => {
  test.each([
    ["pci:v00008086d*sv?", "pci:v00008086d*sv?"],
    ["usb:v04E6p0005d0[0-1]*", "usb:v04E6p0005d0[0-1]*"],
    ["usb:v04E6d0[0-24-9a]*", "usb:v04E6d0[0-24-9a]*"],
    ["platform:a-b_c", "platform:a[-_]b[-_]c"],
    ["platform:Fixed MDIO bus", "platform:Fixed?MDIO?bus"],
    ["a[!0-9]b", "a?b"],
    ["a[^0-9]b", "a?b"],
    ["a[]x]b", "a?b"],
    ["a[b", "a?b"],
    ["a\\*b\\\\", "a?b?"],
    ["a]b", "a]b"],
    ["a\xffb\n", "a?b?"],
    ["", ""],
  ])("%j becomes %j", (pattern, expected) => {
    expect(firstStagePattern(pattern)).toBe(expected);
  });
});
