import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError, MemorySource } from "../../src/bytes/index.ts";
import { dumpErofs, extentsOf, readErofs } from "../../src/formats/erofs/index.ts";
import { CompressionHeader } from "../../src/formats/erofs/layout.ts";
import { BLOCK, entryOffset, HEADER_OFFSET, handMadeImage } from "../support/erofs-compressed.ts";
import { noise } from "../support/erofs-trees.ts";

const SAMPLE_BYTES = 5000;
/** Up to here the image is metadata. */
const METADATA_END = 2 * BLOCK;

const text = noise(60_000).map((byte) => byte & 3);
const stored = deflateRawSync(text);
const image = handMadeImage("DEFLATE", [
  { length: text.length, stored },
  { length: 3000, stored: noise(3000), plain: true },
  { length: 20_000, stored, partial: true },
]);

/** Reads all that can be; says whether the image was taken. Anything but a FormatError fails the test. */
function isTaken(damaged: Uint8Array): boolean {
  const source = new MemorySource(damaged);
  try {
    for (const { node } of readErofs(source).tree().walk()) {
      if (node.kind !== "file") continue;
      const { content } = node;
      const length = Math.min(content.size, SAMPLE_BYTES);
      content.read(0, length);
      content.read(content.size - length, length);
      extentsOf(content);
    }
    dumpErofs(source);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

test("an image that is cut off anywhere is refused", () => {
  expect(isTaken(image)).toBe(true);
  for (let length = 0; length < image.length; length++) {
    expect(isTaken(image.subarray(0, length))).toBe(false);
  }
});

test("no flipped byte of the metadata crashes the reader", () => {
  for (let offset = 1024; offset < METADATA_END; offset++) {
    for (const flip of [0x01, 0x02, 0x10, 0x80, 0xff]) {
      const damaged = image.slice();
      damaged[offset] = (damaged[offset] ?? 0) ^ flip;
      isTaken(damaged);
    }
  }
});

test("no combination of headers and entries crashes the reader", () => {
  const entries = fc.array(fc.tuple(fc.nat(23), fc.uint8Array({ minLength: 8, maxLength: 8 })), { maxLength: 6 });
  const header = fc.record({
    h_fragmentoff: fc.nat(0xffffffff),
    h_advise: fc.nat(0x3f),
    h_algorithmtype: fc.constantFrom(0, 1, 2, 3, 0x22, 0x20),
    h_clusterbits: fc.constantFrom(0, 1, 2, 4, 0x80),
  });
  const compact = fc.boolean();
  fc.assert(
    fc.property(entries, header, compact, (changes, values, isCompact) => {
      const damaged = image.slice();
      CompressionHeader.write(damaged, HEADER_OFFSET, values);
      if (isCompact) damaged[HEADER_OFFSET - 64] = 1 | (3 << 1);
      for (const [cluster, bytes] of changes) damaged.set(bytes, entryOffset(cluster));
      isTaken(damaged);
    }),
    { numRuns: 3000 },
  );
});
