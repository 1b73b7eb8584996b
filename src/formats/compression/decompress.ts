import { constants } from "node:buffer";
import { BufferedSource, type ByteSource, sourceOf } from "../../bytes/index.ts";
import { decompressBzip2 } from "./bzip2.ts";
import { requireCompression } from "./detect.ts";
import { decompressGzip } from "./gzip.ts";
import { type CompressionMethod, DEFAULT_LIMIT_BYTES, SHOWN_BYTES } from "./layout.ts";
import { decompressLz4 } from "./lz4.ts";
import { decompressLzma } from "./lzma.ts";
import { decompressLzo } from "./lzo.ts";
import type { OutputOptions } from "./output.ts";
import type { Decoded, Decompressed } from "./types.ts";
import { decompressXz } from "./xz.ts";
import { decompressZstd } from "./zstd.ts";

type Decoder = (input: BufferedSource, options: OutputOptions) => Decoded | Promise<Decoded>;

const DECODERS: Readonly<Record<CompressionMethod, Decoder>> = {
  gzip: decompressGzip,
  bzip2: onWhole(decompressBzip2),
  lzma: onWhole(decompressLzma),
  xz: decompressXz,
  lzo: onWhole(decompressLzo),
  lz4: decompressLz4,
  zstd: decompressZstd,
};

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
  const source = new BufferedSource(sourceOf(input));
  const method = requireCompression(source.read(0, Math.min(source.size, SHOWN_BYTES)));
  // No array can be longer than MAX_LENGTH.
  const options = { limitBytes: Math.min(limitBytes, constants.MAX_LENGTH), onUnpacked };
  return { method, ...(await DECODERS[method](source, options)) };
}

/** For the methods that nobody packs large initrds with any more. */
function onWhole(decode: (input: Uint8Array, options: OutputOptions) => Decoded): Decoder {
  // An input that is larger than what may come out of it is cut, and then found to be so.
  return (input, options) => decode(input.read(0, Math.min(input.size, DEFAULT_LIMIT_BYTES)), options);
}
