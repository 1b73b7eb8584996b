import { describe, expect, test } from "vitest";
import { saltWithVersion, versionOfSalt } from "../../src/formats/verity/index.ts";
import { compareVersions } from "../../src/text/index.ts";
import { VERSIONS_IN_ORDER } from "../support/versions.ts";

describe("versions are ordered as UAPI.10 says", () => {
  test("along its own example", () => {
    for (const [i, a] of VERSIONS_IN_ORDER.entries()) {
      for (const [j, b] of VERSIONS_IN_ORDER.entries()) {
        expect(Math.sign(compareVersions(a, b)), `${a} and ${b}`).toBe(Math.sign(i - j));
      }
    }
  });

  test.each([
    ["11", "11", 0],
    ["bar-123", "foo-123", -1],
    ["123a", "123", 1],
    ["123.a", "123.b", -1],
    ["123a", "123.a", 1],
    ["11α", "11β", 0],
    ["B", "a", -1],
    ["", "0", -1],
    ["0.", "0", 1],
    ["0", "~", 1],
    ["", "~", 1],
    ["1_", "1", 0],
    ["1_2_3", "1.3.3", 1],
    ["1+", "1", 0],
    ["007", "7", 0],
    ["99999999999999999998", "99999999999999999999", -1],
  ])("%s and %s", (a, b, order) => {
    expect(Math.sign(compareVersions(a, b))).toBe(order);
    expect(Math.sign(compareVersions(b, a))).toBe(-order + 0);
  });
});

describe("a version in the salt", () => {
  const own = new Uint8Array(32).fill(7);

  test("is behind the salt's own bytes, in whole blocks of the hash", () => {
    const salt = saltWithVersion(own, "1.2~rc1");
    expect(Buffer.from(salt.subarray(32)).toString("latin1")).toBe("version=1.2~rc1".padEnd(32, "\0"));
    expect(versionOfSalt(salt)).toBe("1.2~rc1");
    expect(saltWithVersion(own, "1".repeat(25)).length).toBe(128);
    expect(versionOfSalt(saltWithVersion(own, "1".repeat(216)))).toBe("1".repeat(216));
  });

  test.each(["", "1 2", "1_2", "ü", "1\0", "1".repeat(217)])("cannot be %j", (version) => {
    expect(() => saltWithVersion(own, version)).toThrow(/Cannot use .* as a version: expected at most 216 letters/);
  });

  test("is not found where there is none", () => {
    expect(versionOfSalt(own)).toBeUndefined();
    expect(versionOfSalt(new Uint8Array(64))).toBeUndefined();
    expect(versionOfSalt(Buffer.concat([own, Buffer.from("version=1 2")]))).toBeUndefined();
  });
});
