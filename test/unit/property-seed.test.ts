import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { propertySeed } from "../support/property-seed.ts";

describe("the seed of property tests", () => {
  test.each([
    ["is random on a person's machine", {}, undefined],
    ["is always the same in CI", { CI: "true" }, 20_261],
    ["is what a person says", { LAZYRD_TEST_SEED: "-17" }, -17],
    ["is what a person says in CI, too", { CI: "true", LAZYRD_TEST_SEED: "0" }, 0],
    ["is not given by an empty variable", { CI: "", LAZYRD_TEST_SEED: "" }, undefined],
  ])("%s", (_name, environment, seed) => {
    expect(propertySeed(environment)).toBe(seed);
  });

  test("is refused when it is no integer", () => {
    expect(() => propertySeed({ LAZYRD_TEST_SEED: "today" })).toThrow('expected an integer, got "today"');
  });

  test("reaches every property", () => {
    expect(fc.readConfigureGlobal().seed).toBe(propertySeed(process.env));
  });
});
