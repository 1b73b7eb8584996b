import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError, UsageError } from "../../src/bytes/index.ts";
import {
  COMPRESSION_METHODS,
  type CompressionMethod,
  compress,
  decompress,
  detectCompression,
} from "../../src/formats/compression/index.ts";
import { VECTOR_CONTENT, VECTORS } from "../support/compression-vectors.ts";
import { CountingSource } from "../support/counting-source.ts";
import { noise } from "../support/erofs-trees.ts";

const vector = (method: CompressionMethod): Uint8Array => new Uint8Array(Buffer.from(VECTORS[method], "base64"));

const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** No checksum covers every byte of these: damage may go unseen, as it does in the kernel. */
const WITHOUT_CHECKSUM: readonly CompressionMethod[] = ["lz4", "lzma"];

async function errorOf(promise: Promise<unknown>): Promise<FormatError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FormatError);
  return error as FormatError;
}

describe.each(COMPRESSION_METHODS)("%s", (method) => {
  it("is told by its first two bytes", () => {
    expect(detectCompression(vector(method).subarray(0, 2))).toBe(method);
  });

  it("unpacks what the usual tool packed, and takes all of it", async () => {
    const input = vector(method);
    const result = await decompress(input);
    expect(result.method).toBe(method);
    expect(result.consumed).toBe(input.length);
    expect(Buffer.from(result.output)).toEqual(Buffer.from(VECTOR_CONTENT));
  });

  it.each([
    ["NUL bytes", new Uint8Array(16)],
    ["an archive", new Uint8Array(Buffer.from("0707010000000000000000"))],
    ["another stream", vector("xz")],
    ["the same stream again", undefined],
  ])("stops at the end of its stream, before %s", async (_, following) => {
    const input = vector(method);
    // LZ4's legacy frame has no end of its own: four NUL bytes make one.
    const gap = new Uint8Array(method === "lz4" ? 4 : 0);
    const result = await decompress(join(input, gap, following ?? input));
    expect(result.consumed).toBe(input.length);
    expect(Buffer.from(result.output)).toEqual(Buffer.from(VECTOR_CONTENT));
  });

  it("refuses an output above the limit", async () => {
    const error = await errorOf(decompress(vector(method), { limitBytes: VECTOR_CONTENT.length - 1 }));
    expect(error.message).toContain(`limit of ${VECTOR_CONTENT.length - 1} bytes`);
    await expect(decompress(vector(method), { limitBytes: VECTOR_CONTENT.length })).resolves.toBeDefined();
  });

  it("reports input that was cut short, at whatever length", async () => {
    const input = vector(method);
    for (let length = 0; length < input.length; length++) {
      const result = decompress(input.slice(0, length));
      if (method === "lz4" && (length === 4 || length === 5 || length === 6 || length === 7)) {
        // Cut between two chunks: nothing tells that there were more.
        expect((await result).output).toHaveLength(0);
        continue;
      }
      const error = await errorOf(result);
      expect(error.offset ?? 0).toBeLessThanOrEqual(length);
    }
  });

  it("reports every flipped byte, as far as there is a checksum", async () => {
    const input = vector(method);
    for (let offset = 2; offset < input.length; offset++) {
      const damaged = input.slice();
      damaged[offset] = (input[offset] as number) ^ 0x55;
      const outcome = await decompress(damaged).then(
        ({ output }) => output,
        (reason: unknown) => reason,
      );
      if (outcome instanceof FormatError) continue;
      expect(outcome).toBeInstanceOf(Uint8Array);
      if (WITHOUT_CHECKSUM.includes(method)) continue;
      // What may change unseen is what says nothing about the content: a time, a level, a name.
      expect({ offset, same: Buffer.compare(outcome as Uint8Array, VECTOR_CONTENT) === 0 }).toEqual({
        offset,
        same: true,
      });
    }
  });
});

