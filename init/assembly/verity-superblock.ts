import * as kernel from "./kernel";
import { because, problem } from "./report";
import { Text, Writer } from "./text";

// struct verity_sb (cryptsetup, lib/verity/verity.c)
const SUPERBLOCK_SIZE: i32 = 512;
const SIGNATURE: u64 = 0x0000797469726576; // "verity\0\0"
const VERSION: usize = 8;
const HASH_TYPE: usize = 12;
const ALGORITHM: usize = 32;
const DATA_BLOCK_SIZE: usize = 64;
const HASH_BLOCK_SIZE: usize = 68;
const DATA_BLOCKS: usize = 72;
const SALT_SIZE: usize = 80;
const SALT: usize = 88;

const BLOCK_SIZE: u32 = 4096;
const LARGEST_SALT: i32 = 256;
/** More bytes than that no device has. */
const MOST_BLOCKS: i64 = i64.MAX_VALUE / 4096;

/** Behind this many bytes the salt may name the version of the image (docs/security.md). */
const VERSION_OFFSET: i32 = 32;
const VERSION_PREFIX: string = "version=";

const superblock = memory.data(SUPERBLOCK_SIZE);
const saltText = new Writer(2 * LARGEST_SALT);

/** Where the tree begins on a device of its own: behind the block with the superblock. */
export const HASH_START: i64 = 1;

/** Reads how the image is hashed from its hash device; whether that is true, the root hash decides. */
export function readVeritySuperblock(device: i32): bool {
  const got = kernel.pread(device, superblock, SUPERBLOCK_SIZE, 0);
  if (got != SUPERBLOCK_SIZE) return because(problem("cannot read the verity superblock"), got < 0 ? got : -kernel.EIO);
  const isKnown =
    load<u64>(superblock) == SIGNATURE &&
    load<u32>(superblock, VERSION) == 1 &&
    load<u32>(superblock, HASH_TYPE) == 1 &&
    hasAlgorithm("sha256") &&
    load<u32>(superblock, DATA_BLOCK_SIZE) == BLOCK_SIZE &&
    load<u32>(superblock, HASH_BLOCK_SIZE) == BLOCK_SIZE;
  if (isKnown && dataBlocks() > 0 && dataBlocks() <= MOST_BLOCKS && saltSize() <= LARGEST_SALT) return true;
  problem("the verity superblock is not one of version 1 with sha256 and blocks of 4096 bytes");
  return false;
}

function hasAlgorithm(name: string): bool {
  for (let i = 0; i < name.length; i++) {
    if (load<u8>(superblock + i, ALGORITHM) != <u8>name.charCodeAt(i)) return false;
  }
  return load<u8>(superblock + name.length, ALGORITHM) == 0;
}

export function dataBlocks(): i64 {
  return load<i64>(superblock, DATA_BLOCKS);
}

function saltSize(): i32 {
  return load<u16>(superblock, SALT_SIZE);
}

/** The salt in hexadecimal digits. */
export function saltDigits(): Text {
  saltText.reset();
  for (let i = 0; i < saltSize(); i++) saltText.hexByte(load<u8>(superblock + i, SALT));
  return saltText.toText();
}

/**
 * The version that the salt names; empty when it names none. True as soon as the root hash is known to be: every hash
 * of the tree, the topmost one too, is one over the salt and a block.
 */
export function imageVersion(): Text {
  const salt = new Text(superblock + SALT, saltSize());
  const start = VERSION_OFFSET + VERSION_PREFIX.length;
  if (salt.length < start || !salt.slice(VERSION_OFFSET, salt.length).startsWith(VERSION_PREFIX)) return new Text(0, 0);
  const padded = salt.slice(start, salt.length);
  const end = padded.indexOf(0);
  return end < 0 ? padded : padded.slice(0, end);
}
