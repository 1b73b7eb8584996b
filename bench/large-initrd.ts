import { spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { encodeCpio } from "../src/formats/cpio/index.ts";
import { regularFile, symlink, Tree } from "../src/tree/index.ts";

const FILE_BYTES = 512 << 10;
/** Just below what lazyrd unpacks at most (DEFAULT_LIMIT_BYTES, 2 GiB), with the archive's headers. */
const FILES = 4090;
const UNIT_BYTES = 1 << 10;

/** Writes an initrd (zstd) that unpacks to 2 GiB in files of 512 KiB, half of it noise; returns how many bytes that are. */
export function writeLargeInitrd(path: string): number {
  const tree = new Tree();
  tree.setWithParents("usr/lib/systemd/systemd", regularFile(Buffer.from("#!"), { permissions: 0o755 }));
  tree.set("init", symlink("usr/lib/systemd/systemd"));
  tree.setWithParents("etc/initrd-release", regularFile(Buffer.from("ID=large\n")));
  for (let index = 0; index < FILES; index++) {
    tree.setWithParents(`data/${index}`, regularFile({ size: FILE_BYTES, read: (_, length) => halfNoise(length) }));
  }
  const archive = `${path}.cpio`;
  const file = openSync(archive, "w");
  let bytes = 0;
  encodeCpio(tree, {
    write: (chunk) => {
      bytes += writeSync(file, chunk);
    },
  });
  closeSync(file);
  const { status } = spawnSync("zstd", ["-q", "-1", archive, "-o", path], { stdio: "inherit" });
  if (status !== 0) throw new Error(`zstd ended with ${status}`);
  rmSync(archive);
  return bytes;
}

/** Noise and zeros by turns. */
function halfNoise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 2 * UNIT_BYTES) randomFillSync(bytes, at, Math.min(UNIT_BYTES, length - at));
  return bytes;
}
