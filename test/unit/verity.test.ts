import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { FormatError, MemorySource, toHex, UsageError } from "../../src/bytes/index.ts";
import {
  dumpVerity,
  hashBlocks,
  parseVeritySuperblock,
  planVerity,
  readVerityRootHash,
  VerityHasher,
  type VerityParameters,
  VeritySuperblock,
  type VerityTree,
  verifyVerity,
  verityHashAreaSize,
  verityTableParams,
  verityTargetSectors,
} from "../../src/formats/verity/index.ts";

const BLOCK = 4096;
const SALT = Uint8Array.from({ length: 32 }, (_, index) => index);
const UUID = "145abf5b-6a0f-4ed6-a9fb-0123456789ab";
/** Around the limits between none, one, two and three levels of 128 digests a block. */
const BLOCK_COUNTS = [1, 2, 127, 128, 129, 16384, 16385];

/** Data in which no two blocks are alike. */
function dataOf(blocks: number, blockSize = BLOCK): Uint8Array {
  const data = new Uint8Array(blocks * blockSize);
  const view = new DataView(data.buffer);
  for (let block = 0; block < blocks; block++) {
    view.setUint32(block * blockSize, block + 1);
    view.setUint8((block + 1) * blockSize - 1, 0xff);
  }
  return data;
}

function treeOver(data: Uint8Array, parameters: Partial<VerityParameters> = {}): VerityTree {
  const hasher = new VerityHasher({ salt: SALT, uuid: UUID, ...parameters });
  hasher.write(data);
  return hasher.finish();
}

/** The tree as the kernel's documentation describes it, with nothing of the code under test. */
function referenceTree(data: Uint8Array, salt: Uint8Array, algorithm = "sha256"): { root: string; levels: Buffer[] } {
  const digests = (input: Uint8Array) => {
    const parts: Buffer[] = [];
    for (let at = 0; at < input.length; at += BLOCK) {
      parts.push(
        createHash(algorithm)
          .update(salt)
          .update(input.subarray(at, at + BLOCK))
          .digest(),
      );
    }
    return Buffer.concat(parts);
  };
  const digestSize = createHash(algorithm).digest().length;
  const levels: Buffer[] = [];
  let current = digests(data);
  while (current.length > digestSize) {
    const level = Buffer.concat([current], Math.ceil(current.length / BLOCK) * BLOCK);
    levels.unshift(level);
    current = digests(level);
  }
  return { root: current.toString("hex"), levels };
}

