import { divideUp, FormatError, isPowerOfTwo } from "../../bytes/index.ts";
import {
  DEFAULT_BLOCK_SIZE,
  DIGEST_SIZES,
  FORMAT,
  MAX_BLOCK_SIZE,
  MAX_SALT_SIZE,
  MIN_BLOCK_SIZE,
  type VerityAlgorithm,
  VeritySuperblock,
} from "./layout.ts";

/** What has an influence on where things stand in the hash area. Sizes in bytes. */
export interface BlockSizes {
  readonly algorithm: VerityAlgorithm;
  readonly dataBlockSize: number;
  readonly hashBlockSize: number;
}

export const DEFAULT_BLOCK_SIZES: BlockSizes = {
  algorithm: "sha256",
  dataBlockSize: DEFAULT_BLOCK_SIZE,
  hashBlockSize: DEFAULT_BLOCK_SIZE,
};

/** One level of the tree: level 0 holds the digests of the data blocks. */
export interface VerityLevel {
  readonly level: number;
  /** Digests in this level: the number of blocks of what is below. */
  readonly digests: number;
  /** Hash blocks in this level. */
  readonly blocks: number;
  /** Bytes from the start of the hash area, superblock included. */
  readonly offset: number;
}

/** Where everything stands in a hash area. */
export interface VerityGeometry {
  readonly digestSize: number;
  readonly digestsPerBlock: number;
  /** In the order of the disk: the top level, one block, comes first. Empty when there is only one data block. */
  readonly levels: readonly VerityLevel[];
  /** The first hash block after the superblock, counted in hash blocks from the start of the hash area. */
  readonly hashStartBlock: number;
  /** Bytes of superblock and tree. */
  readonly hashAreaSize: number;
}

/**
 * Where the levels of the tree over `dataBlocks` blocks stand.
 * @throws FormatError when there are no data blocks or a size is not one dm-verity has.
 */
export function planVerity(dataBlocks: number, sizes: BlockSizes = DEFAULT_BLOCK_SIZES): VerityGeometry {
  checkBlockSize("data_block_size", sizes.dataBlockSize);
  checkBlockSize("hash_block_size", sizes.hashBlockSize);
  if (dataBlocks < 1 || !Number.isSafeInteger(dataBlocks * sizes.dataBlockSize)) {
    throw new FormatError(
      `Cannot lay out a tree over ${dataBlocks} data blocks: expected at least one, below 2^53 bytes`,
      {
        format: FORMAT,
        field: "data_blocks",
      },
    );
  }
  const digestSize = DIGEST_SIZES[sizes.algorithm];
  const digestsPerBlock = sizes.hashBlockSize / digestSize;
  // Every level is smaller than the one below by a factor of at least 8 (512 / 64), so this ends within 18 rounds.
  const bottomUp: { digests: number; blocks: number }[] = [];
  for (let digests = dataBlocks; digests > 1; ) {
    const blocks = divideUp(digests, digestsPerBlock);
    bottomUp.push({ digests, blocks });
    digests = blocks;
  }
  const hashStartBlock = divideUp(VeritySuperblock.size, sizes.hashBlockSize);
  let offset = hashStartBlock * sizes.hashBlockSize;
  const levels = bottomUp.reverse().map(({ digests, blocks }, index) => {
    const level = { level: bottomUp.length - 1 - index, digests, blocks, offset };
    offset += blocks * sizes.hashBlockSize;
    return level;
  });
  return { digestSize, digestsPerBlock, levels, hashStartBlock, hashAreaSize: offset };
}

/** Bytes of superblock and tree over `dataBlocks` blocks: the size of a hash partition or file. */
export function verityHashAreaSize(dataBlocks: number, sizes: BlockSizes = DEFAULT_BLOCK_SIZES): number {
  return planVerity(dataBlocks, sizes).hashAreaSize;
}

/** @throws FormatError unless `size` is a power of two that dm-verity's tools accept. */
export function checkBlockSize(field: string, size: number): void {
  if (!isPowerOfTwo(size) || size < MIN_BLOCK_SIZE || size > MAX_BLOCK_SIZE) {
    throw new FormatError(
      `Cannot use blocks of ${size} bytes: expected a power of two from ${MIN_BLOCK_SIZE} to ${MAX_BLOCK_SIZE}`,
      { format: FORMAT, field },
    );
  }
}

/** @throws FormatError when the salt does not fit its field. */
export function checkSaltSize(size: number): void {
  if (size > MAX_SALT_SIZE) {
    throw new FormatError(`Cannot use a salt of ${size} bytes: expected at most ${MAX_SALT_SIZE}`, {
      format: FORMAT,
      field: "salt_size",
    });
  }
}
