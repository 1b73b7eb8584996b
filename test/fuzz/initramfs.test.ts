import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError, MemorySink } from "../../src/bytes/index.ts";
import { COMPRESSION_METHODS, compress, decompress } from "../../src/formats/compression/index.ts";
import { encodeCpio, parseCpio, readInitramfs, treeOfArchives, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { VECTORS } from "../support/compression-vectors.ts";
import { DIRECTORY_MODE, rawArchive, SYMLINK_MODE } from "../support/newc.ts";

const ARCHIVE = rawArchive(
  { name: ".", mode: DIRECTORY_MODE },
  { name: "etc", mode: DIRECTORY_MODE },
  { name: "etc/a", ino: 5, nlink: 2 },
  { name: "etc/b", ino: 5, nlink: 2, data: "content" },
  { name: "lib", mode: SYMLINK_MODE, data: "usr/lib" },
  { name: "tty", mode: 0o020600, rdevMajor: 5 },
);

/** Some bytes of `input` replaced, and perhaps its end cut off. */
const damaged = (input: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      changes: fc.array(fc.record({ offset: fc.nat(input.length - 1), value: fc.nat(255) }), { maxLength: 8 }),
      length: fc.oneof(fc.constant(input.length), fc.nat(input.length)),
    })
    .map(({ changes, length }) => {
      const bytes = input.slice(0, length);
      for (const { offset, value } of changes) if (offset < length) bytes[offset] = value;
      return bytes;
    });

/** Whatever it is, it ends: with a result or a FormatError. */
async function ends(action: () => unknown): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

describe("damaged input ends in a FormatError or a result", () => {
  it.each(COMPRESSION_METHODS)("%s", async (method) => {
    const input = new Uint8Array(Buffer.from(VECTORS[method], "base64"));
    await fc.assert(
      fc.asyncProperty(damaged(input), (bytes) => ends(() => decompress(bytes, { limitBytes: 1 << 24 }))),
      { numRuns: 400 },
    );
  });

  it.each(COMPRESSION_METHODS)("%s, with noise behind its first bytes", async (method) => {
    const input = Buffer.from(VECTORS[method], "base64");
    await fc.assert(
      fc.asyncProperty(fc.nat(40), fc.uint8Array({ maxLength: 300 }), (kept, noise) =>
        ends(() =>
          decompress(new Uint8Array(Buffer.concat([input.subarray(0, kept), noise])), { limitBytes: 1 << 24 }),
        ),
      ),
      { numRuns: 400 },
    );
  });

  it("archives, and the trees that are made of them", async () => {
    await fc.assert(
      fc.asyncProperty(damaged(ARCHIVE), (bytes) =>
        ends(() => {
          const { tree } = treeOfArchives([parseCpio(bytes)]);
          const sink = new MemorySink();
          encodeCpio(tree, sink);
          // What was unpacked once can be written and unpacked again.
          expect(treeOfArchives([parseCpio(sink.bytes())]).warnings).toEqual([]);
        }),
      ),
      { numRuns: 2000 },
    );
  });

  it("whole initrds", async () => {
    const packed = await compress(ARCHIVE, { method: "gzip" });
    const whole = new Uint8Array(Buffer.concat([ARCHIVE, Buffer.alloc(20), packed, Buffer.alloc(64)]));
    await fc.assert(
      fc.asyncProperty(damaged(whole), (bytes) => ends(async () => treeOfInitramfs(await readInitramfs(bytes)))),
      { numRuns: 1000 },
    );
  });
});
