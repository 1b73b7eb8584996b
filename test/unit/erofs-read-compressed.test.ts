import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, MemorySource } from "../../src/bytes/index.ts";
import { decodeLz4Block } from "../../src/formats/compression/lz4-block.ts";
import { compressZstd } from "../../src/formats/compression/zstd.ts";
import {
  dumpErofs,
  type ExtentDecoders,
  extentsOf,
  loadExtentDecoders,
  openErofs,
  readErofs,
} from "../../src/formats/erofs/index.ts";
import { CompressionHeader, FullIndex, SUPER_OFFSET, Superblock } from "../../src/formats/erofs/layout.ts";
import type { RegularFile, Tree } from "../../src/tree/index.ts";
import { VECTOR_CONTENT, VECTORS } from "../support/compression-vectors.ts";
import { BLOCK, entryOffset, type HandMadeExtent, HEADER_OFFSET, handMadeImage } from "../support/erofs-compressed.ts";
import { noise } from "../support/erofs-trees.ts";

/** Packs to about a third, and is the same nowhere. */
function text(length: number): Uint8Array {
  const choice = noise(length, length);
  return Uint8Array.from({ length }, (_, index) => 97 + ((choice[index] ?? 0) & 7));
}

const LZMA_HEADER_BYTES = 13;

/** The `.lzma` file without its header; its first byte, always 0, becomes the inverted properties. */
function microLzma(): Uint8Array {
  const file = Buffer.from(VECTORS.lzma, "base64");
  return Uint8Array.from([~(file[0] ?? 0) & 0xff, ...file.subarray(LZMA_HEADER_BYTES + 1)]);
}

/** Literals only, which is a block, too. */
function lz4(bytes: Uint8Array): Uint8Array {
  const more = bytes.length - 15;
  const lengths = [...Array(Math.floor(more / 255)).fill(255), more % 255];
  return Uint8Array.from([0xf0, ...lengths, ...bytes]);
}

function fileOf(tree: Tree): RegularFile["content"] {
  const node = tree.get("file");
  if (node?.kind !== "file") throw new Error("there is no file");
  return node.content;
}

const contents = [text(40_000), text(13_000), noise(BLOCK), text(100_001)] as const;
const whole = Buffer.concat(contents);