function faultOf(action: () => unknown): FormatError {
  try {
    action();
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
  throw new Error("Expected a FormatError");
}

describe("the tree", () => {
  test.each(BLOCK_COUNTS)("over %i blocks is the one that the documentation describes", (blocks) => {
    const data = dataOf(blocks);
    const tree = treeOver(data);
    const reference = referenceTree(data, SALT);
    expect(toHex(tree.rootHash)).toBe(reference.root);
    expect(Buffer.from(tree.hashArea.subarray(BLOCK)).equals(Buffer.concat(reference.levels))).toBe(true);
    expect(tree.hashArea.length).toBe(verityHashAreaSize(blocks));
    expect(tree.dataBlocks).toBe(blocks);
  });

  test("with SHA-512 has 64 digests a block", () => {
    const data = dataOf(65);
    const tree = treeOver(data, { algorithm: "sha512" });
    const reference = referenceTree(data, SALT, "sha512");
    expect(toHex(tree.rootHash)).toBe(reference.root);
    expect(reference.levels.map((level) => level.length / BLOCK)).toEqual([1, 2]);
    expect(Buffer.from(tree.hashArea.subarray(BLOCK)).equals(Buffer.concat(reference.levels))).toBe(true);
  });

  test("is pinned", () => {
    const { rootHash, hashArea } = treeOver(dataOf(129));
    expect(toHex(rootHash)).toMatchInlineSnapshot(`"951cd7d62590a709b3ca80b15d50835e628a82b783fa1f821aa021a80e0548ba"`);
    expect(createHash("sha256").update(hashArea).digest("hex")).toMatchInlineSnapshot(
      `"91ee90d11fe6df321fa659a7cf8e6ca2ff568331fd83ef5fe4da4d73ef641b5f"`,
    );
  });

  test("may have no salt, and one of 256 bytes, but not of 257", () => {
    const data = dataOf(3);
    for (const size of [0, 256]) {
      const salt = new Uint8Array(size).fill(7);
      expect(toHex(treeOver(data, { salt }).rootHash)).toBe(referenceTree(data, salt).root);
    }
    expect(faultOf(() => treeOver(data, { salt: new Uint8Array(257) })).field).toBe("salt_size");
  });

  test("does not depend on the pieces in which the data arrives", () => {
    const data = dataOf(130);
    const expected = treeOver(data);
    for (const piece of [1000, BLOCK - 1, BLOCK, BLOCK + 1, 100_000]) {
      const hasher = new VerityHasher({ salt: SALT, uuid: UUID });
      for (let at = 0; at < data.length; at += piece) hasher.write(data.subarray(at, at + piece));
      expect(hasher.finish()).toEqual(expected);
    }
  });

  test("can be built from digests that were made elsewhere, as worker threads do", () => {
    const data = dataOf(300);
    const hasher = new VerityHasher({ salt: SALT, uuid: UUID });
    const part = (from: number, to: number) => data.subarray(from * BLOCK, to * BLOCK);
    const digests = (from: number, to: number) =>
      hashBlocks(part(from, to), { algorithm: "sha256", salt: SALT, blockSize: BLOCK });
    hasher.appendDigests(digests(0, 100));
    hasher.write(part(100, 150));
    hasher.appendDigests(digests(150, 300));
    expect(hasher.finish()).toEqual(treeOver(data));
  });
});

describe("the hasher refuses", () => {
  test("no data", () => {
    expect(() => new VerityHasher({ salt: SALT, uuid: UUID }).finish()).toThrow(FormatError);
    expect(() => verityHashAreaSize(0)).toThrow(FormatError);
  });

  test("data that ends within a block", () => {
    const hasher = new VerityHasher({ salt: SALT, uuid: UUID });
    hasher.write(new Uint8Array(BLOCK + 5));
    const fault = faultOf(() => hasher.finish());
    expect(fault.message).toContain("after 5 bytes of a block");
    expect(fault.offset).toBe(BLOCK);
    expect(() => hasher.appendDigests(new Uint8Array(32))).toThrow(FormatError);
  });

  test("digests that are cut", () => {
    expect(() => new VerityHasher({ salt: SALT, uuid: UUID }).appendDigests(new Uint8Array(33))).toThrow(FormatError);
    expect(() => hashBlocks(new Uint8Array(5), { algorithm: "sha256", salt: SALT, blockSize: BLOCK })).toThrow(
      FormatError,
    );
  });

  test("block sizes that dm-verity does not have", () => {
    for (const dataBlockSize of [0, 256, 1000, 4097, 1 << 20]) {
      expect(() => new VerityHasher({ salt: SALT, uuid: UUID, dataBlockSize })).toThrow(FormatError);
    }
  });

  test("to go on after its end", () => {
    const hasher = new VerityHasher({ salt: SALT, uuid: UUID });
    hasher.write(dataOf(1));
    hasher.finish();
    expect(() => hasher.write(dataOf(1))).toThrow("finished");
    expect(() => hasher.finish()).toThrow("finished");
  });
});

describe("the superblock", () => {
  const { hashArea } = treeOver(dataOf(2));

  test("has the size of struct verity_sb", () => {
    expect(VeritySuperblock.size).toBe(512);
  });

  test("gives back what was written", () => {
    expect(parseVeritySuperblock(hashArea)).toEqual({
      algorithm: "sha256",
      dataBlockSize: BLOCK,
      hashBlockSize: BLOCK,
      uuid: UUID,
      salt: SALT,
      dataBlocks: 2,
      geometry: planVerity(2),
    });
  });

  test("is refused at every length that is too short", () => {
    for (let length = 0; length < VeritySuperblock.size; length++) {
      expect(() => parseVeritySuperblock(hashArea.subarray(0, length))).toThrow(FormatError);
    }
  });

  test.each([
    ["signature", { signature: new Uint8Array(8) }],
    ["version", { version: 2 }],
    ["hash_type", { hash_type: 0 }],
    ["hash_type", { hash_type: 9 }],
    ["algorithm", { algorithm: "md5" }],
    ["algorithm", { algorithm: "toString" }],
    ["data_block_size", { data_block_size: 0 }],
    ["hash_block_size", { hash_block_size: 3000 }],
    ["data_blocks", { data_blocks: 0n }],
    ["data_blocks", { data_blocks: 0xffffffffffffffffn }],
    ["data_blocks", { data_blocks: 1n << 50n }],
    ["salt_size", { salt_size: 257 }],
  ])("with a wrong %s is refused by name", (field, values) => {
    const changed = hashArea.slice();
    VeritySuperblock.write(changed, 0, values);
    expect(faultOf(() => parseVeritySuperblock(changed)).field).toBe(field);
  });
});

describe("verification", () => {
  const data = dataOf(129);
  const tree = treeOver(data);

  function verify(changedData: Uint8Array, changedHash: Uint8Array, rootHash = tree.rootHash) {
    return verifyVerity(new MemorySource(changedData), new MemorySource(changedHash), rootHash);
  }
  function flipped(bytes: Uint8Array, at: number): Uint8Array {
    const copy = bytes.slice();
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  }

  test.each(BLOCK_COUNTS)("accepts what the hasher made of %i blocks", (blocks) => {
    const whole = dataOf(blocks);
    const { hashArea, rootHash } = treeOver(whole);
    expect(verify(whole, hashArea, rootHash).dataBlocks).toBe(blocks);
    expect(readVerityRootHash(new MemorySource(whole), new MemorySource(hashArea))).toEqual(rootHash);
  });

  test("names the data block and its offset", () => {
    const fault = faultOf(() => verify(flipped(data, 128 * BLOCK + 7), tree.hashArea));
    expect(fault.message).toMatch(
      /^verity: Cannot verify data block 128: expected 0x[0-9a-f]{64}, got 0x[0-9a-f]{64} at/,
    );
    expect(fault.offset).toBe(128 * BLOCK);
  });

  test("names the hash block, its level and its offset", () => {
    const fault = faultOf(() => verify(data, flipped(tree.hashArea, 3 * BLOCK)));
    expect(fault.message).toContain("Cannot verify hash block of level 0 1:");
    expect(fault.offset).toBe(3 * BLOCK);
    expect(faultOf(() => verify(data, flipped(tree.hashArea, BLOCK))).message).toContain("hash block of level 1 0:");
  });

  test("sees a wrong root hash and a changed salt", () => {
    expect(() => verify(data, tree.hashArea, flipped(tree.rootHash, 0))).toThrow(FormatError);
    expect(() => verify(data, tree.hashArea, tree.rootHash.subarray(0, 31))).toThrow(FormatError);
    expect(() => verify(data, tree.hashArea, new Uint8Array())).toThrow(FormatError);
    expect(() => verify(data, flipped(tree.hashArea, VeritySuperblock.fields.salt.offset))).toThrow(FormatError);
  });

  test("sees a superblock that hides the last blocks", () => {
    const small = dataOf(5);
    const { hashArea, rootHash } = treeOver(small);
    VeritySuperblock.write(hashArea, 0, { data_blocks: 4n });
    const fault = faultOf(() => verify(small, hashArea, rootHash));
    expect(fault.field).toBe("data_blocks");
    expect(fault.message).toContain("more digests than there are data blocks");
  });

  test("refuses data and trees that are too short, at every length", () => {
    const small = dataOf(2);
    const { hashArea, rootHash } = treeOver(small);
    for (let length = 0; length < hashArea.length; length++) {
      expect(() => verify(small, hashArea.subarray(0, length), rootHash)).toThrow(FormatError);
      expect(() => verify(small.subarray(0, length), hashArea, rootHash)).toThrow(FormatError);
    }
  });

  test("does not look behind data and tree", () => {
    const longer = (bytes: Uint8Array) => Uint8Array.from([...bytes, 1, 2, 3]);
    const small = dataOf(2);
    const { hashArea, rootHash } = treeOver(small);
    expect(() => verify(longer(small), longer(hashArea), rootHash)).not.toThrow();
  });
});

describe("the table line", () => {
  const tree = treeOver(dataOf(3));
  const devices = { dataDevice: "/dev/vda1", hashDevice: "254:2" };

  test("has the kernel's words in the kernel's order", () => {
    expect(verityTableParams({ ...tree, ...devices })).toBe(
      `1 /dev/vda1 254:2 4096 4096 3 1 sha256 ${toHex(tree.rootHash)} ${toHex(SALT)}`,
    );
    expect(verityTargetSectors(tree)).toBe(24);
  });

  test("writes an empty salt as a dash and counts the words of its options", () => {
    const line = verityTableParams(
      { ...tree, ...devices, salt: new Uint8Array(), hashStartBlock: 0 },
      {
        onCorruption: "panic",
        onError: "restart",
        ignoreZeroBlocks: true,
        checkAtMostOnce: true,
        tryVerifyInTasklet: true,
        rootHashSigKeyDesc: "lazyrd:root",
      },
    );
    expect(line.split(" ").slice(6)).toEqual([
      "0",
      "sha256",
      toHex(tree.rootHash),
      "-",
      "7",
      "panic_on_corruption",
      "restart_on_error",
      "ignore_zero_blocks",
      "check_at_most_once",
      "try_verify_in_tasklet",
      "root_hash_sig_key_desc",
      "lazyrd:root",
    ]);
  });

  test("cannot be given words in place of one", () => {
    expect(() => verityTableParams({ ...tree, ...devices, dataDevice: "/dev/a b" })).toThrow(UsageError);
    expect(() => verityTableParams({ ...tree, ...devices }, { rootHashSigKeyDesc: "" })).toThrow(UsageError);
  });
});

test("the dump accounts for every byte", () => {
  const { hashArea } = treeOver(dataOf(129));
  const source = new MemorySource(Uint8Array.from([...hashArea, 0]));
  expect(`\n${dumpVerity(source)}`).toMatchInlineSnapshot(`
    "
    dm-verity hash area
      algorithm        sha256
      uuid             145abf5b-6a0f-4ed6-a9fb-0123456789ab
      data             129 blocks of 4096 bytes
      hash block size  4096
      salt             000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
               0x0..0x200        superblock
             0x200..0x1000       padding
            0x1000..0x2000       level 1: 1 hash blocks, 2 digests
            0x2000..0x4000       level 0: 2 hash blocks, 129 digests
            0x4000..0x4001       after the tree
    "
  `);
});
