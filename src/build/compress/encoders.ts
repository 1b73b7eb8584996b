import { Lz4Encoder } from "../../codec/index.ts";
import type { PieceEncoder } from "../../formats/erofs/index.ts";
import type { CompressionSettings } from "./settings.ts";

/** zstd's own default: beyond it the gain is a few percent, for several times the work. */
const ZSTD_LEVEL = 3;

/** The compressor of one thread. `lz4Wasm` gives the bytes of dist/codec/lz4.wasm. */
export async function loadEncoder(settings: CompressionSettings, lz4Wasm: () => Uint8Array): Promise<PieceEncoder> {
  if (settings.method === "zstd") return zstdEncoder(settings.clusterBytes);
  const level = settings.method === "lz4" ? "fast" : "high";
  const encoder = new Lz4Encoder(lz4Wasm());
  return {
    keepsRoom: true,
    load: (piece) => encoder.load(piece),
    encode: (offset, room) => encoder.encode(offset, room, level),
  };
}

/**
 * Frames of `inputBytes` each, whatever they shrink to. Looking for the input that fills a cluster, as mkfs.erofs does,
 * means to compress everything several times.
 */
async function zstdEncoder(inputBytes: number): Promise<PieceEncoder> {
  const { loadZstd, withMemory } = await import("../../formats/compression/zstd-library.ts");
  const library = await loadZstd();
  const { functions, module } = library;
  const room = functions.compressBound(inputBytes);
  let piece: Uint8Array = new Uint8Array(0);
  return {
    keepsRoom: false,
    load: (next) => {
      piece = next;
    },
    encode: (offset) => {
      const input = piece.subarray(offset, offset + inputBytes);
      return withMemory(library, inputBytes + room, (from) => {
        const to = from + inputBytes;
        module.HEAPU8.set(input, from);
        const size = functions.compress(to, room, from, input.length, ZSTD_LEVEL);
        if (functions.isError(size)) throw new Error(`zstd cannot compress: ${functions.getErrorName(size)}`);
        return { bytes: module.HEAPU8.slice(to, to + size), consumed: input.length };
      });
    },
  };
}
