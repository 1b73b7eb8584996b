import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError, MemorySource } from "../../src/bytes/index.ts";
import { dumpErofs, encodeErofs, readErofs } from "../../src/formats/erofs/index.ts";
import { SUPER_OFFSET, Superblock } from "../../src/formats/erofs/layout.ts";
import { small, trees } from "../support/erofs-trees.ts";

const options = { uuid: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0" };
/** A damaged size may be huge: the ends of a file are enough. */
const SAMPLE_BYTES = 5000;
const BLOCK_BYTES = 4096;

/** Reads everything; says whether the image was taken. Anything but a FormatError fails the test. */
function isTaken(image: Uint8Array): boolean {
  const source = new MemorySource(image);
  try {
    for (const { node } of readErofs(source).tree().walk()) {
      if (node.kind !== "file") continue;
      const length = Math.min(node.content.size, SAMPLE_BYTES);
      node.content.read(0, length);
      node.content.read(node.content.size - length, length);
    }
    dumpErofs(source);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function withoutChecksum(image: Uint8Array): Uint8Array {
  Superblock.write(image, SUPER_OFFSET, { feature_compat: 0 });
  return image;
}

test("an image that is cut off anywhere is refused", () => {
  const image = encodeErofs(small(), options);
  expect(isTaken(image)).toBe(true);
  for (let length = 0; length < image.length; length++) {
    expect(() => readErofs(new MemorySource(image.subarray(0, length))).tree()).toThrow(FormatError);
  }
});

test("every flipped byte of the superblock is noticed", () => {
  const image = encodeErofs(small(), options);
  for (let offset = SUPER_OFFSET; offset < SUPER_OFFSET + Superblock.size; offset++) {
    const damaged = image.slice();
    damaged[offset] = (damaged[offset] ?? 0) ^ 0xff;
    // Without its flag the checksum is not looked at; all other bytes are covered.
    if (offset !== SUPER_OFFSET + Superblock.fields.feature_compat.offset) expect(isTaken(damaged)).toBe(false);
  }
});

test("no damaged byte crashes the reader", () => {
  const image = withoutChecksum(encodeErofs(small(), options));
  // Zeros that no field owns stand between the superblock and the first inode; content starts behind the attributes.
  const { xattr_blkaddr } = Superblock.parse(image, SUPER_OFFSET);
  const ranges = [
    SUPER_OFFSET,
    SUPER_OFFSET + Superblock.size,
    BLOCK_BYTES,
    (xattr_blkaddr + 1) * BLOCK_BYTES,
  ] as const;
  for (let offset = ranges[0]; offset < ranges[3]; offset++) {
    if (offset >= ranges[1] && offset < ranges[2]) continue;
    for (const flip of [0x01, 0xff]) {
      const damaged = image.slice();
      damaged[offset] = (damaged[offset] ?? 0) ^ flip;
      isTaken(damaged);
    }
  }
});

test("no combination of damages crashes the reader", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1, 2, 4, 8, 0x10, 0x20, 0x7f, 0x80, 0xfe, 0xff)), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(trees, damage, (tree, changes) => {
      const image = withoutChecksum(encodeErofs(tree, options));
      for (const [place, value] of changes) image[SUPER_OFFSET + (place % (image.length - SUPER_OFFSET))] = value;
      isTaken(image);
    }),
    { numRuns: 300 },
  );
});
