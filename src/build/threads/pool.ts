import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { packageFile } from "../../host/index.ts";
import { unpackError } from "./errors.ts";
import type { JobName, Reply, Request, SentReply, SentRequest } from "./jobs.ts";

/** More threads than this wait for the one that hands out the work. */
const MAX_THREADS = 8;

/** Does jobs (see Jobs), several at the same time where it has threads. */
export interface Workforce {
  readonly threads: number;
  /** @param bytes how much work it is, to share it evenly */
  run<N extends JobName>(job: N, request: Request<N>, bytes: number): Promise<Reply<N>>;
  close(): Promise<void>;
}

/**
 * Threads for all processors. They are started at once, so that they are ready when there is something to do, and do
 * not keep the process alive.
 * @param program - dist/worker.js.
 */
export function startThreads(
  threads = Math.min(availableParallelism(), MAX_THREADS),
  program = packageFile("dist/worker.js"),
): Workforce {
  const workers = Array.from({ length: threads }, () => new PoolWorker(program));
  return {
    threads,
    run(job, request, bytes) {
      const leastBusy = workers.reduce((least, worker) => (worker.pendingBytes < least.pendingBytes ? worker : least));
      return leastBusy.run(job, request, bytes);
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

/** Calls `use` with threads that end with it. */
export async function withThreads<T>(use: (threads: Workforce) => Promise<T>): Promise<T> {
  const threads = startThreads();
  try {
    return await use(threads);
  } finally {
    await threads.close();
  }
}

interface Pending {
  readonly resolve: (reply: Reply<JobName>) => void;
  readonly reject: (cause: unknown) => void;
}

class PoolWorker {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #failure: unknown;
  #nextId = 0;
  pendingBytes = 0;

  constructor(program: string) {
    this.#worker = new Worker(program);
    this.#worker.unref();
    this.#worker.on("message", (answer: SentReply) => {
      const pending = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      if (this.#pending.size === 0) this.#worker.unref();
      if ("error" in answer) pending?.reject(unpackError(answer.error));
      else pending?.resolve(answer.reply);
    });
    // A thread that ends before its work is done takes all of it with it.
    this.#worker.on("error", (cause) => this.#fail(cause));
    this.#worker.on("exit", (code) => this.#fail(new Error(`The thread ended with ${code}`)));
  }

  #fail(cause: unknown): void {
    this.#failure ??= cause;
    for (const { reject } of this.#pending.values()) reject(cause);
    this.#pending.clear();
  }

  async run<N extends JobName>(job: N, request: Request<N>, bytes: number): Promise<Reply<N>> {
    if (this.#failure !== undefined) throw this.#failure;
    const id = this.#nextId++;
    this.pendingBytes += bytes;
    this.#worker.ref();
    try {
      return await new Promise<Reply<N>>((resolve, reject) => {
        this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject });
        this.#worker.postMessage({ id, job, request } satisfies SentRequest<N>);
      });
    } finally {
      this.pendingBytes -= bytes;
    }
  }

  async close(): Promise<void> {
    // An answer that comes now must not let go of the thread (unref): with nothing left to wait for, Node would end the
    // program with status 13 before the error that closed the pool has been reported.
    this.#worker.removeAllListeners("message");
    await this.#worker.terminate();
  }
}
