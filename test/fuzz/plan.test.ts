import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import { fnmatch, normaliseAlias } from "../../src/kernel/index.ts";
import { encodePlan, firstStagePattern, type PlanStep, parsePlan, VERBS, type Verb } from "../../src/plan/index.ts";
import { matchesInFirstStage } from "../support/first-stage-patterns.ts";

const word = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
});
/** What stands between them must have a form. */
const BOUNDARIES: readonly Verb[] = ["candidate", "end"];
const step: fc.Arbitrary<PlanStep> = fc.record({
  verb: fc.constantFrom(...(Object.keys(VERBS) as Verb[]).filter((verb) => !BOUNDARIES.includes(verb))),
  words: fc.array(word),
  reasons: fc.constant([]),
});

test("any plan is read as it was written", () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const parsed = parsePlan(encodePlan({ steps })).map(({ verb, words }) => ({ verb, words, reasons: [] }));
      expect(parsed).toEqual(steps);
    }),
  );
});

test("any text is a plan or a FormatError", () => {
  const line = fc.oneof(fc.string(), fc.constantFrom(...Object.keys(VERBS), "constructor", "# x", "mount a b"));
  fc.assert(
    fc.property(fc.array(line), fc.boolean(), (lines, hasHeader) => {
      try {
        parsePlan([...(hasHeader ? ["lazyrd-plan 1"] : []), ...lines].join("\n"));
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }),
  );
});

// Few characters, so that pattern and text meet often.
const textCharacter = fc.constantFrom("a", "b", "c", "-", "_", " ", "*", "[", "]", "\xff");
const text = fc.string({ unit: textCharacter, maxLength: 8 });
const set = fc
  .tuple(fc.constantFrom("", "!", "^"), fc.constantFrom("a", "ab", "a-c", "]a", "b-ca", "_", "A-z"))
  .map(([negation, members]) => `[${negation}${members}]`);
const element = fc.oneof(textCharacter, fc.constantFrom("*", "?", "\\a", "\\*", "\\[", "["), set);
const pattern = fc.array(element, { maxLength: 8 }).map((elements) => elements.join(""));

test("what kmod matches, the first stage matches", () => {
  fc.assert(
    fc.property(pattern, text, (alias, modalias) => {
      if (!fnmatch(normaliseAlias(alias), normaliseAlias(modalias))) return;
      expect(matchesInFirstStage(firstStagePattern(alias), modalias)).toBe(true);
    }),
    { numRuns: 20_000 },
  );
});

test("patterns of the usual form match the same in both", () => {
  const usual = fc
    .array(fc.oneof(fc.constantFrom("a", "b", "c", "-", "_", "*", "?"), fc.constantFrom("[ab]", "[a-c]", "[b-ca]")), {
      maxLength: 8,
    })
    .map((elements) => elements.join(""));
  const usualText = fc.string({ unit: fc.constantFrom("a", "b", "c", "-", "_"), maxLength: 8 });
  fc.assert(
    fc.property(usual, usualText, (alias, modalias) => {
      const expected = fnmatch(normaliseAlias(alias), normaliseAlias(modalias));
      expect(matchesInFirstStage(firstStagePattern(alias), modalias)).toBe(expected);
    }),
    { numRuns: 20_000 },
  );
});
