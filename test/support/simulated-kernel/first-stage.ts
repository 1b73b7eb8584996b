import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAMS = join(REPOSITORY, "dist", "first-stage");
const SOURCES = join(REPOSITORY, "init", "assembly");

/**
 * The first stage as it is shipped, before wasm2c makes C of it.
 * @throws Error when it was not built, or its sources are newer: a test must not judge another program.
 */
export function firstStage(name: "init" | "init-network" = "init"): WebAssembly.Module {
  const program = join(PROGRAMS, `${name}.wasm`);
  if (!existsSync(program) || newest(SOURCES) > statSync(program).mtimeMs) {
    throw new Error(`Cannot test ${program}: it is older than its sources. Run: npm run build`);
  }
  return new WebAssembly.Module(readFileSync(program));
}

function newest(path: string): number {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return Math.max(...readdirSync(path).map((name) => newest(join(path, name))));
}
