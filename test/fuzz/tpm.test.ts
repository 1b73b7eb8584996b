import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError } from "../../src/bytes/index.ts";
import { parseSignatureLists } from "../../src/formats/efi-variables/index.ts";
import { dumpEventLog, parsePcrSignatures, parseUserspaceLog } from "../../src/formats/tpm/index.ts";
import { keyFile, newKeys } from "../support/secure-boot.ts";

const log = readFileSync(new URL("../golden/ovmf.eventlog", import.meta.url));
const lists = keyFile(newKeys(), "db.esl");

function onlyRefusals(attempt: () => unknown): void {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

/** Bytes with some of them changed. */
const changesOf = (bytes: Uint8Array) =>
  fc
    .array(fc.record({ at: fc.nat(bytes.length - 1), value: fc.nat(255) }), { minLength: 1, maxLength: 8 })
    .map((changes) => {
      const copy = Uint8Array.from(bytes);
      for (const { at, value } of changes) copy[at] = value;
      return copy;
    });

test("event logs with changed bytes", () => {
  fc.assert(fc.property(changesOf(log), (changed) => onlyRefusals(() => dumpEventLog(changed))));
});

test("anything at all as an event log", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => onlyRefusals(() => dumpEventLog(bytes))));
});

test("signature lists with changed bytes", () => {
  fc.assert(fc.property(changesOf(lists), (changed) => onlyRefusals(() => parseSignatureLists(changed))));
});

test("JSON of any kind as signatures, and as records of a log", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      onlyRefusals(() => parsePcrSignatures(text));
      onlyRefusals(() => parseUserspaceLog(`\x1e${text}\n`));
    }),
  );
});

test("what is refused is refused as data", () => {
  expect(() => dumpEventLog(log.subarray(1))).toThrow(FormatError);
});
