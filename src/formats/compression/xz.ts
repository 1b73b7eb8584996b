import xzDecompress from "xz-decompress";
import { type BufferedSource, FormatError, UsageError } from "../../bytes/index.ts";
import { corrupt, Output, type OutputOptions } from "./output.ts";
import type { Decoded } from "./types.ts";
import { walkXzStream } from "./xz-walk.ts";

/**
 * One .xz stream. The library decodes, but cannot say where a stream ends and waits forever for the rest of a truncated
 * one; so it gets exactly what the headers delimit.
 */
export async function decompressXz(input: BufferedSource, options: OutputOptions): Promise<Decoded> {
  const { length, unpackedSize } = walkXzStream(input);
  const output = new Output("xz", options, unpackedSize);
  if (unpackedSize > options.limitBytes) throw output.overflow();
  const reader = new xzDecompress.XzReadableStream(piecesUpTo(input, length)).getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (output.length + part.value.length > unpackedSize) {
        throw new RangeError("more data than the chunk headers announce");
      }
      output.append(part.value);
    }
  } catch (cause) {
    // Lets go of the library's one decoder if the error was ours; if it was the library's, the stream has done so.
    await reader.cancel().catch(() => undefined);
    // From the source: the file became shorter, for one.
    if (cause instanceof UsageError || cause instanceof FormatError) throw cause;
    throw corrupt("xz", "the data of a block is damaged", undefined, cause);
  }
  if (output.length !== unpackedSize) {
    throw corrupt("xz", `expected ${unpackedSize} bytes, got ${output.length}`);
  }
  return { output: output.written(), consumed: length };
}

function piecesUpTo(input: BufferedSource, end: number): ReadableStream<Uint8Array> {
  let offset = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = input.piece(offset).subarray(0, end - offset);
      offset += piece.length;
      controller.enqueue(piece);
      if (offset === end) controller.close();
    },
  });
}
