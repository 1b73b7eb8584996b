import { FormatError, sharedBytes } from "../../bytes/index.ts";
import type { CompressionMethod } from "./layout.ts";

/** Smallest room that a growing output starts with. */
const FIRST_BYTES = 1 << 16;
/** Up to here an output grows by being copied. */
const MAX_COPIED_BYTES = 8 << 20;
/** Beyond it, by so much at once. */
const STEP_BYTES = 64 << 20;
/** How much more there is each time that somebody is told: seldom enough to cost nothing. */
const NEWS_BYTES = 2 << 20;

/** What a decoder may write, and who is to hear of it. */
export interface OutputOptions {
  readonly limitBytes: number;
  /** Called now and then with all that has been written so far; it will not change any more. */
  readonly onUnpacked?: ((bytes: Uint8Array) => void) | undefined;
}

/**
 * Where a decoder puts its output: one array that grows up to a limit, in memory that threads share.
 *
 * Small ones double, which costs copies. Large ones reserve addresses up to the limit, and memory only as they grow, so
 * that they never need to be copied.
 */
export class Output {
  bytes: Uint8Array;
  /** Bytes written so far. */
  length = 0;
  readonly #method: CompressionMethod;
  readonly #limit: number;
  readonly #most: number;
  readonly #onUnpacked: OutputOptions["onUnpacked"];
  #nextNewsAt: number;

  /** @param expectedBytes what the input says that it unpacks to; it will not unpack to more. */
  constructor(method: CompressionMethod, { limitBytes, onUnpacked }: OutputOptions, expectedBytes?: number) {
    this.#method = method;
    this.#limit = limitBytes;
    this.#onUnpacked = onUnpacked;
    this.#nextNewsAt = onUnpacked === undefined ? Number.POSITIVE_INFINITY : NEWS_BYTES;
    this.#most = Math.min(limitBytes, expectedBytes ?? limitBytes);
    this.bytes = sharedBytes(Math.min(this.#most, expectedBytes === undefined ? FIRST_BYTES : MAX_COPIED_BYTES));
  }

  /**
   * Makes room for `more` bytes after `length`; `bytes` may be another array afterwards.
   * @throws FormatError when the output would leave its limit.
   */
  ensure(more: number): void {
    if (this.length >= this.#nextNewsAt) {
      this.#nextNewsAt = this.length + NEWS_BYTES;
      this.#onUnpacked?.(this.written());
    }
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    if (needed > this.#limit) throw tooLarge(this.#method, this.#limit);
    const { length } = this.bytes;
    this.#growTo(Math.max(needed, Math.min(this.#most, length + Math.min(length, STEP_BYTES))));
  }

  #growTo(size: number): void {
    const { buffer } = this.bytes;
    if (buffer instanceof SharedArrayBuffer && buffer.growable) {
      buffer.grow(size);
      this.bytes = new Uint8Array(buffer, 0, size);
      return;
    }
    const grown = size <= MAX_COPIED_BYTES ? sharedBytes(size) : reservedBytes(size, this.#limit);
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
    return this.bytes.subarray(0, this.length);
  }
}

/** `length` bytes of a buffer that can grow to `mostBytes`. */
function reservedBytes(length: number, mostBytes: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length, { maxByteLength: mostBytes }), 0, length);
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
