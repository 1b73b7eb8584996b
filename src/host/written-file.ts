import { closeSync, fsync, fsyncSync, openSync } from "node:fs";
import { promisify } from "node:util";
import { type ByteSource, checkRange, type PositionedSink } from "../bytes/index.ts";
import { readDescriptor } from "./descriptors.ts";
import { guardOutput, writeFully } from "./durable.ts";

/** A new file that is written in any order, also by other threads, by its descriptor. */
export class WrittenFile implements PositionedSink {
  readonly descriptor: number;
  readonly #action: string;
  #isOpen = true;

  /** @param action what fails when it fails: "write plan in /srv" */
  constructor(path: string, action: string) {
    this.#action = action;
    this.descriptor = this.#guard(() => openSync(path, "wx+", 0o644));
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    this.#guard(() => writeFully(this.descriptor, offset, bytes));
  }

  /** What was written to its first `size` bytes. */
  source(size: number): ByteSource {
    return {
      size,
      read: (offset, length) => {
        checkRange({ size }, offset, length, "output");
        const bytes = new Uint8Array(length);
        if (readDescriptor(this.descriptor, offset, bytes) !== length)
          throw new RangeError("Nothing was written there");
        return bytes;
      },
    };
  }

  /** What another thread does with the descriptor. */
  async elsewhere<T>(work: Promise<T>): Promise<T> {
    return work.catch((cause: unknown) =>
      this.#guard(() => {
        throw cause;
      }),
    );
  }

  /** Makes all that was written durable, while other things go on. */
  async sync(): Promise<void> {
    await this.elsewhere(promisify(fsync)(this.descriptor));
  }

  /** The same, while nothing else goes on. */
  syncNow(): void {
    this.#guard(() => fsyncSync(this.descriptor));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.descriptor);
  }

  #guard<T>(work: () => T): T {
    return guardOutput(this.#action, work);
  }
}