describe("errors", () => {
  it("names what is known when the first bytes are not", async () => {
    const error = await errorOf(decompress(Uint8Array.of(0xca, 0xfe, 0xba, 0xbe)));
    expect(error.message).toBe(
      "initramfs: Cannot decompress: expected gzip, bzip2, lzma, xz, lzo, lz4, zstd, got the bytes cafebabe at offset 0x0",
    );
  });

  it("says how to pack LZ4 for the kernel", async () => {
    const error = await errorOf(decompress(Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0)));
    expect(error.message).toContain("lz4 -l");
  });

  it("refuses an integrity check that no kernel takes, and says what to do", async () => {
    const sha256 = vector("xz");
    sha256[7] = 0x0a;
    expect((await errorOf(decompress(sha256))).message).toContain("--check=crc32");
  });

  it("goes on working after damaged input", async () => {
    for (const method of COMPRESSION_METHODS) {
      const damaged = vector(method);
      damaged.fill(0x5a, damaged.length >> 1);
      await decompress(damaged).catch(() => undefined);
      const { output } = await decompress(vector(method));
      expect(Buffer.from(output)).toEqual(Buffer.from(VECTOR_CONTENT));
    }
  });

  it("unpacks several streams at the same time", async () => {
    const results = await Promise.all(["xz", "zstd", "xz", "zstd", "xz"].map((m) => decompress(vector(m as "xz"))));
    for (const { output } of results) expect(Buffer.from(output)).toEqual(Buffer.from(VECTOR_CONTENT));
  });
});

describe("lzo", () => {
  /** An lzop file of version 0x1030 without checksums, name and time, with one block. */
  const lzop = (size: number, block: Uint8Array): Uint8Array => {
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32BE(size, 0);
    sizes.writeUInt32BE(block.length, 4);
    const magic = Buffer.from("894c5a4f000d0a1a0a", "hex");
    const header = Buffer.from([0x10, 0x30, 0x20, 0xa0, 0x09, 0x40, 3, 9, ...Buffer.alloc(4 + 8 + 4 + 1 + 4)]);
    return join(magic, header, sizes, block, Buffer.alloc(4));
  };
  const literals = Uint8Array.from({ length: 2100 }, (_, i) => (i * 31) & 0xff);
  /** 3 + 15 + 8 * 255 + 42 literals. */
  const literalRun = join(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 42), literals);
  /** 2 + 31 + 2 * 255 + 10 times the byte before, so that the block is shorter than what it unpacks to. */
  const repeat = Uint8Array.of(0b0010_0000, 0, 0, 10, 0, 0);
  const end = Uint8Array.of(0x11, 0, 0);

  it("knows the three bytes from beyond 2 KiB that only follow literals, and no encoder likes to write", async () => {
    // 0000DDSS HHHHHHHH: 3 bytes from (H << 2) + D + 2049 back, then S literals; after those, 2 bytes from within 1 KiB.
    const block = join(literalRun, Uint8Array.of(0b0000_0101, 2, 0xaa), Uint8Array.of(0b0000_1000, 1), repeat, end);
    const from = 2100 - (8 + 1 + 2049);
    const far = join(literals, literals.subarray(from, from + 3), Uint8Array.of(0xaa));
    const near = far.subarray(far.length - 7, far.length - 5);
    const expected = join(far, near, new Uint8Array(553).fill(near[1] as number));
    const { output } = await decompress(lzop(expected.length, block));
    expect(Buffer.compare(output, expected)).toBe(0);
  });
});

