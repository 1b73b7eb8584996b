import fc from "fast-check";

/** Set to an integer, for instance to one that a failed run printed: all properties are then tested from it. */
const VARIABLE = "LAZYRD_TEST_SEED";
/** Any one would do. It stays the same, so that a run in CI that fails fails again. */
const CI_SEED = 20_261;

/** Where properties begin; undefined: each at a place of its own, which a failure prints. */
export function propertySeed(environment: NodeJS.ProcessEnv): number | undefined {
  const text = environment[VARIABLE];
  if (text === undefined || text === "") return environment["CI"] ? CI_SEED : undefined;
  if (!/^-?\d+$/.test(text)) throw new Error(`Cannot use ${VARIABLE}: expected an integer, got "${text}"`);
  return Number(text);
}

const seed = propertySeed(process.env);
if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
