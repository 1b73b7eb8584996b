/** The program of a thread: dist/worker.js. */
import { parentPort } from "node:worker_threads";
import { packError } from "./errors.ts";
import type { JobName, Request, SentReply, SentRequest } from "./jobs.ts";
import { WORK } from "./work.ts";

const port = parentPort;
if (port === null) throw new Error("worker.js is a part of lazyrd and not a program of its own");

async function answer<N extends JobName>({ id, job, request }: SentRequest<N>): Promise<void> {
  try {
    const work = WORK[job] as (request: Request<N>) => ReturnType<(typeof WORK)[N]>;
    const { reply, transfer = [] } = await work(request);
    port?.postMessage({ id, reply } satisfies SentReply, transfer);
  } catch (error) {
    port?.postMessage({ id, error: packError(error) } satisfies SentReply);
  }
}

port.on("message", (request: SentRequest) => void answer(request));
