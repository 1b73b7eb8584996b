import { inflateRawSync, constants as zlib } from "node:zlib";
import { FormatError } from "../../bytes/index.ts";
import { decodeLz4Block } from "../compression/lz4-block.ts";
import { decompressMicroLzma } from "../compression/lzma.ts";
import type { AlgorithmName } from "./compressed-header.ts";
import { MAX_PCLUSTER_DECODED_BYTES } from "./layout.ts";

/**
 * Unpacks what one physical cluster holds to exactly `size` bytes; with `partial` it may hold more than that.
 * @throws FormatError when the data is damaged or does not have this size.
 */
export type ExtentDecoder = (input: Uint8Array, size: number, partial: boolean) => Uint8Array;

/** The algorithms that a reader can unpack. */
export type ExtentDecoders = Readonly<Partial<Record<AlgorithmName, ExtentDecoder>>>;

/** Those that need nothing to be loaded: all but Zstandard. */
export const BUILT_IN_DECODERS: ExtentDecoders = {
  LZ4: decodeLz4,
  MicroLZMA: (input, size) => decompressMicroLzma(input, size),
  DEFLATE: decodeDeflate,
};

/** All decoders; loading takes a moment, so images without Zstandard should do without. */
export async function loadExtentDecoders(): Promise<ExtentDecoders> {
  const { loadZstd, withMemory } = await import("../compression/zstd-library.ts");
  const library = await loadZstd();
  const { module, functions, stream } = library;
  const decodeZstd: ExtentDecoder = (input, size, partial) =>
    withMemory(library, input.length, (from) =>
      withMemory(library, size, (to) => {
        module.HEAPU8.set(input, from);
        // Only the streaming call stops when there is enough; only the other one says what is wrong.
        if (partial) stream.reset();
        const length = partial
          ? stream.decompressChunk(to, size, from, input.length)
          : functions.decompress(to, size, from, input.length);
        if (functions.isError(length)) throw damaged("zstd", functions.getErrorName(length));
        if (length !== size) throw damaged("zstd", `expected ${size} bytes, got ${length}`);
        return module.HEAPU8.slice(to, to + size);
      }),
    );
  return { ...BUILT_IN_DECODERS, Zstandard: decodeZstd };
}

function decodeLz4(input: Uint8Array, size: number, partial: boolean): Uint8Array {
  const bytes = new Uint8Array(size);
  const length = decodeLz4Block(input, 0, input.length, { bytes, base: 0, limit: size }, partial ? "stop" : "exact");
  if (length < size) throw damaged("lz4", `expected ${size} bytes, got ${length}`);
  return bytes;
}

function decodeDeflate(input: Uint8Array, size: number, partial: boolean): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = inflateRawSync(input, {
      maxOutputLength: partial ? MAX_PCLUSTER_DECODED_BYTES : size,
      // Linux stops when it has enough, whether the stream says that it ends or not.
      finishFlush: zlib.Z_SYNC_FLUSH,
    });
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause)) throw cause;
    throw damaged("deflate", cause.code === "ERR_BUFFER_TOO_LARGE" ? `more than ${size} bytes` : cause.message, cause);
  }
  if (bytes.length < size) throw damaged("deflate", `expected ${size} bytes, got ${bytes.length}`);
  return bytes.subarray(0, size);
}

function damaged(format: string, what: string, cause?: unknown): FormatError {
  return new FormatError(`Cannot decompress: ${what}`, { format, cause });
}
