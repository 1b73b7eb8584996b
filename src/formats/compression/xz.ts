import { crc32 } from "node:zlib";
import xzDecompress from "xz-decompress";
import { type BufferedSource, FormatError, UsageError } from "../../bytes/index.ts";
import { decodeX86Filter } from "./bcj-x86.ts";
import { corrupt, Output, type OutputOptions } from "./output.ts";
import type { Decoded } from "./types.ts";
import { encodeUnfilteredStart, walkXzStream, type X86Block } from "./xz-walk.ts";

/**
 * One .xz stream. The library decodes, but cannot say where a stream ends and waits forever for the rest of a truncated
 * one; so it gets exactly what the headers delimit.
 */
export async function decompressXz(input: BufferedSource, options: OutputOptions): Promise<Decoded> {
  const { length, unpackedSize, x86 } = walkXzStream(input);
  // What is going to be changed by undoing a filter is no news to anybody.
  const output = new Output("xz", x86 === undefined ? options : { ...options, onUnpacked: undefined }, unpackedSize);
  if (unpackedSize > options.limitBytes) throw output.overflow();
  if (x86 === undefined) await decode(piecesOf(input, 0, length), output, unpackedSize, { hasEnd: true });
  else await decodeFiltered(input, x86, output, unpackedSize);
  return { output: output.written(), consumed: length };
}

/**
 * The library knows no filters: it gets the stream as it would begin without one, and not its end, where it would compare
 * what is not there any more. What the filter did is undone, and checked, here.
 */
async function decodeFiltered(
  input: BufferedSource,
  { dictionary, offset, length, crc32: expected }: X86Block,
  output: Output,
  unpackedSize: number,
): Promise<void> {
  const begin = function* () {
    yield encodeUnfilteredStart(dictionary);
    yield* piecesOf(input, offset, offset + length);
  };
  await decode(begin(), output, unpackedSize, { hasEnd: false });
  const bytes = output.written();
  decodeX86Filter(bytes);
  if (crc32(bytes) !== expected) throw corrupt("xz", "wrong CRC32 of a block");
}

async function decode(
  pieces: Generator<Uint8Array>,
  output: Output,
  unpackedSize: number,
  { hasEnd }: { readonly hasEnd: boolean },
): Promise<void> {
  const reader = new xzDecompress.XzReadableStream(streamOf(pieces)).getReader();
  // Lets go of the library's one decoder; where it has failed, or come to an end, it has done so itself.
  const letGo = (): Promise<void> => reader.cancel().catch(() => undefined);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (output.length + part.value.length > unpackedSize) {
        throw new RangeError("more data than the chunk headers announce");
      }
      output.append(part.value);
      if (!hasEnd && output.length === unpackedSize) {
        await letGo();
        break;
      }
    }
  } catch (cause) {
    await letGo();
    // From the source: the file became shorter, for one.
    if (cause instanceof UsageError || cause instanceof FormatError) throw cause;
    throw corrupt("xz", "the data of a block is damaged", undefined, cause);
  }
  if (output.length !== unpackedSize) {
    throw corrupt("xz", `expected ${unpackedSize} bytes, got ${output.length}`);
  }
}

function* piecesOf(input: BufferedSource, start: number, end: number): Generator<Uint8Array> {
  for (let offset = start; offset < end; ) {
    const piece = input.piece(offset).subarray(0, end - offset);
    offset += piece.length;
    yield piece;
  }
}

function streamOf(pieces: Generator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}
