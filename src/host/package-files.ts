import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { UsageError } from "../bytes/index.ts";

/** Where this package's files lie, seen from the bundled program (dist/) and from the sources (src/host/). */
const PACKAGE_ROOTS = ["..", "../.."];

/** A file that belongs to lazyrd itself, by its path from the package's root. */
export function packageFile(path: string): string {
  const candidates = PACKAGE_ROOTS.map((root) => fileURLToPath(new URL(`${root}/${path}`, import.meta.url)));
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new UsageError(`Cannot find ${path}, a part of lazyrd itself`, { hint: "in a checkout: npm run build" });
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string };
  return version;
}
