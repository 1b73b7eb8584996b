import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { sendable, sendablePart, startThreads } from "../../src/build/threads/index.ts";
import { FormatError, MemorySource, sharedBytes } from "../../src/bytes/index.ts";
import { compress } from "../../src/formats/compression/index.ts";
import { hashBlocks } from "../../src/formats/verity/index.ts";
import { FileSource } from "../../src/host/index.ts";
import { prose } from "../support/erofs-compress.ts";
import { noise } from "../support/erofs-trees.ts";
import { tempFolder } from "../support/temp.ts";

const threads = startThreads(2);
afterAll(() => threads.close());

const TSX = import.meta.resolve("tsx");
const BLOCK = 4096;
const hashing = { algorithm: "sha256", salt: Uint8Array.of(1, 2, 3), blockSize: BLOCK } as const;

/** A file that is open while `use` runs. */
async function withFile<T>(content: Uint8Array, use: (descriptor: number, path: string) => Promise<T>): Promise<T> {
  const path = join(tempFolder(), "file");
  writeFileSync(path, content);
  const descriptor = openSync(path, "r+");
  try {
    return await use(descriptor, path);
  } finally {
    closeSync(descriptor);
  }
}

test.each(["zstd", "gzip"] as const)("%s is unpacked as in this thread", async (method) => {
  const content = prose(1_000_000);
  const stream = await compress(content, { method });
  const packed = Buffer.concat([stream, Buffer.from("behind")]);
  const reply = await threads.run("decompress", { input: sendable(packed), limitBytes: 1 << 30 }, packed.length);
  expect(Buffer.compare(reply.output, content)).toBe(0);
  expect([reply.method, reply.consumed]).toEqual([method, stream.length]);
});

test.each(["zstd", "gzip"] as const)("%s is unpacked out of a part of a file", async (method) => {
  const content = prose(20_000_000);
  const stream = await compress(content, { method, level: 1 });
  await withFile(Buffer.concat([Buffer.from("before"), stream, Buffer.from("behind")]), async (_, path) => {
    const source = new FileSource(path, "the file");
    const input = sendablePart(source, 6, stream.length + 6);
    expect(input).toEqual({ descriptor: source.descriptor, offset: 6, length: stream.length + 6 });
    const reply = await threads.run("decompress", { input, limitBytes: 1 << 30 }, 1);
    expect(Buffer.compare(reply.output, content)).toBe(0);
    expect(reply.consumed).toBe(stream.length);
    source.close();
  });
});

test("of what is no file, a thread gets the bytes", async () => {
  const bytes = noise(1000);
  expect(sendablePart(new MemorySource(bytes), 10, 20)).toEqual(bytes.subarray(10, 30));
});

test.each(["zstd", "gzip"] as const)(
  "what is unpacked from %s is shared: others need no copy of it",
  async (method) => {
    const stream = sendable(await compress(prose(1_000_000), { method }));
    const { output } = await threads.run("decompress", { input: stream, limitBytes: 1 << 30 }, 1);
    expect(output.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(sendable(output)).toBe(output);
  },
);

test("an error arrives as what it was", async () => {
  const damaged = await compress(prose(1000), { method: "zstd" });
  damaged[4] = 0xff;
  const local = await import("../../src/formats/compression/index.ts").then(({ decompress }) =>
    decompress(damaged).catch((error: unknown) => error),
  );
  const error = await threads.run("decompress", { input: damaged, limitBytes: 1000 }, 1).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(FormatError);
  const { message, format, offset, field } = local as FormatError;
  expect(error).toMatchObject({ message, format, offset, field });
});

test("an error of the system has its code", async () => {
  const request = { descriptor: 999_999, offset: 0, length: BLOCK };
  await expect(threads.run("digest", request, 1)).rejects.toMatchObject({ code: "EBADF", syscall: "read" });
});

test("digests are the same of memory and of a part of a file", async () => {
  const content = noise(3_000_000);
  const expected = createHash("sha256").update(content.subarray(1000)).digest("hex");
  expect(await threads.run("digest", content.slice(1000), 1)).toBe(expected);
  await withFile(content, async (descriptor) => {
    const range = { descriptor, offset: 1000, length: content.length - 1000 };
    expect(await threads.run("digest", range, 1)).toBe(expected);
    const beyond = { ...range, length: content.length };
    await expect(threads.run("digest", beyond, 1)).rejects.toThrow(/ends at 3000000/);
  });
});

test("blocks are hashed in a file, and on their way into one", async () => {
  const content = sharedBytes(300 * BLOCK);
  content.set(noise(content.length));
  const expected = hashBlocks(content, hashing);
  await withFile(content, async (descriptor) => {
    const range = { descriptor, offset: 0, length: content.length };
    expect(Buffer.compare(await threads.run("hash-blocks", { ...range, hashing }, 1), expected)).toBe(0);
  });
  await withFile(new Uint8Array(), async (descriptor, path) => {
    const request = { descriptor, offset: BLOCK, bytes: content, hashing };
    expect(Buffer.compare(await threads.run("write-hashed", request, 1), expected)).toBe(0);
    expect(Buffer.compare(readFileSync(path).subarray(BLOCK), content)).toBe(0);
  });
});

test("what is unpacked is told of while it grows, and does not change any more", async () => {
  const content = noise(9_000_000);
  const stream = await compress(content, { method: "zstd", level: 1 });
  const news: Uint8Array[] = [];
  await threads.run("decompress", { input: stream, limitBytes: 1 << 30 }, stream.length, (part) => news.push(part));
  expect(news.length).toBeGreaterThanOrEqual(3);
  expect(news.map(({ length }) => length)).toEqual(news.map(({ length }) => length).sort((a, b) => a - b));
  for (const part of news) expect(Buffer.compare(part, content.subarray(0, part.length))).toBe(0);
});

test("small jobs do not wait behind a long one while a thread is free", async () => {
  const stream = await compress(noise(30_000_000), { method: "zstd", level: 1 });
  const order: string[] = [];
  const long = threads.run("decompress", { input: stream, limitBytes: 1 << 30 }, stream.length);
  const small = Array.from({ length: 8 }, () => threads.run("digest", noise(1000), 2 << 20));
  await Promise.all([long.then(() => order.push("long")), Promise.all(small).then(() => order.push("small"))]);
  expect(order).toEqual(["small", "long"]);
});

test("a thread that is closed takes no more work", async () => {
  const closed = startThreads(1);
  await closed.close();
  await expect(closed.run("digest", new Uint8Array(), 0)).rejects.toThrow(/The thread ended/);
});

test("an answer that comes while threads are closed does not end the program", () => {
  const folder = tempFolder();
  const worker = join(folder, "worker.mjs");
  writeFileSync(
    worker,
    `import { pbkdf2Sync } from "node:crypto";
    import { parentPort } from "node:worker_threads";
    parentPort.on("message", ({ id }) => {
      parentPort.postMessage({ id, reply: "late" });
      pbkdf2Sync("", "", 1_000_000, 64, "sha512"); // a thread cannot be ended within such a call
    });`,
  );
  const pool = fileURLToPath(new URL("../../src/build/threads/index.ts", import.meta.url));
  const program = join(folder, "program.mts");
  writeFileSync(
    program,
    `import { startThreads } from ${JSON.stringify(pool)};
    const threads = startThreads(1, ${JSON.stringify(worker)});
    void threads.run("digest", new Uint8Array(), 0).catch(() => undefined);
    // The answer is there, but this thread has not seen it when it closes the other one.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    await threads.close();
    console.log("closed");`,
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", TSX, program], { encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "closed\n", stderr: "" });
});
