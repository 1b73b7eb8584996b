/** The program of a compressing thread: dist/compress-worker.js. */
import { parentPort, workerData } from "node:worker_threads";
import { compressBatch } from "./compressor.ts";
import { loadEncoder } from "./encoders.ts";
import type { WorkerReply, WorkerRequest, WorkerStart } from "./messages.ts";

const { settings, lz4Wasm } = workerData as WorkerStart;
const port = parentPort;
if (port === null) throw new Error("compress-worker.js is a part of lazyrd and not a program of its own");

const encoder = loadEncoder(settings, () => lz4Wasm);
port.on("message", async ({ id, batch }: WorkerRequest) => {
  const pieces = compressBatch(await encoder, batch, settings);
  const buffers = pieces.flatMap(({ blocks }) => (blocks === undefined ? [] : [blocks.buffer as ArrayBuffer]));
  port.postMessage({ id, pieces } satisfies WorkerReply, buffers);
});