describe("compress", () => {
  it.each(["gzip", "zstd"] as const)("makes %s that unpacks to the same bytes", async (method) => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.integer({ min: 1, max: 9 }), async (bytes, level) => {
        const packed = await compress(bytes, { method, level });
        const result = await decompress(join(packed, Uint8Array.of(0, 0, 1)));
        expect(result).toMatchObject({ method, consumed: packed.length });
        expect(Buffer.from(result.output)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it("leaves out time, name and system", async () => {
    const packed = await compress(VECTOR_CONTENT, { method: "gzip", level: 9 });
    expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
  });

  it("makes the same zstd everywhere", async () => {
    const packed = await compress(VECTOR_CONTENT, { method: "zstd", level: 19 });
    expect(createHash("sha256").update(packed).digest("hex")).toBe(
      "7a46a334b6cb5bb09ce183e41758c9a34aef8ed555d237ae64bd00b2186b1381",
    );
  });

  it("packs a large input with blocks that do not shrink", async () => {
    const packed = await compress(join(noise(3_000_000), new Uint8Array(1_000_000)), { method: "zstd" });
    expect((await decompress(packed)).output.length).toBe(4_000_000);
  });

  it("gives the input back for none", async () => {
    expect(await compress(VECTOR_CONTENT, { method: "none" })).toBe(VECTOR_CONTENT);
  });
});

describe("a source", () => {
  const MIB = 1 << 20;
  const content = join(noise(6 * MIB), new Uint8Array(6 * MIB));
  /** LZ4's legacy frame of chunks that are literals only. */
  const literalChunks = (bytes: Uint8Array): Uint8Array => {
    const chunks = Array.from({ length: Math.ceil(bytes.length / (8 * MIB)) }, (_, index) => {
      const literals = bytes.subarray(index * 8 * MIB, (index + 1) * 8 * MIB);
      const rest = literals.length - 15;
      const lengths = Buffer.alloc(Math.floor(rest / 255) + 1, 255);
      lengths[lengths.length - 1] = rest % 255;
      const size = Buffer.alloc(4);
      size.writeUInt32LE(1 + lengths.length + literals.length);
      return Buffer.concat([size, Uint8Array.of(0xf0), lengths, literals]);
    });
    return join(Buffer.from("02214c18", "hex"), ...chunks);
  };

  it.each([
    ["gzip", () => compress(content, { method: "gzip", level: 1 }), MIB],
    ["zstd", () => compress(content, { method: "zstd", level: 1 }), MIB],
    // A chunk is decoded as a whole.
    ["lz4", async () => literalChunks(content), 9 * MIB],
  ] as const)("of %s is read in pieces, and the output not copied to grow", async (_, pack, largest) => {
    const packed = await pack();
    const source = new CountingSource(join(packed, new Uint8Array(3 * MIB)));
    const { output, consumed } = await decompress(source);
    expect(consumed).toBe(packed.length);
    expect(Buffer.compare(output, content)).toBe(0);
    expect((output.buffer as SharedArrayBuffer).growable).toBe(true);
    expect(source.largestRead).toBeLessThanOrEqual(largest);
    expect(source.bytesRead).toBeLessThan(packed.length + 4 * MIB);
  });

  it.each(COMPRESSION_METHODS)("of %s gives what its bytes give, at whatever length", async (method) => {
    const input = vector(method);
    const outcome = (result: ReturnType<typeof decompress>): Promise<unknown> =>
      result.then(
        ({ output, consumed }) => [consumed, Buffer.from(output)],
        ({ message }: Error) => message,
      );
    for (let length = 0; length <= input.length; length++) {
      const part = input.slice(0, length);
      expect(await outcome(decompress(new CountingSource(part)))).toEqual(await outcome(decompress(part)));
    }
  });

  it.each(["gzip", "zstd"] as const)("of %s that fails is not taken for damaged data", async (method) => {
    const source = new CountingSource(await compress(content, { method, level: 1 }));
    const failing = {
      size: source.size,
      read: (offset: number, length: number): Uint8Array => {
        if (offset > MIB) throw new UsageError("Cannot read any further");
        return source.read(offset, length);
      },
    };
    await expect(decompress(failing)).rejects.toThrow(UsageError);
  });
});

describe("limits", () => {
  it("stops a bomb before it fills the memory", async () => {
    for (const method of ["gzip", "zstd"] as const) {
      const bomb = await compress(new Uint8Array(64 << 20), { method });
      expect(bomb.length).toBeLessThan(1 << 17);
      const error = await errorOf(decompress(bomb, { limitBytes: 1 << 20 }));
      expect(error.message).toContain("larger than the limit");
    }
  });
});
