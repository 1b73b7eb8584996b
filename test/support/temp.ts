import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A new folder that is removed when the test is over. */
export function tempFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "lazyrd-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
