import type { ByteSink } from "../../bytes/index.ts";

/** Small pieces are gathered into writes of this size: large enough that system calls do not count. */
const BUFFER_BYTES = 1 << 20;
/** From this size on, copying a piece costs more than a write of its own. */
const DIRECT_BYTES = 1 << 16;

/** Passes small pieces on in large ones. */
export class GatheringWriter {
  readonly #sink: ByteSink;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #used = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length >= DIRECT_BYTES) {
      this.flush();
      this.#sink.write(bytes);
      return;
    }
    const first = Math.min(bytes.length, BUFFER_BYTES - this.#used);
    this.#buffer.set(bytes.subarray(0, first), this.#used);
    this.#used += first;
    if (this.#used < BUFFER_BYTES) return;
    this.flush();
    this.#buffer.set(bytes.subarray(first));
    this.#used = bytes.length - first;
  }

  /** Hands over what is gathered. The sink may keep it: the next piece gets a buffer of its own. */
  flush(): void {
    if (this.#used === 0) return;
    this.#sink.write(this.#buffer.subarray(0, this.#used));
    this.#buffer = new Uint8Array(BUFFER_BYTES);
    this.#used = 0;
  }
}
