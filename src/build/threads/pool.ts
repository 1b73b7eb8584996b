import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { packageFile } from "../../host/index.ts";
import { unpackError } from "./errors.ts";
import type { JobName, Reply, Request, SentAnswer, SentRequest } from "./jobs.ts";

/** More threads than this wait for the one that hands out the work. */
const MAX_THREADS = 8;

/**
 * A thread that has less to do than this is given more: it then goes on while the one that hands out the work is busy
 * itself. What waits behind a job that takes long would wait for nothing, so beyond this work is kept for who is free.
 */
const ENOUGH_BYTES = 4 << 20;

/** What threads work on is not made of objects: room for more of them would only be left untidied. */
const YOUNG_OBJECTS_MB = 6;

/** Does jobs (see Jobs), several at the same time where it has threads. */
export interface Workforce {
  readonly threads: number;
  /**
   * @param bytes how much work it is, to share it evenly
   * @param onNews called with what the job has to tell before it is done
   */
  run<N extends JobName>(
    job: N,
    request: Request<N>,
    bytes: number,
    onNews?: (news: Uint8Array) => void,
  ): Promise<Reply<N>>;
  /** Ends all threads, whatever they are doing: jobs that are not done fail. */
  close(): Promise<void>;
}

/**
 * Threads for all processors. They are started at once, so that they are ready when there is something to do, and keep
 * the process alive until they are closed.
 * @param program - dist/worker.js.
 */
export function startThreads(
  threads = Math.min(availableParallelism(), MAX_THREADS),
  program = packageFile("dist/worker.js"),
): Workforce {
  return new Pool(threads, program);
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

/** A job that is not done yet, and who waits for it. */
interface Task {
  readonly sent: SentRequest;
  readonly bytes: number;
  readonly onNews: (news: Uint8Array) => void;
  readonly resolve: (reply: Reply<JobName>) => void;
  readonly reject: (cause: unknown) => void;
}

class Pool implements Workforce {
  readonly #workers: readonly PoolWorker[];
  /** What no thread has been given yet, in the order in which it came. */
  readonly #waiting: Task[] = [];
  #failure: unknown;
  #nextId = 0;

  constructor(threads: number, program: string) {
    const owner = { onAnswer: () => this.#handOut(), onEnd: (cause: unknown) => this.#fail(cause) };
    this.#workers = Array.from({ length: threads }, () => new PoolWorker(program, owner));
  }

  get threads(): number {
    return this.#workers.length;
  }

  async run<N extends JobName>(
    job: N,
    request: Request<N>,
    bytes: number,
    onNews: Task["onNews"] = () => undefined,
  ): Promise<Reply<N>> {
    if (this.#failure !== undefined) throw this.#failure;
    return new Promise<Reply<N>>((resolve, reject) => {
      const sent = { id: this.#nextId++, job, request };
      this.#waiting.push({ sent, bytes, onNews, resolve: resolve as Task["resolve"], reject });
      this.#handOut();
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  #handOut(): void {
    for (let [task] = this.#waiting; task !== undefined; [task] = this.#waiting) {
      const leastBusy = this.#workers.reduce((least, other) => (other.busyBytes < least.busyBytes ? other : least));
      if (leastBusy.busyBytes > ENOUGH_BYTES) return;
      leastBusy.give(task);
      this.#waiting.shift();
    }
  }

  /** A thread that ends before its work is done takes that with it, and nobody is to wait for the rest. */
  #fail(cause: unknown): void {
    this.#failure ??= cause;
    for (const { reject } of this.#waiting.splice(0)) reject(cause);
  }
}

class PoolWorker {
  readonly #worker: Worker;
  readonly #tasks = new Map<number, Task>();
  /** Of all that it has been given and has not done. */
  busyBytes = 0;

  constructor(program: string, owner: { onAnswer(): void; onEnd(cause: unknown): void }) {
    this.#worker = new Worker(program, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_OBJECTS_MB } });
    this.#worker.on("message", (answer: SentAnswer) => {
      const task = this.#tasks.get(answer.id);
      if (task === undefined) return;
      if ("news" in answer) {
        task.onNews(answer.news);
        return;
      }
      this.#tasks.delete(answer.id);
      this.busyBytes -= task.bytes;
      owner.onAnswer();
      if ("error" in answer) task.reject(unpackError(answer.error));
      else task.resolve(answer.reply);
    });
    const fail = (cause: unknown): void => {
      owner.onEnd(cause);
      for (const { reject } of this.#tasks.values()) reject(cause);
      this.#tasks.clear();
    };
    this.#worker.on("error", fail);
    this.#worker.on("exit", (code) => fail(new Error(`The thread ended with ${code}`)));
  }

  give(task: Task): void {
    this.#worker.postMessage(task.sent);
    this.#tasks.set(task.sent.id, task);
    this.busyBytes += task.bytes;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
