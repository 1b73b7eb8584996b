import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ascii,
  bytes,
  efiGuid,
  FormatError,
  fromHex,
  struct,
  toHex,
  u8,
  u16,
  u32,
  u64,
} from "../../src/bytes/index.ts";

const Sample = struct("Sample", 48, {
  kind: u8(0),
  flags: u16(2),
  count: u32(4),
  size: u64(8),
  raw: bytes(16, 4),
  label: ascii(20, 8),
  guid: efiGuid(32),
});

const VALUES = {
  kind: 0x01,
  flags: 0x0203,
  count: 0x04050607,
  size: 0x08090a0b0c0d0e0fn,
  raw: Uint8Array.of(0x10, 0x11, 0x12, 0x13),
  label: "label",
  guid: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
};
// Byte 1 and bytes 28 to 31 are reserved.
const ON_DISK =
  "0100030207060504" +
  "0f0e0d0c0b0a0908" +
  "101112136c616265" +
  "6c00000000000000" +
  "28732ac11ff8d211ba4b00a0c93ec93b";

describe("a declaration", () => {
  test("may have gaps and fields in any order, and fill the struct to its last byte", () => {
    expect(struct("S", 4, { last: u8(3), first: u16(0) }).encode({ first: 1, last: 2 })).toEqual(
      Uint8Array.of(1, 0, 0, 2),
    );
    expect(struct("Empty", 0, {}).encode({})).toEqual(new Uint8Array());
  });

  test.each([
    ["overlaps", 8, { a: u32(0), b: u16(3) }, "S.b at 3 overlaps the field before it"],
    ["stands twice in one place", 8, { a: u32(0), b: u32(0) }, "S.b at 0 overlaps the field before it"],
    ["ends after the struct", 8, { a: u64(1) }, "S.a ends at 9, after the struct's 8 bytes"],
    ["starts before it", 8, { a: u8(-1) }, "S.a at -1 overlaps the field before it"],
  ])("with a field that %s is a mistake", (_, size, fields, message) => {
    expect(() => struct("S", size, fields)).toThrow(new RangeError(message));
  });
});

describe("reading and writing", () => {
  test("every type of field stands where it was declared", () => {
    expect(toHex(Sample.encode(VALUES))).toBe(ON_DISK);
    expect(Sample.parse(fromHex(ON_DISK))).toEqual(VALUES);
    expect([Sample.name, Sample.size]).toEqual(["Sample", 48]);
  });

  test("an offset counts from the start of the view, not of what lies under it", () => {
    const memory = Buffer.concat([Buffer.alloc(5, 0xee), fromHex(ON_DISK), Buffer.alloc(3, 0xee)]);
    expect(Sample.parse(memory.subarray(2), 3)).toEqual(VALUES);
    const output = new Uint8Array(60).fill(0xee);
    Sample.write(output.subarray(4), 2, VALUES);
    expect(toHex(output)).toBe(
      `${"ee".repeat(6)}01ee0302${ON_DISK.slice(8, 56)}${"ee".repeat(4)}${ON_DISK.slice(64)}${"ee".repeat(6)}`,
    );
  });

  test("fields that are left out are zero in a new struct and untouched in an old one", () => {
    expect(Sample.encode({}).every((byte) => byte === 0)).toBe(true);
    const output = fromHex(ON_DISK);
    Sample.write(output, 0, { flags: 0xffff });
    expect(Sample.parse(output)).toEqual({ ...VALUES, flags: 0xffff });
  });

  test("what is read is a copy", () => {
    const input = Buffer.from(ON_DISK, "hex");
    const { raw } = Sample.parse(input);
    input.fill(0xff);
    expect(raw).toEqual(VALUES.raw);
  });

  test("short bytes and text leave nothing of an older value behind them", () => {
    const output = new Uint8Array(Sample.size).fill(0xff);
    Sample.write(output, 0, { raw: Uint8Array.of(1), label: "ab" });
    expect(toHex(output.subarray(16, 28))).toBe("01000000" + "6162000000000000");
  });

  test("text may fill its field, and ends at the first NUL otherwise", () => {
    const Text = struct("Text", 4, { text: ascii(0, 4) });
    expect(Text.parse(Text.encode({ text: "full" }))).toEqual({ text: "full" });
    expect(Text.parse(fromHex("61006200"))).toEqual({ text: "a" });
    expect(Text.parse(fromHex("ff000000"))).toEqual({ text: "\xff" });
  });

  test.each([
    ["u8", { kind: 256 }, "whole numbers up to 255, got 256"],
    ["u8", { kind: -1 }, "got -1"],
    ["u16", { flags: 0x10000 }, "up to 65535"],
    ["u32", { count: 2 ** 32 }, "up to 4294967295"],
    ["u32", { count: 1.5 }, "got 1.5"],
    ["u32", { count: Number.NaN }, "got NaN"],
    ["u64", { size: 2n ** 64n }, "holds 64 bits"],
    ["u64", { size: -1n }, "holds 64 bits, got -1"],
    ["bytes", { raw: new Uint8Array(5) }, "holds 4 bytes, got 5"],
    ["ascii", { label: "too long!" }, "holds 8 bytes, got 9"],
    ["ascii", { label: "€" }, "one byte a character"],
  ])("%s: a value that does not fit is a mistake, not cut to size", (_, values, message) => {
    expect(() => Sample.encode(values)).toThrow(message);
    expect(() => Sample.encode(values)).toThrow(RangeError);
  });

  test("a GUID must be one, a field must be declared, the struct must fit", () => {
    expect(() => Sample.encode({ guid: "nonsense" })).toThrow(FormatError);
    expect(() => Sample.encode({ other: 1 } as never)).toThrow("Sample has no field other");
    expect(() => Sample.write(new Uint8Array(47), 0, {})).toThrow(RangeError);
  });

  test("input that is too short is refused at every length", () => {
    const input = fromHex(ON_DISK);
    for (let length = 0; length < Sample.size; length++) {
      expect(() => Sample.parse(input.subarray(0, length))).toThrow(
        new FormatError(`Cannot read 48 bytes: ${length} are left`, { format: "Sample", offset: 0 }),
      );
    }
    expect(() => Sample.parse(input, 1)).toThrow("Sample: Cannot read 48 bytes: 47 are left at offset 0x1");
    expect(() => Sample.parse(input, 1000)).toThrow("0 are left");
    expect(() => Sample.parse(input, -1)).toThrow(FormatError);
  });

  test("any values are read as they were written", () => {
    const values = fc.record({
      kind: fc.nat(0xff),
      flags: fc.nat(0xffff),
      count: fc.nat(0xffff_ffff),
      size: fc.bigInt(0n, 2n ** 64n - 1n),
      raw: fc.uint8Array({ minLength: 4, maxLength: 4 }),
      label: fc.stringMatching(/^[ -~ä]{0,8}$/),
      guid: fc.uuid(),
    });
    fc.assert(
      fc.property(values, (given) => {
        expect(Sample.parse(Sample.encode(given))).toEqual(given);
      }),
    );
  });
});
