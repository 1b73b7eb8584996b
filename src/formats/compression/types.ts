import type { CompressionMethod } from "./layout.ts";

/** What a decoder made of the stream at the start of its input. */
export interface Decoded {
  /** In memory that threads share. */
  readonly output: Uint8Array;
  /** Bytes of the input that belong to the stream; what follows is not looked at. */
  readonly consumed: number;
}

export interface Decompressed extends Decoded {
  readonly method: CompressionMethod;
}
