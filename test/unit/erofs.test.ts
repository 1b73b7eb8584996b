import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, fromText, MemorySink, MemorySource } from "../../src/bytes/index.ts";
import {
  describeSuperblock,
  dumpErofs,
  encodeErofs,
  findEqualFiles,
  planErofs,
  readErofs,
} from "../../src/formats/erofs/index.ts";
import * as layout from "../../src/formats/erofs/layout.ts";
import { xxh32 } from "../../src/formats/erofs/xxh32.ts";
import { directory, metadata, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { chunkPlanner, sparse, useLongPrefix } from "../support/erofs-chunks.ts";
import { anyProfile, laidOut } from "../support/erofs-order.ts";
import { device, everything, factsOf, noise, small, trees, xattrs } from "../support/erofs-trees.ts";

const uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const options = { uuid };

function readBack(image: Uint8Array): Tree {
  return readErofs(new MemorySource(image)).tree();
}

describe("structs", () => {
  test.each([
    [layout.Superblock, 128],
    [layout.CompactInode, 32],
    [layout.ExtendedInode, 64],
    [layout.XattrHeader, 12],
    [layout.XattrEntry, 4],
    [layout.XattrLongPrefix, 3],
    [layout.Dirent, 12],
    [layout.ChunkIndex, 8],
    [layout.CompressionHeader, 8],
  ])("$name", (declared, size) => {
    expect(declared.size).toBe(size);
  });
});

describe("xxh32", () => {
  // The values of the reference implementation.
  test.each([
    ["", 0, 0x02cc5d05],
    ["", 1, 0x0b2cb792],
    ["a", 0, 0x550d7456],
    ["abc", 0, 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0, 0xe2293b2f],
  ])("%j with seed %i", (text, seed, expected) => {
    expect(xxh32(Buffer.from(text), seed)).toBe(expected);
  });
});

describe("writing", () => {
  test("what is written is read", () => {
    for (const more of [{}, { inlineFileTails: false }, { xattrFilter: true }, { epoch: 5 }]) {
      expect(factsOf(readBack(encodeErofs(everything(), { ...options, ...more })))).toEqual(factsOf(everything()));
    }
  });

  test("any tree is read as it was written", () => {
    fc.assert(
      fc.property(trees, fc.option(fc.nat()), fc.boolean(), (tree, seed, inlineFileTails) => {
        const layout = seed === null ? {} : laidOut(tree, anyProfile(tree, seed));
        const image = encodeErofs(tree, { ...options, ...layout, inlineFileTails });
        expect(image.length % 4096).toBe(0);
        expect(factsOf(readBack(image))).toEqual(factsOf(tree));
      }),
      { numRuns: 200 },
    );
  });

  test("the bytes are pinned", async () => {
    const image = encodeErofs(small(), { uuid, volumeName: "golden" });
    await expect(dumpErofs(new MemorySource(image))).toMatchFileSnapshot("../golden/erofs-small.txt");
    const digest = createHash("sha256").update(image).digest("hex");
    expect(digest).toMatchInlineSnapshot(`"a65c171b05769961a744a456fbd43a7d566a06eb14667eaf6efb3a9e32d81d1d"`);
    expect(createHash("sha256").update(encodeErofs(everything(), options)).digest("hex")).toMatchInlineSnapshot(
      `"e297107f7a1715b425840d203ddf77f9a19279b2510d705e4c9ae29d95e6e321"`,
    );
  });

  test("the order in which entries were added has no meaning", () => {
    const forwards = new Tree();
    const backwards = new Tree();
    const names = Array.from({ length: 50 }, (_, index) => `${index}`);
    for (const name of names) forwards.set(name, regularFile(noise(100, Number(name))));
    for (const name of names.reverse()) backwards.set(name, regularFile(noise(100, Number(name))));
    expect(encodeErofs(forwards, options)).toEqual(encodeErofs(backwards, options));
  });

  test("the plan knows the size, and can be emitted twice", () => {
    const plan = planErofs(everything(), options);
    const [first, second] = [new MemorySink(), new MemorySink()];
    plan.emit(first);
    plan.emit(second);
    expect(first.bytes().length).toBe(plan.sizeBytes);
    expect(first.bytes()).toEqual(second.bytes());
  });

  test("plain images need no feature of the kernel", () => {
    const { superblock } = readErofs(new MemorySource(encodeErofs(everything(), options)));
    expect(describeSuperblock(superblock)).toMatchObject({
      uuid,
      incompatible: [],
      compatible: ["SB_CHKSUM", "MTIME"],
      epoch: 1700000000,
    });
  });

  test("compact inodes hold no time of their own", () => {
    const image = encodeErofs(new Tree(directory({ mtime: 99 })), options);
    const { rootnid_2b } = layout.Superblock.parse(image, layout.SUPER_OFFSET);
    expect(layout.CompactInode.parse(image, rootnid_2b * layout.INODE_SLOT_BYTES)).toMatchObject({
      i_format: layout.DATA_LAYOUT.FLAT_INLINE << layout.I_FORMAT_LAYOUT_SHIFT,
      i_mtime: 0,
      i_nlink: 2,
    });
  });

  test("equal contents are stored once when asked", () => {
    const tree = new Tree();
    for (let copy = 0; copy < 10; copy++) tree.set(`${copy}`, regularFile(noise(50_000)));
    const apart = planErofs(tree, options).sizeBytes;
    const together = planErofs(tree, { ...options, equalFiles: findEqualFiles(tree) }).sizeBytes;
    expect(apart - together).toBe(9 * 12 * 4096);
  });

  test("contents are read in pieces, and only while the image is written", () => {
    const reads: number[] = [];
    const content = {
      size: 5_000_000,
      read(_: number, length: number): Uint8Array {
        reads.push(length);
        return new Uint8Array(length);
      },
    };
    const tree = new Tree();
    tree.set("large", regularFile(content));
    const plan = planErofs(tree, options);
    expect(reads).toEqual([]);
    plan.emit({ write: () => undefined });
    expect(Math.max(...reads)).toBeLessThanOrEqual(1 << 20);
  });

  test("a directory may have 100,000 entries", () => {
    const tree = new Tree();
    for (let index = 0; index < 100_000; index++) tree.set(`file ${index}`, regularFile(new Uint8Array(0)));
    expect(readBack(encodeErofs(tree, options)).root.entries.size).toBe(100_000);
  });

  const loop = new Tree();
  loop.root.entries.set("loop", loop.root);
  const one = (name: string, node: Parameters<Tree["set"]>[1]): Tree => {
    const tree = new Tree();
    tree.root.entries.set(name, node);
    return tree;
  };
  test.each([
    ["a directory in itself", loop, /same directory/],
    ["a slash in a name", one("a/b", regularFile(noise(1))), /has no "\/"/],
    ["a dot as name", one(".", regularFile(noise(1))), /is not "\."/],
    ["an empty name", one("", regularFile(noise(1))), /1 to 255 bytes, got 0/],
    ["a long name", one("n".repeat(256), regularFile(noise(1))), /1 to 255 bytes, got 256/],
    ["an empty target", one("l", symlink("")), /target of 1 to 4095/],
    ["a long target", one("l", symlink("x".repeat(4096))), /target of 1 to 4095/],
    ["a large device", one("d", device("block-device", 4096, 0)), /major below/],
    ["a strange attribute", one("f", regularFile(noise(1), { xattrs: xattrs({ "btrfs.x": "" }) })), /btrfs\.x of \/f/],
    ["a negative owner", one("f", regularFile(noise(1), { uid: -1 })), /uid of 0 to/],
    ["an owner that is none", one("f", regularFile(noise(1), { gid: 0xffffffff })), /gid of 0 to 4294967294/],
    ["half a second", one("f", regularFile(noise(1), { mtime: 0.5 })), /whole seconds/],
  ])("refuses %s", (_, tree, message) => {
    expect(() => planErofs(tree, options)).toThrow(FormatError);
    expect(() => planErofs(tree, options)).toThrow(message);
  });

  test("refuses a volume name that is too long", () => {
    expect(() => planErofs(new Tree(), { uuid, volumeName: fromText("ü".repeat(8)) })).toThrow(/at most 15 bytes/);
  });
});

describe("reading", () => {
  /** An image of `small()` with fields of its superblock changed and no checksum. */
  const changed = (values: Parameters<typeof layout.Superblock.encode>[0]): Uint8Array => {
    const image = encodeErofs(small(), options);
    layout.Superblock.write(image, layout.SUPER_OFFSET, { feature_compat: 0, ...values });
    return image;
  };

  test.each([
    ["magic", { magic: 1 }, /expected 0xe0f5e1e2, got 0x1 \(magic\) at offset 0x400/],
    ["an unknown feature", { feature_incompat: 0x8000 }, /needs 0x8000/],
    ["48-bit addresses", { feature_incompat: 0x80 }, /needs 48BIT/],
    ["more devices", { feature_incompat: 0x8, extra_devices: 1 }, /1 more devices/],
    ["block size", { blkszbits: 20 }, /2\^20/],
    ["a root that is none", { rootnid_2b: 0xffff }, /inode 65535/],
    ["a wrong checksum", { feature_compat: 1 }, /expected checksum/],
    ["more blocks than there are", { blocks_lo: 1000 }, /whole image/],
  ])("refuses %s by name", (_, values, message) => {
    const image = changed(values);
    expect(() => readBack(image)).toThrow(FormatError);
    expect(() => readBack(image)).toThrow(message);
  });

  test("a directory that holds its parent is refused", () => {
    const tree = new Tree();
    tree.setWithParents("a/b", directory());
    const image = encodeErofs(tree, options);
    const root = layout.Superblock.parse(image, layout.SUPER_OFFSET).rootnid_2b;
    const bytes = Buffer.from(image.buffer);
    // The last entry of /a is b; its dirent is the third one, directly behind the inode.
    const inodeOfA = (root + 3) * layout.INODE_SLOT_BYTES;
    const dirent = inodeOfA + layout.CompactInode.size + 2 * layout.Dirent.size;
    expect(bytes.indexOf("...b", inodeOfA)).toBe(dirent + layout.Dirent.size);
    layout.Dirent.write(image, dirent, { nid: BigInt(root) });
    expect(() => readBack(image)).toThrow(/stands in two places/);
  });

  test.each([
    [0, false],
    [0, true],
    [2, false],
    [2, true],
  ])("chunks of 2^%i blocks with holes, indexes %s", (bits, withIndexes) => {
    const tree = new Tree();
    tree.set("middle", regularFile(sparse(noise(5000), 50_000, noise(9000)), { xattrs: xattrs({ "user.a": "odd" }) }));
    tree.set("start", regularFile(sparse(20_000, noise(10))));
    tree.set("end", regularFile(sparse(noise(10), 20_000)));
    tree.set("all", regularFile(sparse(20_000)));
    tree.set("empty", regularFile(sparse()));
    const image = encodeErofs(tree, { ...options, planFile: chunkPlanner(bits, withIndexes) });
    const read = readBack(image);
    expect(factsOf(read)).toEqual(factsOf(tree));
    expect(readErofs(new MemorySource(image)).superblock.incompat).toBe(layout.FEATURE_INCOMPAT.CHUNKED_FILE);
    const [before, after] = [tree.get("middle"), read.get("middle")];
    if (before?.kind !== "file" || after?.kind !== "file") throw new Error("expected files");
    for (let offset = 0; offset < before.content.size - 3000; offset += 777) {
      const expected = Buffer.from(before.content.read(offset, 3000));
      expect(expected.equals(after.content.read(offset, 3000))).toBe(true);
    }
  });

  test("long prefixes of attribute names", () => {
    const tree = new Tree();
    tree.set("file", regularFile(noise(1), { xattrs: xattrs({ "user.uniquename": "v" }) }));
    const image = encodeErofs(tree, options);
    useLongPrefix(image, "uniquename");
    expect([...(readBack(image).get("file")?.xattrs.keys() ?? [])]).toEqual(["user.long.uniquename"]);
    expect(dumpErofs(new MemorySource(image))).toContain("8  long attribute prefixes");
  });

  test("metadata that overlaps cannot grow beyond the image", () => {
    const tree = new Tree();
    for (let index = 0; index < 100; index++) tree.set(`${index}`, symlink("t".repeat(4090)));
    const image = encodeErofs(tree, options);
    expect(readBack(image).root.entries.size).toBe(100);
    // All targets in one block, and nothing behind it.
    const blocks = image.indexOf("t".charCodeAt(0), 3 * 4096) / 4096 + 1;
    for (let offset = 4096; offset < (blocks - 1) * 4096; offset += layout.INODE_SLOT_BYTES) {
      const { i_size } = layout.CompactInode.parse(image, offset);
      if (i_size === 4090) layout.CompactInode.write(image, offset, { i_u: blocks - 1 });
    }
    layout.Superblock.write(image, layout.SUPER_OFFSET, { feature_compat: 0, blocks_lo: blocks });
    expect(() => readBack(image.slice(0, blocks * 4096))).toThrow(/more than the image's \d+ bytes, it overlaps/);
  });

  test("contents are not copied", () => {
    const image = encodeErofs(small(), options);
    const node = readBack(image).get("plain");
    if (node?.kind !== "file") throw new Error("expected a file");
    expect(node.content.read(0, node.content.size).buffer).toBe(image.buffer);
  });

  test("sockets and fifos keep their kind", () => {
    const tree = new Tree();
    tree.set("s", { kind: "socket", ...metadata(0o700) });
    expect(readBack(encodeErofs(tree, options)).get("s")?.kind).toBe("socket");
  });
});
