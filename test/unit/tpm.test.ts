import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, fromHex, toHex } from "../../src/bytes/index.ts";
import {
  BANKS,
  type Bank,
  dumpEventLog,
  EVENT_TYPES,
  encodeEventLog,
  encodePcrSignatures,
  type NewEvent,
  parseEventLog,
  parsePcrSignatures,
  parseUserspaceLog,
  policyPcrDigest,
  replayEvents,
} from "../../src/formats/tpm/index.ts";
import {
  AlgorithmSize,
  EventHeader,
  LegacyEvent,
  SpecIdEvent,
  TaggedEvent,
  VariableData,
} from "../../src/formats/tpm/layout.ts";

/** What OVMF 2022.11 logged when it started a unified kernel image with a stub of systemd 252, Secure Boot off. */
const OVMF_LOG = readFileSync(new URL("../golden/ovmf.eventlog", import.meta.url));
const OVMF_DUMP = readFileSync(new URL("../golden/ovmf-eventlog.txt", import.meta.url), "utf8");

const ALL_BANKS = Object.keys(BANKS) as Bank[];

function event(pcr: number, type: number, data: Uint8Array, banks: readonly Bank[] = ["sha256"]): NewEvent {
  const digests = new Map(banks.map((bank) => [bank, new Uint8Array(createHash(bank).update(data).digest())]));
  return { pcr, type, digests, data };
}

test("structs have the sizes of the specification", () => {
  const sizes = [LegacyEvent, SpecIdEvent, AlgorithmSize, EventHeader, VariableData, TaggedEvent].map(
    ({ size }) => size,
  );
  expect(sizes).toEqual([32, 28, 4, 12, 32, 8]);
});

describe("the log of a real boot", () => {
  test("its dump accounts for every record", () => {
    expect(dumpEventLog(OVMF_LOG)).toBe(OVMF_DUMP);
  });

  // As /sys/class/tpm/tpm0/pcr-* had them in that boot, from swtpm.
  test.each([
    ["sha1", 11, "2e3b0e8018ebf37623453ebe22565ed6d01783af"],
    ["sha256", 0, "87ed0d849299ff67de70a6da0449c93b8aa52ab1eef86bfa5b7bd471e3613e63"],
    ["sha256", 4, "00f26a6a6b9c6dd24d7fee10e781d705c568f1bf42dcfb510fe315b3c4c1e1c2"],
    ["sha256", 7, "65caf8dd1e0ea7a6347b635d2b379c93b9a1351edc2afc3ecda700e534eb3068"],
    ["sha256", 9, "28a25a8c9f15c5161f5ce3495f32ba950c6253f88432e4795d7bf649c0f87005"],
    ["sha256", 11, "7254900b5d577a762f524d8fe330c81b41cef14a841a315434e7a747db2d5954"],
    ["sha384", 11, "7d36ff795efd0c8058f25770b7067547f32b44c03c325a36aa508d5c78efc41726959296162a14c1ab482799cc15c0c6"],
  ] as const)("replayed, the bank of %s has in PCR %i what the TPM had", (bank, pcr, value) => {
    expect(toHex(replayEvents(parseEventLog(OVMF_LOG).events, bank).get(pcr) ?? new Uint8Array())).toBe(value);
  });

  test("cut off anywhere, it is refused, unless it ends with a record", () => {
    const ends = new Set(parseEventLog(OVMF_LOG).events.map(({ offset }) => offset));
    for (let length = 0; length < OVMF_LOG.length; length++) {
      const parse = () => parseEventLog(OVMF_LOG.subarray(0, length));
      if (length > 0 && ends.has(length)) expect(parse().events.length).toBeGreaterThan(0);
      else expect(parse, `of ${length} bytes`).toThrow(FormatError);
    }
  });
});

const someEvent = fc
  .record({
    pcr: fc.integer({ min: 0, max: 23 }),
    type: fc.constantFrom(...Object.values(EVENT_TYPES)),
    data: fc.uint8Array({ maxLength: 80 }),
  })
  .map(({ pcr, type, data }) => event(pcr, type, data, ALL_BANKS));

