import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byteStringBytes, FormatError, toHex } from "../../src/bytes/index.ts";
import {
  encodeKmodIndex,
  type IndexEntry,
  IndexHeader,
  IndexNumber,
  parseKmodIndex,
} from "../../src/formats/kmod-index/index.ts";

const entry = (key: string, ...values: (readonly [priority: number, value: string])[]): IndexEntry => ({
  key,
  values: values.map(([priority, value]) => ({ priority, value })),
});

const SAMPLE = [
  entry("crc32c", [9, "kernel/crc32c.ko:"]),
  entry("crc32c_generic", [1, "a.ko: b.ko"], [2, "c.ko:"]),
  entry("dm_mod", [3, ""]),
];

/** Keys that have much in common: the trie has long prefixes and nodes that only branch. */
const entries = fc
  .uniqueArray(
    fc.record({
      key: fc.oneof(
        fc.stringMatching(/^[ab_]{1,8}$/),
        fc.array(fc.integer({ min: 1, max: 127 }), { maxLength: 12 }).map((codes) => String.fromCharCode(...codes)),
        fc.constant(""),
        fc.constant("a".repeat(300)),
      ),
      values: fc.array(fc.record({ priority: fc.nat(0xffffffff), value: fc.stringMatching(/^[ -~]{0,12}$/) }), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
    { selector: ({ key }) => key, maxLength: 40 },
  )
  .map((list) => list.sort((a, b) => (a.key < b.key ? -1 : 1)));

describe("kmod's index", () => {
  test("has the struct sizes of libkmod", () => {
    expect([IndexHeader.size, IndexNumber.size]).toEqual([12, 4]);
  });

  test("comes back as it was written, keys in byte order", () => {
    fc.assert(
      fc.property(entries, (list) => {
        expect(parseKmodIndex(encodeKmodIndex(list))).toEqual(list);
        expect(encodeKmodIndex([...list].reverse())).toEqual(encodeKmodIndex(list));
      }),
    );
  });

  test("is these bytes", () => {
    expect(toHex(encodeKmodIndex([]))).toBe("b007f457000200010000000c");
    // A root without a prefix, one node for both keys: "b", and below it "d" with the rest of the longer one.
    expect(toHex(encodeKmodIndex([entry("ab", [1, "x"]), entry("abde", [2, "yz"])]))).toBe(
      [
        ["b007f457", "00020001", "2000002b"].join(""),
        ["6500", "00000001", "00000002", "797a00"].join(""),
        ["6200", "6464", "c000000c", "00000001", "00000001", "7800"].join(""),
        ["6161", "e0000019"].join(""),
      ].join(""),
    );
  });

  test.each([
    ["another magic", [0, 0xb0, 0x08], /expected 0xb007f457, got 0xb008f457/],
    ["another version", [4, 0, 3], /expected version 2, got 3/],
  ])("%s is refused", (_, [offset = 0, ...bytes], message) => {
    const index = encodeKmodIndex(SAMPLE);
    index.set(bytes, offset);
    expect(() => parseKmodIndex(index)).toThrow(FormatError);
    expect(() => parseKmodIndex(index)).toThrow(message);
  });

  test("a node with two parents is refused: a circle would never end", () => {
    // The root's only child is the root.
    const circle = Buffer.from("b007f457000200012000000c6161" + "2000000c", "hex");
    expect(() => parseKmodIndex(circle)).toThrow(/two nodes have the same child at offset 0xc/);
  });

  test("children that are no ASCII are refused", () => {
    expect(() => parseKmodIndex(Buffer.from("b007f457000200012000000c80800000000000", "hex"))).toThrow(
      /expected ASCII/,
    );
    expect(() => parseKmodIndex(Buffer.from("b007f457000200012000000c62610000000000", "hex"))).toThrow(/0x62 to 0x61/);
  });

  test("keys that cannot be looked up are refused", () => {
    expect(() => encodeKmodIndex([entry("ä", [1, ""])])).toThrow(/only ASCII/);
    expect(() => encodeKmodIndex([entry("a", [1, ""]), entry("a", [2, ""])])).toThrow(/there twice/);
    expect(() => encodeKmodIndex([entry("a", [1, "x\0y"])])).toThrow(/NUL/);
  });

  test("cut off anywhere, with any byte changed, it gives entries or a FormatError", () => {
    const index = encodeKmodIndex(SAMPLE);
    const survives = (bytes: Uint8Array): void => {
      try {
        parseKmodIndex(bytes);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    };
    for (let length = 0; length < index.length; length++) {
      // The root comes last: nothing that was cut off can be complete.
      expect(() => parseKmodIndex(index.subarray(0, length))).toThrow(FormatError);
    }
    for (let offset = 0; offset < index.length; offset++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Uint8Array.from(index);
        damaged[offset] = (damaged[offset] ?? 0) ^ (1 << bit);
        survives(damaged);
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (rest) => survives(Buffer.concat([index.subarray(0, 8), rest]))),
    );
  });

  test("a key that goes on for ever is refused", () => {
    const prefix = byteStringBytes(`${"a".repeat(5000)}\0`);
    const index = Buffer.concat([
      IndexHeader.encode({ magic: 0xb007f457, version: 0x20001, root: 0x8000000c }),
      prefix,
    ]);
    expect(() => parseKmodIndex(index)).toThrow(/more than 4096 characters/);
  });
});
