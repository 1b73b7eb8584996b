import { UsageError } from "../../bytes/index.ts";
import type { ErofsPlan } from "../../formats/erofs/index.ts";
import type { CompressionSettings } from "./settings.ts";

/** What is known of the kernel that is to read an image. */
export interface KernelFacts {
  /** As uname -r tells it. */
  readonly release: string;
  /** The file of its erofs module, undefined when that is built in. */
  readonly erofsModule: Uint8Array | undefined;
}

interface Requirement {
  readonly version: readonly [major: number, minor: number];
  readonly symbol: string;
  /** A function of the kernel that its erofs module calls only with this option. */
  readonly calls: string;
}

const LZ4: Requirement = { version: [5, 13], symbol: "CONFIG_EROFS_FS_ZIP", calls: "LZ4_decompress_safe_partial" };
const ZSTD: Requirement = { version: [6, 10], symbol: "CONFIG_EROFS_FS_ZIP_ZSTD", calls: "zstd_decompress_stream" };
/** The first Linux that looks for the end of a compressed file behind its inode. */
const INLINE_TAILS_VERSION = [5, 17] as const;

/** The first Linux that reads files of which each chunk stands elsewhere. */
const CHUNKS_VERSION = [5, 15] as const;

const HINT = 'set compression = "none" in [image] of lazyrd.toml, or use another kernel';

/** Whether the kernel knows compressed tails behind inodes (ZTAILPACKING). */
export function knowsInlineTails(release: string): boolean {
  return isAtLeast(release, INLINE_TAILS_VERSION);
}

/** @throws UsageError when the kernel is known not to read images that are compressed this way. */
export function requireDecompression(method: CompressionSettings["method"], kernel: KernelFacts): void {
  const { version, symbol, calls } = method === "zstd" ? ZSTD : LZ4;
  const image = `an image compressed with ${method}`;
  if (!isAtLeast(kernel.release, version)) {
    throw new UsageError(
      `Cannot use ${image} with kernel ${kernel.release}: Linux reads it from ${version.join(".")} on`,
      { hint: HINT },
    );
  }
  if (kernel.erofsModule === undefined || Buffer.from(kernel.erofsModule).includes(calls)) return;
  throw new UsageError(`Cannot use ${image} with kernel ${kernel.release}: its erofs module lacks ${symbol}`, {
    hint: HINT,
  });
}

/** @throws UsageError when files are stored in several places as they are, and the kernel does not know that. */
export function requireChunks({ hasChunks }: Pick<ErofsPlan, "hasChunks">, { release }: KernelFacts): void {
  if (!hasChunks || isAtLeast(release, CHUNKS_VERSION)) return;
  throw new UsageError(
    `Cannot use this profile with kernel ${release}: Linux reads files that are cut from ${CHUNKS_VERSION.join(".")} on`,
    { hint: "leave out image.profile (--profile), or use another kernel" },
  );
}

/** What erofs says of damaged attributes: in all versions, and only with CONFIG_EROFS_FS_XATTR. */
const ATTRIBUTES_MESSAGE = "bogus xattr ibody";

/** @throws UsageError when the kernel is known to pass over the attributes by which overlayfs tells what hides what. */
export function requireAttributes({ release, erofsModule }: KernelFacts): void {
  if (erofsModule === undefined || Buffer.from(erofsModule).includes(ATTRIBUTES_MESSAGE)) return;
  throw new UsageError(
    `Cannot lay an image over /usr with kernel ${release}: its erofs module lacks CONFIG_EROFS_FS_XATTR`,
    { hint: "leave out image.against (--against), or use another kernel" },
  );
}

/** A release that does not begin with a version is nothing to refuse by. */
function isAtLeast(release: string, [major, minor]: readonly [number, number]): boolean {
  const found = /^(\d+)\.(\d+)/.exec(release);
  if (found === null) return true;
  const [ofMajor, ofMinor] = [Number(found[1]), Number(found[2])];
  return ofMajor > major || (ofMajor === major && ofMinor >= minor);
}
