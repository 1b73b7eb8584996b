import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAM = join(REPOSITORY, "dist", "first-stage", "init.wasm");
const SOURCES = join(REPOSITORY, "init", "assembly");

/**
 * The first stage as it is shipped, before wasm2c makes C of it.
 * @throws Error when it was not built, or its sources are newer: a test must not judge another program.
 */
export function firstStage(): WebAssembly.Module {
  if (!existsSync(PROGRAM) || newest(SOURCES) > statSync(PROGRAM).mtimeMs) {
    throw new Error(`Cannot test ${PROGRAM}: it is older than its sources. Run: npm run build`);
  }
  return new WebAssembly.Module(readFileSync(PROGRAM));
}

function newest(path: string): number {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return Math.max(...readdirSync(path).map((name) => newest(join(path, name))));
}
