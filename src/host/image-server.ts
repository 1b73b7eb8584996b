import { createReadStream, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { UsageError } from "../bytes/index.ts";

/** Where a server listens; port 0 takes any that is free. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

export interface ImageServer {
  readonly address: ServerAddress;
  /** Ends all connections and takes no more. */
  close(): void;
}

/** A request that was answered. */
export interface ServedRequest {
  readonly path: string;
  readonly status: number;
  readonly from: string;
  /** What was sent, headers and all. */
  readonly sentBytes: number;
}

const RANGE = /^bytes=(\d+)-(\d*)$/;

/**
 * Serves one file under some names, by HTTP and with ranges, to whoever asks.
 * @throws UsageError when nothing can listen there.
 */
export async function serveImage(
  file: string,
  names: readonly string[],
  { host, port }: ServerAddress,
  onRequest: (request: ServedRequest) => void = () => undefined,
): Promise<ImageServer> {
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    const { socket } = request;
    const sentBefore = socket.bytesWritten;
    response.on("close", () => {
      const sentBytes = socket.bytesWritten - sentBefore;
      onRequest({ path, status: response.statusCode, from: socket.remoteAddress ?? "", sentBytes });
    });
    answer(file, names.includes(path.slice(1)), request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new UsageError(`Cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
    });
    server.listen(port, host, resolve);
  });
  const { address, port: taken } = server.address() as AddressInfo;
  return {
    address: { host: address, port: taken },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answer(file: string, isKnown: boolean, { method, headers }: IncomingMessage, response: ServerResponse): void {
  const isAsked = method === "GET" || method === "HEAD";
  if (!isKnown || !isAsked) {
    response.writeHead(isKnown ? 405 : 404).end();
    return;
  }
  const { size } = statSync(file);
  const range = rangeOf(headers.range, size);
  if (range !== undefined && range.start > range.end) {
    response.writeHead(416, { "Content-Range": `bytes */${size}` }).end();
    return;
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  response.writeHead(range === undefined ? 200 : 206, {
    "Accept-Ranges": "bytes",
    "Content-Type": "application/octet-stream",
    "Content-Length": end - start + 1,
    ...(range === undefined ? {} : { "Content-Range": `bytes ${start}-${end}/${size}` }),
  });
  if (method === "HEAD") response.end();
  else
    createReadStream(file, { start, end })
      .on("error", () => response.destroy())
      .pipe(response);
}

/** First and last byte; undefined where no part is asked for, or in a way that may be passed over (RFC 9110, 14.2). */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, first, last = ""] = RANGE.exec(header ?? "") ?? [];
  if (first === undefined) return undefined;
  return { start: Number(first), end: last === "" ? size - 1 : Math.min(Number(last), size - 1) };
}
