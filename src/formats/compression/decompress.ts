import { constants } from "node:buffer";
import { decompressBzip2 } from "./bzip2.ts";
import { requireCompression } from "./detect.ts";
import { decompressGzip } from "./gzip.ts";
import { type CompressionMethod, DEFAULT_LIMIT_BYTES } from "./layout.ts";
import { decompressLz4 } from "./lz4.ts";
import { decompressLzma } from "./lzma.ts";
import { decompressLzo } from "./lzo.ts";
import { allocatePrivate } from "./output.ts";
import type { Decoded, Decompressed, OutputLimits } from "./types.ts";
import { decompressXz } from "./xz.ts";
import { decompressZstd } from "./zstd.ts";

type Decoder = (input: Uint8Array, limits: OutputLimits) => Decoded | Promise<Decoded>;

const DECODERS: Readonly<Record<CompressionMethod, Decoder>> = {
  gzip: decompressGzip,
  bzip2: decompressBzip2,
  lzma: decompressLzma,
  xz: decompressXz,
  lzo: decompressLzo,
  lz4: decompressLz4,
  zstd: decompressZstd,
};

/**
 * Decompresses the one stream that `input` starts with and says how many bytes of the input it took; the method is told
 * by its magic, as in the kernel. The output holds at most `limitBytes` (default: DEFAULT_LIMIT_BYTES);
 * a large one stands in what `allocate` returned, but for gzip.
 * @throws FormatError when the method is unknown, the data is damaged or ends early, or the output would be too large;
 *   offsets count from the start of `input`.
 */
export async function decompress(
  input: Uint8Array,
  { limitBytes = DEFAULT_LIMIT_BYTES, allocate = allocatePrivate }: Partial<OutputLimits> = {},
): Promise<Decompressed> {
  const method = requireCompression(input);
  // No array can be longer than MAX_LENGTH; and zlib knows no limit of 0.
  const limit = Math.max(1, Math.min(limitBytes, constants.MAX_LENGTH));
  return { method, ...(await DECODERS[method](input, { limitBytes: limit, allocate })) };
}