type Packer = (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;
const packers: Readonly<Record<"DEFLATE" | "ZSTD" | "LZ4", Packer>> = {
  DEFLATE: (bytes) => deflateRawSync(bytes, { level: 9 }),
  ZSTD: (bytes) => compressZstd(bytes),
  LZ4: lz4,
};

async function sample(algorithm: keyof typeof packers): Promise<Uint8Array> {
  const extents: HandMadeExtent[] = [];
  for (const [index, bytes] of contents.entries()) {
    const plain = index === 2;
    extents.push({ length: bytes.length, stored: plain ? bytes : await packers[algorithm](bytes), plain });
  }
  return handMadeImage(algorithm, extents);
}

describe.each(["DEFLATE", "ZSTD", "LZ4"] as const)("%s", (algorithm) => {
  test("is read, whole and in any part", async () => {
    const { tree } = await openErofs(new MemorySource(await sample(algorithm)));
    const content = fileOf(tree());
    expect(Buffer.compare(content.read(0, content.size), whole)).toBe(0);
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(70_000), (start, most) => {
        const length = Math.min(most, whole.length - start);
        expect(Buffer.compare(content.read(start, length), whole.subarray(start, start + length))).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test("tells where its bytes are", async () => {
    const image = await sample(algorithm);
    const { tree } = await openErofs(new MemorySource(image));
    const extents = extentsOf(fileOf(tree())) ?? [];
    expect(extents.map(({ start, length }) => [start, length])).toEqual(
      contents.map((bytes, index) => [Buffer.concat(contents.slice(0, index)).length, bytes.length]),
    );
    expect(extents.map(({ kind }) => kind === "plain")).toEqual([false, false, true, false]);
    const plain = extents[2];
    expect(image.subarray(plain?.offset, (plain?.offset ?? 0) + BLOCK)).toEqual(contents[2]);
    expect(dumpErofs(new MemorySource(image))).toContain("index of 4: 39 clusters of 4096 bytes");
  });

  test("a part of what is stored is enough where the index says so", async () => {
    const bytes = text(30_000);
    const stored = await packers[algorithm](bytes);
    const partial = handMadeImage(algorithm, [{ length: 9000, stored, partial: true }]);
    const { tree } = await openErofs(new MemorySource(partial));
    expect(Buffer.compare(fileOf(tree()).read(0, 9000), bytes.subarray(0, 9000))).toBe(0);
    const exact = handMadeImage(algorithm, [{ length: 9000, stored }]);
    const other = await openErofs(new MemorySource(exact));
    expect(() => fileOf(other.tree()).read(0, 9000)).toThrow(/Cannot read an extent of 9000 bytes/);
    const short = handMadeImage(algorithm, [{ length: 40_000, stored, partial: true }]);
    const third = await openErofs(new MemorySource(short));
    expect(() => fileOf(third.tree()).read(0, 40_000)).toThrow(/expected 40000 bytes/);
  });
});

test("MicroLZMA is read, all of it and a part", () => {
  const { length } = VECTOR_CONTENT;
  for (const part of [length, 1000]) {
    const image = handMadeImage("LZMA", [{ length: part, stored: microLzma(), partial: part < length }]);
    const content = fileOf(readErofs(new MemorySource(image)).tree());
    expect(content.read(0, part)).toEqual(VECTOR_CONTENT.subarray(0, part));
  }
});

test("Zstandard needs a decoder, and says so", async () => {
  const source = new MemorySource(await sample("ZSTD"));
  expect(() => fileOf(readErofs(source).tree()).read(0, 1)).toThrow(/Zstandard, whose decoder is not loaded at offset/);
  const decoders: ExtentDecoders = await loadExtentDecoders();
  expect(fileOf(readErofs(source, decoders).tree()).read(0, 5)).toEqual(contents[0].subarray(0, 5));
});

describe("what is not sound is refused, with the place", () => {
  const refusals: readonly (readonly [string, (image: Uint8Array) => void, RegExp])[] = [
    ["no way back", (image) => FullIndex.write(image, entryOffset(2), { di_u: 0 }), /cluster 2 has no way back/],
    ["no head at all", (image) => FullIndex.write(image, entryOffset(0), { di_advise: 2, di_u: 1 }), /has no head/],
    [
      "back beyond the head",
      (image) => FullIndex.write(image, entryOffset(5), { di_u: 6 }),
      /cluster 5 points back beyond/,
    ],
    [
      "a size in the middle",
      (image) => FullIndex.write(image, entryOffset(5), { di_u: 0x801 }),
      /cluster 5 has a size/,
    ],
    [
      "a size of nothing",
      (image) => FullIndex.write(image, entryOffset(1), { di_u: 0x800 }),
      /physical cluster's size/,
    ],
    ["no size", (image) => FullIndex.write(image, entryOffset(1), { di_u: 1 }), /does not say how large/],
    ["an offset beyond", (image) => FullIndex.write(image, entryOffset(9), { di_clusterofs: BLOCK }), /beyond itself/],
    ["a start after the start", (image) => FullIndex.write(image, entryOffset(0), { di_clusterofs: 5 }), /has no head/],
    [
      "a block outside",
      (image) => FullIndex.write(image, entryOffset(0), { di_u: 0xffffff }),
      /reach beyond the image/,
    ],
    ["unknown flags", (image) => FullIndex.write(image, entryOffset(0), { di_advise: 0x4001 }), /unknown flags/],
    ["unknown advice", (image) => CompressionHeader.write(image, HEADER_OFFSET, { h_advise: 0x140 }), /flags 0x140/],
    ["extent records", (image) => CompressionHeader.write(image, HEADER_OFFSET, { h_advise: 1 }), /Linux 6\.15/],
    [
      "an unknown algorithm",
      (image) => CompressionHeader.write(image, HEADER_OFFSET, { h_algorithmtype: 9 }),
      /algorithm 9/,
    ],
    [
      "an algorithm that is not announced",
      (image) => Superblock.write(image, SUPER_OFFSET, { available_compr_algs: 1 }),
      /uses DEFLATE/,
    ],
    ["huge clusters", (image) => CompressionHeader.write(image, HEADER_OFFSET, { h_clusterbits: 8 }), /at most 2\^16/],
    [
      "a fragment without a packed inode",
      (image) =>
        CompressionHeader.write(image, HEADER_OFFSET, { h_advise: 0, h_algorithmtype: 0, h_clusterbits: 0x80 }),
      /no packed inode/,
    ],
  ];
  test.each(refusals)("%s", async (_, damage, says) => {
    const image = await sample("DEFLATE");
    damage(image);
    const read = (): unknown => fileOf(readErofs(new MemorySource(image)).tree()).read(0, whole.length);
    expect(read).toThrow(says);
    expect(read).toThrow(FormatError);
    expect(read).toThrow(/at offset 0x/);
  });
});

describe("the ends of an LZ4 block", () => {
  // "aaaaaaaaaaaa", then literals.
  const block = (tail: string): Uint8Array =>
    Uint8Array.from([0x17, 97, 1, 0, tail.length << 4, ...Buffer.from(tail, "latin1")]);
  const decode = (input: Uint8Array, size: number): Uint8Array => {
    const bytes = new Uint8Array(size);
    const end = decodeLz4Block(input, 0, input.length, { bytes, base: 0, limit: size }, "exact");
    return bytes.subarray(0, end);
  };

  test("five literals at the end are enough for Linux, four are not", () => {
    expect(Buffer.from(decode(block("bcdef"), 17)).toString()).toBe("aaaaaaaaaaaabcdef");
    expect(() => decode(block("bcde"), 16)).toThrow(/less than 5 bytes before the end, Linux refuses it/);
  });

  test("a match that starts less than twelve bytes before the end is refused", () => {
    const input = Uint8Array.from([0x10, 97, 1, 0, 0x60, ...Buffer.from("bcdefg")]);
    expect(() => decode(input, 11)).toThrow(/less than 12 bytes before the end/);
  });
});
