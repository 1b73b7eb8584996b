import type { CompressionMethod } from "./layout.ts";

/** What a decoder made of the stream at the start of its input. */
export interface Decoded {
  readonly output: Uint8Array;
  /** Bytes of the input that belong to the stream; what follows is not looked at. */
  readonly consumed: number;
}

export interface Decompressed extends Decoded {
  readonly method: CompressionMethod;
}

/** Makes room for this many bytes; where it is zero does not matter. */
export type Allocate = (length: number) => Uint8Array;

/** What a decoder is given for its output. */
export interface OutputLimits {
  readonly limitBytes: number;
  readonly allocate: Allocate;
}
