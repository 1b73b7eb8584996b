import type { ByteSink } from "./byte-source.ts";

/** A writer of bytes at any place: a file opened for writing. Ranges may be written in any order, each at most once. */
export interface PositionedSink {
  writeAt(offset: number, bytes: Uint8Array): void;
}

/** What is written in order goes to `output`, the first byte to `start`. */
export function sequentialSink(output: PositionedSink, start: number): ByteSink {
  let offset = start;
  return {
    write(bytes) {
      output.writeAt(offset, bytes);
      offset += bytes.length;
    },
  };
}
