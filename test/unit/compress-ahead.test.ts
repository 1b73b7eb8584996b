import { describe, expect, test } from "vitest";
import {
  BatchWork,
  BlockStore,
  type Compressor,
  CompressorAhead,
  compressTree,
  erofsCompression,
  IMAGE_BLOCK_BYTES,
  loadEncoder,
  localCompressor,
} from "../../src/build/compress/index.ts";
import { MemorySink, sharedBytes } from "../../src/bytes/index.ts";
import { contentsSoFar, encodeCpio, parseCpio, treeOfArchives } from "../../src/formats/cpio/index.ts";
import { compressedFiles, encodeErofs, type ReadOrder } from "../../src/formats/erofs/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { lz4Wasm, prose, settingsOf, UUID } from "../support/erofs-compress.ts";
import { noise } from "../support/erofs-trees.ts";

const SETTINGS = settingsOf("lz4", 64);

/** In memory that threads share, as an initrd that was unpacked. */
function archiveOf(...trees: readonly Tree[]): Uint8Array {
  const sink = new MemorySink();
  for (const tree of trees) encodeCpio(tree, sink);
  const archive = sharedBytes(sink.bytes().length);
  archive.set(sink.bytes());
  return archive;
}

function treeOf(files: Readonly<Record<string, Uint8Array>>): Tree {
  const tree = new Tree();
  for (const [path, content] of Object.entries(files)) tree.setWithParents(path, regularFile(content));
  return tree;
}

const sample = (): Tree =>
  treeOf({ "bin/a": prose(200_000), "bin/b": noise(5000), c: prose(100), d: new Uint8Array(), e: prose(9_000_000, 7) });

/** A compressor that counts the bytes it is given. */
async function countingCompressor(): Promise<Compressor & { bytes: number }> {
  const local = localCompressor(await loadEncoder(SETTINGS, lz4Wasm), SETTINGS);
  const counting: Compressor & { bytes: number } = {
    capacity: local.capacity,
    bytes: 0,
    compress: (batch) => {
      counting.bytes += batch.pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
      return local.compress(batch);
    },
  };
  return counting;
}

/** The image of an archive's tree, and how much was compressed for it after the archive was complete. */
async function imageOf(archive: Uint8Array, seen: readonly Uint8Array[], order?: ReadOrder) {
  const compressor = await countingCompressor();
  const work = new BatchWork(compressor, new BlockStore());
  const ahead = new CompressorAhead(work);
  const follow = ahead.follow(archive.length);
  for (const part of seen) follow(part);
  work.flush();
  // Until all of it has been handed out.
  for (let before = -1; before !== compressor.bytes; await new Promise((resolve) => setTimeout(resolve, 5))) {
    before = compressor.bytes;
  }
  const bytesAhead = compressor.bytes;
  const { tree } = treeOfArchives([parseCpio(archive)]);
  const files = await compressTree(tree, work, { ahead, ...(order === undefined ? {} : { order }) });
  const compression = erofsCompression(SETTINGS);
  const planFile = compressedFiles(files, { algorithm: compression.algorithm, blockBytes: IMAGE_BLOCK_BYTES });
  const image = encodeErofs(tree, { uuid: UUID, planFile, compression, ...(order === undefined ? {} : { order }) });
  return { image, bytesAhead, bytesAfter: compressor.bytes - bytesAhead };
}

describe("contents in the first part of an archive", () => {
  test("are those of the files that are complete, whatever the part", () => {
    const archive = archiveOf(
      treeOf({ a: noise(10), "x/b": noise(333), c: new Uint8Array() }),
      treeOf({ d: noise(7) }),
    );
    const whole = contentsSoFar(archive, 0).contents;
    const files = parseCpio(archive).entries.filter(({ data }) => data.length > 0);
    expect(whole).toEqual(files.map(({ dataOffset, data }) => ({ start: dataOffset, end: dataOffset + data.length })));
    for (let length = 0; length <= archive.length; length++) {
      const first = contentsSoFar(archive.subarray(0, length), 0);
      expect(first.contents).toEqual(whole.filter(({ end }) => end <= length));
      expect([...first.contents, ...contentsSoFar(archive, first.next).contents]).toEqual(whole);
    }
  });

  test("end where an entry is damaged", () => {
    const archive = archiveOf(treeOf({ a: noise(10), b: noise(10) }));
    const second = parseCpio(archive).entries.find(({ name }) => name === "b");
    archive[second?.offset ?? 0] = 0x31;
    expect(contentsSoFar(archive, 0).contents).toHaveLength(1);
  });
});

describe("what is compressed while an archive is unpacked", () => {
  test("is not compressed again, and the image is the same", async () => {
    const archive = archiveOf(sample());
    const plain = await imageOf(archive, []);
    expect(plain.bytesAhead).toBe(0);
    const halves = await imageOf(archive, [archive.subarray(0, archive.length >> 1), archive]);
    expect(halves.bytesAfter).toBe(0);
    expect(Buffer.compare(halves.image, plain.image)).toBe(0);
    const half = await imageOf(archive, [archive.subarray(0, archive.length >> 1)]);
    expect(half.bytesAhead + half.bytesAfter).toBe(plain.bytesAfter);
    expect(Buffer.compare(half.image, plain.image)).toBe(0);
  });

  test("is not used where a later entry has other content for the path", async () => {
    const archive = archiveOf(sample(), treeOf({ "bin/a": prose(200_000, 3), c: prose(150, 3) }));
    const plain = await imageOf(archive, []);
    const ahead = await imageOf(archive, [archive]);
    expect([ahead.bytesAfter, ahead.bytesAhead > plain.bytesAfter]).toEqual([0, true]);
    expect(Buffer.compare(ahead.image, plain.image)).toBe(0);
  });

  test("is not used for a file that is cut", async () => {
    const archive = archiveOf(treeOf({ a: prose(400_000) }));
    const cut: ReadOrder = {
      nodes: [],
      partsOf: ({ content }) => [
        { start: 0, end: 65_536, rank: 0 },
        { start: 65_536, end: content.size, rank: undefined },
      ],
    };
    const plain = await imageOf(archive, [], cut);
    const ahead = await imageOf(archive, [archive], cut);
    expect(ahead.bytesAfter).toBe(plain.bytesAfter);
    expect(Buffer.compare(ahead.image, plain.image)).toBe(0);
  });
});