test("what is written is read again", () => {
  fc.assert(
    fc.property(fc.array(someEvent, { maxLength: 20 }), (events) => {
      const log = encodeEventLog(ALL_BANKS, events);
      const read = parseEventLog(log);
      expect(read.algorithms.map(({ digestBytes }) => digestBytes)).toEqual([20, 32, 48, 64]);
      expect(read.events.slice(1).map(({ pcr, type }) => [pcr, type])).toEqual(
        events.map(({ pcr, type }) => [pcr, type]),
      );
      expect(Buffer.compare(encodeEventLog(ALL_BANKS, read.events.slice(1)), log)).toBe(0);
    }),
  );
});

test("the same events give the same bytes", () => {
  const log = encodeEventLog(["sha256"], [event(4, EVENT_TYPES.EV_SEPARATOR, new Uint8Array(4))]);
  expect(createHash("sha256").update(log).digest("hex")).toMatchInlineSnapshot(
    `"21b7c901937a82da83df9f61ba6c4e5e1d7f94cd62e3509f986eec55a2780d49"`,
  );
});

describe("a log that is not sound", () => {
  const sound = encodeEventLog(["sha256"], [event(4, EVENT_TYPES.EV_IPL, Buffer.from("x"))]);
  const second = LegacyEvent.size + SpecIdEvent.size + AlgorithmSize.size + 1;
  const changed = (offset: number, ...bytes: number[]): Uint8Array => {
    const copy = Uint8Array.from(sound);
    copy.set(bytes, offset);
    return copy;
  };

  test.each([
    ["names a PCR that no TPM has", changed(second, 24), /there is no PCR 24 \(PCRIndex\) at offset 0x41/],
    ["has more digests than algorithms", changed(second + 8, 2), /expected at most 1 digests, got 2/],
    ["has a digest of an unknown algorithm", changed(second + 12, 4), /does not have algorithm 0x4 \(AlgorithmId\)/],
    ["has an event that is longer than the log", changed(sound.length - 4, 0xff), /cut off/],
    ["has too many algorithms", changed(LegacyEvent.size + 24, 17), /expected 1 to 16 algorithms, got 17/],
    ["gives SHA-256 another length", changed(LegacyEvent.size + SpecIdEvent.size + 2, 33), /cannot have 33 bytes/],
    ["is nothing at all", new Uint8Array(), /cut off/],
  ])("%s", (_, log, message) => {
    expect(() => parseEventLog(log)).toThrow(message);
  });
});

test("a log of TPM 1.2 is read, too", () => {
  const digest = new Uint8Array(createHash("sha1").update("a").digest());
  const header = LegacyEvent.encode({
    PCRIndex: 4,
    EventType: EVENT_TYPES.EV_ACTION,
    Digest: digest,
    EventDataSize: 1,
  });
  const log = Buffer.concat([header, Buffer.from("a"), header, Buffer.from("b")]);
  const { events, isLegacy } = parseEventLog(log);
  expect(isLegacy).toBe(true);
  expect(events.map(({ data }) => Buffer.from(data).toString())).toEqual(["a", "b"]);
  const once = createHash("sha1").update(new Uint8Array(20)).update(digest).digest();
  expect(replayEvents(events, "sha1").get(4)).toEqual(createHash("sha1").update(once).update(digest).digest());
});

test("PCR 0 begins with the locality from which the TPM was started", () => {
  const said = event(0, EVENT_TYPES.EV_NO_ACTION, Buffer.from("StartupLocality\0\x03", "latin1"));
  const next = event(0, EVENT_TYPES.EV_S_CRTM_VERSION, Buffer.from("1"));
  const start = new Uint8Array(32);
  start[31] = 3;
  const expected = createHash("sha256")
    .update(start)
    .update(next.digests.get("sha256") ?? "")
    .digest();
  expect(replayEvents([said, next], "sha256").get(0)).toEqual(expected);
});

test("PCRs of a dynamic launch begin with all bits set", () => {
  const one = event(17, EVENT_TYPES.EV_IPL, Buffer.from("1"));
  const expected = createHash("sha256")
    .update(new Uint8Array(32).fill(0xff))
    .update(one.digests.get("sha256") ?? "");
  expect(replayEvents([one], "sha256").get(17)).toEqual(expected.digest());
});

