import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { getuid } from "node:process";
import { onTestFinished, type TestContext } from "vitest";
import type { ByteSink } from "../../src/bytes/index.ts";
import { requireTool, run } from "./tools.ts";

/**
 * Skips the test unless this machine can mount EROFS images: that needs root, which a person rarely is. For root in CI
 * a missing loop device or file system is a failure.
 */
export function requireErofsMounts(context: TestContext): void {
  if (getuid?.() !== 0) context.skip("mounting needs root");
  if (!knowsErofs()) run(requireTool(context, "modprobe"), ["erofs"], { expectFailure: true });
  if (existsSync("/dev/loop-control") && knowsErofs()) return;
  if (process.env["CI"] !== undefined) throw new Error("The kernel has no loop devices or no erofs");
  context.skip("the kernel has no loop devices or no erofs");
}

function knowsErofs(): boolean {
  return /\berofs$/m.test(readFileSync("/proc/filesystems", "latin1"));
}

/**
 * What fsck.erofs complains about, or "" for a sound image. Version 1.5 exits with 0 even when it refuses the
 * superblock, so that its messages decide, too.
 */
export function complaintsOfFsck(context: TestContext, image: string): string {
  const fsck = requireTool(context, "fsck.erofs");
  const { status, stdout, stderr } = run(fsck, ["--extract", image], { expectFailure: true });
  const output = stdout + stderr;
  return status === 0 && !output.includes("<E>") ? "" : `exit status ${status}: ${output}`;
}

/** Mounts an image at a new folder until the test is over. */
export function mountErofs(image: string, folder: string): void {
  mkdirSync(folder);
  run("mount", ["-t", "erofs", "-o", "loop,ro", image, folder]);
  onTestFinished(() => void run("umount", [folder]));
}

/** Blocks of zeros of at least this size become holes. */
const HOLE_BYTES = 1 << 16;
const ZEROS = Buffer.alloc(1 << 20);

/** Writes a file in order, with holes for zeros: for images that are larger than the disk should bear. */
export class SparseFileSink implements ByteSink {
  readonly #file: number;
  #offset = 0;

  constructor(path: string) {
    this.#file = openSync(path, "w");
  }

  write(bytes: Uint8Array): void {
    const isHole = bytes.length >= HOLE_BYTES && ZEROS.subarray(0, bytes.length).equals(bytes);
    if (!isHole) writeSync(this.#file, bytes, 0, bytes.length, this.#offset);
    this.#offset += bytes.length;
  }

  close(): void {
    ftruncateSync(this.#file, this.#offset);
    closeSync(this.#file);
  }
}
