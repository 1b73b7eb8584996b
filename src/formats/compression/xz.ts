import xzDecompress from "xz-decompress";
import { corrupt, tooLarge } from "./output.ts";
import type { Decoded, OutputLimits } from "./types.ts";
import { walkXzStream } from "./xz-walk.ts";

/**
 * One .xz stream. The library decodes, but cannot say where a stream ends and waits forever for the rest of a truncated
 * one; so it gets exactly what the headers delimit.
 */
export async function decompressXz(input: Uint8Array, { limitBytes, allocate }: OutputLimits): Promise<Decoded> {
  const { length, unpackedSize } = walkXzStream(input);
  if (unpackedSize > limitBytes) throw tooLarge("xz", limitBytes);
  const output = allocate(unpackedSize);
  const stream = new xzDecompress.XzReadableStream(
    new ReadableStream({
      start(controller) {
        controller.enqueue(input.subarray(0, length));
        controller.close();
      },
    }),
  );
  let filled = 0;
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (filled + part.value.length > unpackedSize) throw new RangeError("more data than the chunk headers announce");
      output.set(part.value, filled);
      filled += part.value.length;
    }
  } catch (cause) {
    // Lets go of the library's one decoder if the error was ours; if it was the library's, the stream has done so.
    await reader.cancel().catch(() => undefined);
    throw corrupt("xz", "the data of a block is damaged", undefined, cause);
  }
  if (filled !== unpackedSize) throw corrupt("xz", `expected ${unpackedSize} bytes, got ${filled}`);
  return { output, consumed: length };
}