// systemd's own test of TPM2_PolicyPCR (src/test/test-tpm2.c).
test("the digest of a policy of PCR values is the one that systemd computes", () => {
  const values = new Map([
    [8, fromHex("cfde439a2c06af3479ca6bdc60429b90553d65300c5cfcc40004a08c6b5ad81a")],
    [4, fromHex("368f85b3013041dfe203faaa364f00b07c5da7b1e5f1dbf2efb06fa6b9bd92de")],
    [7, fromHex("aa1154c9e0a774854ccbed4c8ce7e9b906b3d700a1a8db1772d0341a62dbe51b")],
  ]);
  expect(toHex(policyPcrDigest("sha256", values))).toBe(
    "76532a0e16f7e6bf6b02918c11f75d99d729fab0cc81d0df2c4284a2c4fe6e05",
  );
});

describe("signed policies as JSON", () => {
  const signature = {
    pcrs: [11],
    keyFingerprint: Uint8Array.of(1, 2),
    policyDigest: Uint8Array.of(3, 4),
    signature: Uint8Array.of(5, 6, 7),
  };

  test("are written as systemd-measure does, and read again", () => {
    const text = encodePcrSignatures({ sha256: [signature] });
    expect(text).toBe('{"sha256":[{"pcrs":[11],"pkfp":"0102","pol":"0304","sig":"BQYH"}]}\n');
    expect(parsePcrSignatures(text)).toEqual({ sha256: [signature] });
  });

  test.each([
    ["{", /they are not JSON/],
    ["[]", /expected an object of banks/],
    ['{"sha256":{}}', /expected a list for bank sha256/],
    ['{"sha256":[1]}', /expected an object for each signature/],
    ['{"sha256":[{"pcrs":["a"],"pkfp":"","pol":"","sig":""}]}', /expected pcrs, pkfp, pol and sig/],
    ['{"sha256":[{"pcrs":[11],"pkfp":"0","pol":"","sig":""}]}', /hexadecimal/],
  ])("are refused when they are %s", (text, message) => {
    expect(() => parsePcrSignatures(text)).toThrow(message);
  });
});

describe("a log of what the operating system measured", () => {
  const digest = createHash("sha256").update("enter-initrd").digest("hex");
  const record = (content: object): string => `\x1e${JSON.stringify(content)}\n`;
  const phase = {
    pcr: 11,
    digests: [
      { hashAlg: "sha256", digest },
      { hashAlg: "sm3_256", digest: "00" },
    ],
    content_type: "systemd",
    content: { string: "enter-initrd", bootId: "0123", timestamp: 5, eventType: "phase" },
  };

  test("is read record by record", () => {
    const events = parseUserspaceLog(record(phase) + record({ pcr: 12, digests: [] }));
    expect(events).toMatchObject([
      { pcr: 11, kind: "phase", text: "enter-initrd", offset: 0 },
      { pcr: 12, kind: undefined, text: undefined },
    ]);
    expect(toHex(events[0]?.digests.get("sha256") ?? new Uint8Array())).toBe(digest);
    expect(parseUserspaceLog("")).toEqual([]);
  });

  test.each([
    ["does not begin with a separator", "x", /record separator/],
    ["has a record that is not JSON", "\x1e{", /not JSON/],
    ["has a record without a PCR", record({ digests: [] }), /expected a PCR below 24/],
    ["has a record with PCR 24", record({ pcr: 24, digests: [] }), /expected a PCR below 24/],
    ["has a record without digests", record({ pcr: 1 }), /expected a list of digests/],
    ["has a digest that is none", record({ pcr: 1, digests: [{}] }), /expected hashAlg and digest/],
    ["has a digest of another length", record({ pcr: 1, digests: [{ hashAlg: "sha1", digest: "00" }] }), /1 bytes/],
  ])("is refused when it %s", (_, text, message) => {
    expect(() => parseUserspaceLog(text)).toThrow(message);
  });
});
