import { FormatError } from "../../bytes/index.ts";
import { ALGORITHM_NUMBERS, type CompressionAlgorithm } from "./compress-content.ts";
import { CFG_LENGTH_BYTES, FORMAT, Lz4Cfgs, ZSTD_WINDOW_LOG_BASE, ZstdCfgs } from "./layout.ts";

/** How the files of an image are compressed, as far as the kernel has to know it when it mounts. */
export interface ErofsCompression {
  readonly algorithm: CompressionAlgorithm;
  /** Blocks of the largest physical cluster. */
  readonly maxClusterBlocks: number;
  /** Of zstd: log2 of the longest distance back, 10 to 20. */
  readonly windowBits?: number;
}

/** LZ4's offsets have 16 bits. */
const LZ4_MAX_DISTANCE = 0xffff;
/** Z_EROFS_ZSTD_MAX_DICT_SIZE is 1 MiB. */
const MAX_WINDOW_BITS = 20;

/** available_compr_algs and what follows the superblock (COMPR_CFGS). */
export function encodeCompressionConfig(compression: ErofsCompression): { algorithms: number; bytes: Uint8Array } {
  const payload = payloadOf(compression);
  const bytes = new Uint8Array(CFG_LENGTH_BYTES + payload.length);
  new DataView(bytes.buffer).setUint16(0, payload.length, true);
  bytes.set(payload, CFG_LENGTH_BYTES);
  return { algorithms: 2 ** ALGORITHM_NUMBERS[compression.algorithm], bytes };
}

function payloadOf({ algorithm, maxClusterBlocks, windowBits }: ErofsCompression): Uint8Array {
  if (algorithm === "lz4") {
    return Lz4Cfgs.encode({ max_distance: LZ4_MAX_DISTANCE, max_pclusterblks: maxClusterBlocks });
  }
  if (windowBits === undefined || windowBits < ZSTD_WINDOW_LOG_BASE || windowBits > MAX_WINDOW_BITS) {
    throw new FormatError(
      `Cannot use a zstd window of 2^${windowBits}: expected 2^${ZSTD_WINDOW_LOG_BASE} to 2^${MAX_WINDOW_BITS}`,
      { format: FORMAT, field: "windowlog" },
    );
  }
  return ZstdCfgs.encode({ windowlog: windowBits - ZSTD_WINDOW_LOG_BASE });
}
