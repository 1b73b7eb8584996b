import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import { encodeTrace, MAX_REQUEST_BYTES, parseTrace } from "../../src/trace/index.ts";
import { sampleTrace } from "../support/trace-samples.ts";

const TEXT = encodeTrace(sampleTrace());

function refused(text: string): boolean {
  try {
    parseTrace(text);
    return false;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return true;
  }
}

test("a trace that was cut off anywhere is refused", () => {
  for (let length = 0; length < TEXT.length; length++) expect(refused(TEXT.slice(0, length)), `${length}`).toBe(true);
});

test("any change of a character gives a trace or a FormatError", () => {
  fc.assert(
    fc.property(fc.nat(TEXT.length - 1), fc.string({ minLength: 1, maxLength: 2 }), (at, other) => {
      refused(TEXT.slice(0, at) + other + TEXT.slice(at + 1));
    }),
  );
});

test("any reads are read as they were written", () => {
  const read = fc.record({ ns: fc.maxSafeNat(), offset: fc.maxSafeNat(), length: fc.nat(MAX_REQUEST_BYTES) });
  fc.assert(
    fc.property(fc.array(read), (reads) => {
      expect(parseTrace(encodeTrace(sampleTrace({ reads }))).reads).toEqual(reads);
    }),
  );
});
