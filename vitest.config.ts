import { defineConfig } from "vitest/config";

// Three projects, from pure functions to booted machines. Boots take seconds and never race a clock,
// so no test has a time limit of its own: the limits below only keep a broken harness from hanging forever.
const HARNESS_LIMIT_MS = 20 * 60 * 1000;

const project = (name: string, include: string[]) => ({
  test: {
    name,
    include,
    setupFiles: ["test/support/property-seed.ts"],
    testTimeout: HARNESS_LIMIT_MS,
    hookTimeout: HARNESS_LIMIT_MS,
    teardownTimeout: HARNESS_LIMIT_MS,
  },
});

export default defineConfig({
  test: {
    projects: [
      project("unit", ["test/unit/**/*.test.ts", "test/fuzz/**/*.test.ts"]),
      project("oracle", ["test/oracle/**/*.test.ts"]),
      project("vm", ["test/vm/**/*.test.ts"]),
    ],
    maxWorkers: 2,
  },
});
