import { FormatError } from "./errors.ts";

/** Random access to bytes that need not be in memory: a file, a part of one, or a buffer. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`. The result may be a view into shared memory: do not change it.
   * @throws FormatError when the range does not lie inside the source.
   */
  read(offset: number, length: number): Uint8Array;
  /** Like `read`, into memory of the caller's. Sources have it that would need new memory each time. */
  readInto?(offset: number, bytes: Uint8Array): void;
}

/** A writer of bytes in order, from first to last. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

/** @throws FormatError when the range does not lie inside the source. */
export function checkRange(source: { readonly size: number }, offset: number, length: number, format: string): void {
  // Told this way round so that NaN, which is in no order with any number, is refused too.
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size)) {
    throw new FormatError(`Cannot read ${length} bytes: the input ends after ${source.size} bytes`, { format, offset });
  }
}

/** Bytes in memory as a source; `read` returns views, nothing is copied. */
export class MemorySource implements ByteSource {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, "input");
    return this.bytes.subarray(offset, offset + length);
  }
}

/** Bytes in memory as a source; a source as it is. */
export function sourceOf(input: Uint8Array | ByteSource): ByteSource {
  return input instanceof Uint8Array ? new MemorySource(input) : input;
}

/** The `size` bytes of `source` from `start`, as a source of its own: a partition of a disk, a file of an image. */
export class SubSource implements ByteSource {
  readonly #source: ByteSource;
  readonly #start: number;
  readonly size: number;

  constructor(source: ByteSource, start: number, size: number) {
    checkRange(source, start, size, "input");
    this.#source = source;
    this.#start = start;
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, "input");
    return this.#source.read(this.#start + offset, length);
  }
}

/** Collects what is written, for tests and small outputs. */
export class MemorySink implements ByteSink {
  readonly #chunks: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.#chunks.push(new Uint8Array(bytes)); // not slice(): a Buffer's is a view
  }

  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let offset = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    return whole;
  }
}

/** The whole source in pieces of at most `chunkBytes`, so that large inputs need not be in memory. */
export function* chunksOf(source: ByteSource, chunkBytes = 1 << 20): Generator<Uint8Array> {
  for (let offset = 0; offset < source.size; offset += chunkBytes) {
    yield source.read(offset, Math.min(chunkBytes, source.size - offset));
  }
}

/** Whether two contents are the same, byte for byte; no more than a piece of each is in memory. */
export function haveSameContent(a: ByteSource, b: ByteSource): boolean {
  if (a.size !== b.size) return false;
  const others = chunksOf(b);
  for (const chunk of chunksOf(a)) {
    const other = others.next();
    if (other.done === true || Buffer.compare(chunk, other.value) !== 0) return false;
  }
  return true;
}
