import { describe, expect, test } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import { encodePlan, firstStagePattern, optionOf, PLAN_HEADER, parsePlan, stepLine } from "../../src/plan/index.ts";

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
