import * as kernel from "./kernel";
import { because, problem } from "./report";
import { DIGEST_SIZE, sha256Begin, sha256End, sha256Update } from "./sha256";
import { hexDigit, Text } from "./text";

export const VERITY_BLOCK_SIZE: i32 = 4096;

/** 4096-byte hash blocks of 32-byte digests: 128 digests, 7 bits of the block number a level. */
const DIGESTS_BITS: i64 = 7;
const LARGEST_SALT: i32 = 256;
/** 7 bits a level reach 2^63 blocks. */
const MOST_LEVELS: i32 = 9;

const block = memory.data(VERITY_BLOCK_SIZE);
const expected = memory.data(32);
const computed = memory.data(32);
const salt = memory.data(LARGEST_SALT);

/**
 * Checks the hashes from the root down to the image's first block, which holds the superblock.
 *
 * The kernel will check them again, but its answer to a mismatch is the plan's reaction, a panic; checking first
 * is what lets a wrong image be refused in words, or another one be tried. (Giving the kernel first a table that
 * only fails the read, and then the final one, says the same but waits 40 ms for the exchange of the tables.)
 */
export function firstBlockMatches(data: i32, hash: i32, hashStart: i64, blocks: i64, rootHash: Text, saltText: Text): bool {
  const saltLength = saltText.length >> 1;
  if (rootHash.length != 2 * DIGEST_SIZE || saltLength > LARGEST_SALT || !fromHex(rootHash, expected) || !fromHex(saltText, salt)) {
    problem("the plan's root hash or salt is not of the form that sha256 needs");
    return false;
  }
  let levels = 0;
  while (levels < MOST_LEVELS && (blocks - 1) >> (DIGESTS_BITS * levels) != 0) levels++;
  let position = hashStart;
  for (let level = levels - 1; level >= 0; level--) {
    if (!blockMatches(hash, position, saltLength, rootHash)) return false;
    memory.copy(expected, block, DIGEST_SIZE);
    const shift = DIGESTS_BITS * (level + 1);
    position += ((blocks - 1) >> shift) + 1;
  }
  return blockMatches(data, 0, saltLength, rootHash);
}

/** Reads block `number` into `block` and compares its salted hash with `expected`. */
function blockMatches(device: i32, number: i64, saltLength: i32, rootHash: Text): bool {
  const got = kernel.pread(device, block, VERITY_BLOCK_SIZE, number * VERITY_BLOCK_SIZE);
  if (got != VERITY_BLOCK_SIZE) {
    return because(problem("cannot read block ").number(number).literal(" of the image"), got < 0 ? got : -kernel.EIO);
  }
  sha256Begin();
  sha256Update(salt, saltLength);
  sha256Update(block, VERITY_BLOCK_SIZE);
  sha256End(computed);
  if (memory.compare(computed, expected, DIGEST_SIZE) == 0) return true;
  problem("the image is not the one with the root hash ").text(rootHash).literal(": it was damaged or exchanged");
  return false;
}

function fromHex(text: Text, output: usize): bool {
  if ((text.length & 1) != 0) return false;
  for (let i = 0; i < text.length; i++) {
    const value = hexDigit(text.at(i));
    if (value < 0) return false;
    const place = output + (i >> 1);
    store<u8>(place, (i & 1) == 0 ? value << 4 : load<u8>(place) | value);
  }
  return true;
}
