import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { UsageError } from "../../src/bytes/index.ts";
import { type ImageServer, serveImage } from "../../src/host/index.ts";
import { tempFolder } from "../support/temp.ts";

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
const LOCAL = { host: "127.0.0.1", port: 0 };
/** A server for the test that calls this; what it was asked goes to `seen`. */
async function start(seen: string[] = []): Promise<ImageServer> {
  const file = join(tempFolder(), "image.raw");
  writeFileSync(file, CONTENT);
  const names = ["image.raw", "a/b.raw"];
  const server = await serveImage(file, names, LOCAL, ({ path, status }) => seen.push(`${path} ${status}`));
  onTestFinished(() => server.close());
  return server;
}

async function ask({ address }: ImageServer, path: string, headers: Record<string, string> = {}, method = "GET") {
  const response = await fetch(`http://${address.host}:${address.port}/${path}`, { headers, method });
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
}

describe("the image's server", () => {
  test("has the file under its names, and nothing else", async () => {
    const seen: string[] = [];
    const server = await start(seen);
    expect((await ask(server, "image.raw")).body.equals(CONTENT)).toBe(true);
    expect((await ask(server, "a/b.raw")).status).toBe(200);
    expect((await ask(server, "../image.raw.key")).status).toBe(404);
    expect((await ask(server, "image.raw", {}, "POST")).status).toBe(405);
    expect(seen).toContain("/a/b.raw 200");
  });

  test.each([
    ["bytes=100-", 206, CONTENT.subarray(100), `bytes 100-299999/300000`],
    ["bytes=100-199", 206, CONTENT.subarray(100, 200), "bytes 100-199/300000"],
    ["bytes=299999-999999", 206, CONTENT.subarray(-1), "bytes 299999-299999/300000"],
    ["bytes=300000-", 416, Buffer.alloc(0), "bytes */300000"],
    ["bytes=-5", 200, CONTENT, null],
    ["lines=1-2", 200, CONTENT, null],
  ])("answers Range: %s", async (range, status, body, contentRange) => {
    const found = await ask(await start(), "image.raw", { range });
    expect(found.status).toBe(status);
    expect(found.headers.get("content-range")).toBe(contentRange);
    expect(found.body.equals(body)).toBe(true);
  });

  test("says how much there is without sending it", async () => {
    const { headers, body } = await ask(await start(), "image.raw", {}, "HEAD");
    expect([headers.get("content-length"), body.length]).toEqual(["300000", 0]);
  });

  test("says where it cannot listen", async () => {
    const taken = serveImage("/dev/null", [], (await start()).address);
    await expect(taken).rejects.toThrow(UsageError);
    await expect(taken).rejects.toThrow(/^Cannot listen on 127\.0\.0\.1:\d+: /);
  });
});
