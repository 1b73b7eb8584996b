import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SUITE = "trixie";
const MIRROR = "http://deb.debian.org/debian";
const CACHE = fileURLToPath(new URL("../.cache/", import.meta.url));
const LIBRARIES = "usr/lib/x86_64-linux-gnu";

/**
 * The command of the next Debian's mkfs.erofs, which knows zstd and several threads. Its package is unpacked with all
 * that it needs, not installed, and runs with its own C library.
 * @returns undefined, and says why, where it cannot be fetched: with root and a mirror it can.
 */
export function newerMkfsErofs(): string | undefined {
  const root = join(CACHE, `erofs-${SUITE}`);
  if (!existsSync(join(root, "usr/bin/mkfs.erofs"))) {
    mkdirSync(CACHE, { recursive: true });
    rmSync(root, { recursive: true, force: true });
    const args = ["--quiet", "--mode=root", "--variant=extract", "--include=erofs-utils", SUITE, root, MIRROR];
    const { status, error, stderr } = spawnSync("mmdebstrap", args, { encoding: "utf8" });
    if (status !== 0) {
      const why = error?.message ?? stderr.trim().split("\n").at(-1);
      process.stderr.write(`without ${SUITE}'s mkfs.erofs, which cannot be fetched: ${why}\n`);
      rmSync(root, { recursive: true, force: true });
      return undefined;
    }
  }
  const loader = join(root, LIBRARIES, "ld-linux-x86-64.so.2");
  return `${loader} --library-path ${join(root, LIBRARIES)} ${join(root, "usr/bin/mkfs.erofs")}`;
}
