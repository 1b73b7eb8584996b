import { constants } from "node:buffer";
import { BufferedSource, type ByteSource, sourceOf } from "../../bytes/index.ts";
import { requireCompression } from "./detect.ts";
import { type CompressionMethod, DEFAULT_LIMIT_BYTES, SHOWN_BYTES } from "./layout.ts";
import type { OutputOptions } from "./output.ts";
import type { Decoded, Decompressed } from "./types.ts";

type Decoder = (input: BufferedSource, options: OutputOptions) => Decoded | Promise<Decoded>;

/** Loaded when there is something to decode: most runs need one of them, and some bring a library. */
const DECODERS: Readonly<Record<CompressionMethod, () => Promise<Decoder>>> = {
  gzip: async () => (await import("./gzip.ts")).decompressGzip,
  bzip2: async () => onWhole((await import("./bzip2.ts")).decompressBzip2),
  lzma: async () => onWhole((await import("./lzma.ts")).decompressLzma),
  xz: async () => (await import("./xz.ts")).decompressXz,
  lzo: async () => onWhole((await import("./lzo.ts")).decompressLzo),
  lz4: async () => (await import("./lz4.ts")).decompressLz4,
  zstd: async () => (await import("./zstd.ts")).decompressZstd,
};

/** Their decoders are done with what they have read when they read on; others still hold it. */
const COPIED_AT_ONCE: readonly CompressionMethod[] = ["zstd", "lz4"];

/**
 * Decompresses the one stream that `input` starts with and says how many bytes of the input it took; the method is told
 * by its magic, as in the kernel. The output holds at most `limitBytes` (default: DEFAULT_LIMIT_BYTES) and stands in
 * memory that threads share; `onUnpacked` hears of it while it grows. A source is read in pieces as the decoder goes on;
 * but for bzip2, lzma and lzo.
 * @throws FormatError when the method is unknown, the data is damaged or ends early, or the output would be too large;
 *   offsets count from the start of `input`.
 */
export async function decompress(
  input: Uint8Array | ByteSource,
  { limitBytes = DEFAULT_LIMIT_BYTES, onUnpacked }: Partial<OutputOptions> = {},
): Promise<Decompressed> {
  const whole = sourceOf(input);
  const method = requireCompression(whole.read(0, Math.min(whole.size, SHOWN_BYTES)));
  const source = new BufferedSource(whole, { hasPassingViews: COPIED_AT_ONCE.includes(method) });
  // No array can be longer than MAX_LENGTH.
  const options = { limitBytes: Math.min(limitBytes, constants.MAX_LENGTH), onUnpacked };
  const decode = await DECODERS[method]();
  return { method, ...(await decode(source, options)) };
}

/** For the methods that nobody packs large initrds with any more. */
function onWhole(decode: (input: Uint8Array, options: OutputOptions) => Decoded): Decoder {
  // An input that is larger than what may come out of it is cut, and then found to be so.
  return (input, options) => decode(input.read(0, Math.min(input.size, DEFAULT_LIMIT_BYTES)), options);
}
