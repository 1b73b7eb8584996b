import { Worker } from "node:worker_threads";
import type { CompressedPiece } from "../../formats/erofs/index.ts";
import type { Batch, Compressor } from "./compressor.ts";
import type { WorkerReply, WorkerRequest, WorkerStart } from "./messages.ts";

/** One batch is being worked on while the next one waits, so that no thread ever does. */
const BATCHES_PER_WORKER = 2;

interface Pending {
  readonly resolve: (pieces: CompressedPiece[]) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Compresses in threads of their own. They are started at once, so that they are ready when there is something to do,
 * and do not keep the process alive.
 * @param program - dist/compress-worker.js.
 */
export function workerCompressor(program: string, start: WorkerStart, threads: number): Compressor {
  const workers = Array.from({ length: threads }, () => new PoolWorker(program, start));
  return {
    settings: start.settings,
    capacity: threads * BATCHES_PER_WORKER,
    compress(batch) {
      const [leastBusy] = [...workers].sort((a, b) => a.pendingBytes - b.pendingBytes);
      if (leastBusy === undefined) throw new RangeError("A compressor needs at least one thread");
      return leastBusy.compress(batch);
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

class PoolWorker {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #failure: unknown;
  #nextId = 0;
  pendingBytes = 0;

  constructor(program: string, start: WorkerStart) {
    this.#worker = new Worker(program, { workerData: start });
    this.#worker.unref();
    this.#worker.on("message", ({ id, pieces }: WorkerReply) => {
      this.#pending.get(id)?.resolve([...pieces]);
      this.#pending.delete(id);
      if (this.#pending.size === 0) this.#worker.unref();
    });
    // A thread that ends before its work is done takes all of it with it.
    this.#worker.on("error", (cause) => this.#fail(cause));
    this.#worker.on("exit", (code) => this.#fail(new Error(`The compressing thread ended with ${code}`)));
  }

  #fail(cause: unknown): void {
    this.#failure ??= cause;
    for (const { reject } of this.#pending.values()) reject(cause);
    this.#pending.clear();
  }

  async compress(batch: Batch): Promise<CompressedPiece[]> {
    if (this.#failure !== undefined) throw this.#failure;
    const size = batch.bytes.length;
    const id = this.#nextId++;
    this.pendingBytes += size;
    this.#worker.ref();
    try {
      return await new Promise<CompressedPiece[]>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject });
        this.#worker.postMessage({ id, batch } satisfies WorkerRequest, [batch.bytes.buffer]);
      });
    } finally {
      this.pendingBytes -= size;
    }
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
