import { type ByteSource, MemorySource } from "../../src/bytes/index.ts";

/** A source that remembers how it was read; as of a file, every read has memory of its own. */
export class CountingSource implements ByteSource {
  readonly #source: MemorySource;
  readonly lengths: number[] = [];

  constructor(bytes: Uint8Array) {
    this.#source = new MemorySource(bytes);
  }

  get size(): number {
    return this.#source.size;
  }

  get largestRead(): number {
    return Math.max(0, ...this.lengths);
  }

  get bytesRead(): number {
    return this.lengths.reduce((sum, length) => sum + length, 0);
  }

  read(offset: number, length: number): Uint8Array {
    this.lengths.push(length);
    return Uint8Array.from(this.#source.read(offset, length));
  }
}
