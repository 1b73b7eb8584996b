/** The program of a thread: dist/worker.js. */
import { parentPort } from "node:worker_threads";
import { packError } from "./errors.ts";
import type { JobName, SentAnswer, SentRequest } from "./jobs.ts";
import { WORK, type Work } from "./work.ts";

const port = parentPort;
if (port === null) throw new Error("worker.js is a part of lazyrd and not a program of its own");

async function answer<N extends JobName>({ id, job, request }: SentRequest<N>): Promise<void> {
  try {
    const work = WORK[job] as Work<N>;
    const tell = (news: Uint8Array): void => port?.postMessage({ id, news } satisfies SentAnswer);
    const { reply, transfer = [] } = await work(request, tell);
    port?.postMessage({ id, reply } satisfies SentAnswer, transfer);
  } catch (error) {
    port?.postMessage({ id, error: packError(error) } satisfies SentAnswer);
  }
}

port.on("message", (request: SentRequest) => void answer(request));
