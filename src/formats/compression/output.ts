import { FormatError } from "../../bytes/index.ts";
import type { CompressionMethod } from "./layout.ts";
import type { Allocate, OutputLimits } from "./types.ts";

/** Smallest room that a growing output starts with. */
const FIRST_BYTES = 1 << 16;

/**
 * Where a decoder puts its output: one array that grows up to a limit.
 *
 * Room is asked of the system without being touched, so a generous expectation costs no memory; without a good
 * one the array doubles, which costs copies.
 */
export class Output {
  bytes: Uint8Array;
  /** Bytes written so far. */
  length = 0;
  readonly #method: CompressionMethod;
  readonly #limit: number;
  readonly #allocate: Allocate;

  constructor(method: CompressionMethod, { limitBytes, allocate }: OutputLimits, expectedBytes: number) {
    this.#method = method;
    this.#limit = limitBytes;
    this.#allocate = allocate;
    this.bytes = allocate(Math.min(limitBytes, Math.max(expectedBytes, FIRST_BYTES)));
  }

  /**
   * Makes room for `more` bytes after `length`; `bytes` may be another array afterwards.
   * @throws FormatError when the output would leave its limit.
   */
  ensure(more: number): void {
    const needed = this.length + more;
    if (needed > this.#limit) throw tooLarge(this.#method, this.#limit);
    if (needed <= this.bytes.length) return;
    const grown = this.#allocate(Math.min(this.#limit, Math.max(needed, this.bytes.length * 2)));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /**
   * Like `ensure`, for a decoder that knows only a bound: makes room for `most` bytes, or for what the limit still
   * allows, and returns how many may be written.
   */
  room(most: number): number {
    const allowed = Math.min(most, this.#limit - this.length);
    this.ensure(allowed);
    return allowed;
  }

  /** The error for a decoder that needs more than `room` gave. */
  overflow(): FormatError {
    return tooLarge(this.#method, this.#limit);
  }

  append(chunk: Uint8Array): void {
    this.ensure(chunk.length);
    this.bytes.set(chunk, this.length);
    this.length += chunk.length;
  }

  /** What was written. */
  written(): Uint8Array {
    return fitted(this.bytes.subarray(0, this.length));
  }
}

/** Views that use less than this part of their array are copied, so that they do not keep it alive. */
const WORTHWHILE_PART = 1 / 8;

/** `view`, or a copy of it where its array is much larger than itself. */
export function fitted(view: Uint8Array): Uint8Array {
  return view.length < view.buffer.byteLength * WORTHWHILE_PART ? view.slice() : view;
}

/** The error for an output above its limit: a decompression bomb, or a limit that was set too low. */
export function tooLarge(method: CompressionMethod, limitBytes: number): FormatError {
  return new FormatError(`Cannot decompress: the output is larger than the limit of ${limitBytes} bytes`, {
    format: method,
  });
}

/** The error for input that ends too early. `offset` is where bytes were missing. */
export function truncated(method: CompressionMethod, offset: number, field: string): FormatError {
  return new FormatError("Cannot decompress: the input ends too early", { format: method, offset, field });
}

/** The error for input that no encoder writes. */
export function corrupt(method: CompressionMethod, what: string, offset?: number, cause?: unknown): FormatError {
  return new FormatError(`Cannot decompress: ${what}`, { format: method, offset, cause });
}

/** Memory of this process alone, which is not touched before it is used. */
export function allocatePrivate(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
