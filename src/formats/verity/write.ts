import { Buffer } from "node:buffer";
import { alignUp, type ByteSink, FormatError, type Guid, guidToTextOrder } from "../../bytes/index.ts";
import { type BlockSizes, checkBlockSize, checkSaltSize, DEFAULT_BLOCK_SIZES, planVerity } from "./geometry.ts";
import { asBuffer, BlockHasher, hashBlocks } from "./hash-blocks.ts";
import { FORMAT, HASH_TYPE_NORMAL, VERITY_SIGNATURE, VERITY_VERSION, VeritySuperblock } from "./layout.ts";

/** Everything about a tree but its digests. Salt and UUID come from the caller: derive them from content. */
export interface VerityParameters extends BlockSizes {
  /** 0 to 256 bytes, put before every block that is hashed. */
  readonly salt: Uint8Array;
  readonly uuid: Guid;
}

/** A finished tree. */
export interface VerityTree extends VerityParameters {
  /** What the kernel is told, and all that needs to be authenticated. */
  readonly rootHash: Uint8Array;
  readonly dataBlocks: number;
  /** Superblock and tree: the content of the hash partition or file. */
  readonly hashArea: Uint8Array;
}

/**
 * Builds the hash tree over data that streams through it, in pieces of any size. Memory: the tree, 1/127 of the data.
 *
 * Seam for worker threads: hash shares of the data with `hashBlocks` elsewhere and hand the digests over in order with
 * `appendDigests` instead of writing the data.
 */
export class VerityHasher implements ByteSink {
  readonly #parameters: VerityParameters;
  readonly #hasher: BlockHasher;
  /** Level 0 as it grows: full hash blocks and one that is being filled, zero where nothing stands yet. */
  readonly #leaves: Buffer[] = [];
  #leafEnd: number;
  #dataBlocks = 0;
  #pendingBytes = 0;
  #finished = false;

  /** @throws FormatError when the salt is too long or a block size is not one dm-verity has. */
  constructor(parameters: Partial<BlockSizes> & { salt: Uint8Array; uuid: Guid }) {
    this.#parameters = { ...DEFAULT_BLOCK_SIZES, ...parameters };
    const { algorithm, salt, dataBlockSize, hashBlockSize } = this.#parameters;
    checkSaltSize(salt.length);
    checkBlockSize("data_block_size", dataBlockSize);
    checkBlockSize("hash_block_size", hashBlockSize);
    this.#hasher = new BlockHasher(algorithm, salt, dataBlockSize);
    this.#leafEnd = hashBlockSize;
  }

  write(bytes: Uint8Array): void {
    this.#checkOpen();
    const { dataBlockSize } = this.#parameters;
    const input = asBuffer(bytes);
    for (let at = 0; at < input.length; ) {
      const end = Math.min(input.length, at + dataBlockSize - this.#pendingBytes);
      this.#hasher.fill(input, at, end, this.#pendingBytes);
      this.#pendingBytes += end - at;
      at = end;
      if (this.#pendingBytes === dataBlockSize) this.#endBlock();
    }
  }

  /**
   * Takes the digests of the next data blocks as `hashBlocks` returned them.
   * @throws FormatError when written data ended within a block, or `digests` does.
   */
  appendDigests(digests: Uint8Array): void {
    this.#checkOpen();
    this.#checkBlockBoundary();
    const { digestSize } = this.#hasher;
    if (digests.length % digestSize !== 0) {
      throw new FormatError(`Cannot append ${digests.length} bytes of digests: expected a multiple of ${digestSize}`, {
        format: FORMAT,
      });
    }
    const input = asBuffer(digests);
    for (let at = 0; at < input.length; at += digestSize) {
      const leaf = this.#leafWithRoom();
      input.copy(leaf, this.#leafEnd, at, at + digestSize);
      this.#countBlock();
    }
  }

  /**
   * The tree over all that was written.
   * @throws FormatError when that was nothing, or not a whole number of blocks.
   */
  finish(): VerityTree {
    this.#checkOpen();
    this.#checkBlockBoundary();
    if (this.#dataBlocks === 0) {
      throw new FormatError("Cannot build a tree over no data: dm-verity needs at least one block", { format: FORMAT });
    }
    this.#finished = true;
    const { algorithm, salt, hashBlockSize } = this.#parameters;
    const geometry = planVerity(this.#dataBlocks, this.#parameters);
    const hashArea = new Uint8Array(geometry.hashAreaSize);
    hashArea.set(encodeVeritySuperblock({ ...this.#parameters, dataBlocks: this.#dataBlocks }));
    let digests: Buffer = Buffer.concat(this.#leaves);
    for (const { offset } of [...geometry.levels].reverse()) {
      hashArea.set(digests, offset);
      const above = hashBlocks(digests, { algorithm, salt, blockSize: hashBlockSize });
      digests = Buffer.concat([above], alignUp(above.length, hashBlockSize));
    }
    // What is left is the digest of the top block or, without any level, of the only data block.
    const rootHash = Uint8Array.from(digests.subarray(0, geometry.digestSize));
    return { ...this.#parameters, rootHash, dataBlocks: this.#dataBlocks, hashArea };
  }

  #endBlock(): void {
    this.#hasher.digestInto(this.#leafWithRoom(), this.#leafEnd);
    this.#pendingBytes = 0;
    this.#countBlock();
  }

  #countBlock(): void {
    this.#leafEnd += this.#hasher.digestSize;
    this.#dataBlocks++;
  }

  #leafWithRoom(): Buffer {
    const { hashBlockSize } = this.#parameters;
    const last = this.#leaves.at(-1);
    if (last !== undefined && this.#leafEnd < hashBlockSize) return last;
    const leaf = Buffer.alloc(hashBlockSize);
    this.#leaves.push(leaf);
    this.#leafEnd = 0;
    return leaf;
  }

  #checkOpen(): void {
    if (this.#finished) throw new Error("VerityHasher is finished: make a new one");
  }

  #checkBlockBoundary(): void {
    if (this.#pendingBytes === 0) return;
    throw new FormatError(
      `Cannot end the data after ${this.#pendingBytes} bytes of a block: pad it to ${this.#parameters.dataBlockSize}`,
      { format: FORMAT, offset: this.#dataBlocks * this.#parameters.dataBlockSize },
    );
  }
}

/** The superblock's 512 bytes; the rest of its hash block is zero. */
export function encodeVeritySuperblock(parameters: VerityParameters & { dataBlocks: number }): Uint8Array {
  return VeritySuperblock.encode({
    signature: Buffer.from(VERITY_SIGNATURE, "latin1"),
    version: VERITY_VERSION,
    hash_type: HASH_TYPE_NORMAL,
    uuid: guidToTextOrder(parameters.uuid),
    algorithm: parameters.algorithm,
    data_block_size: parameters.dataBlockSize,
    hash_block_size: parameters.hashBlockSize,
    data_blocks: BigInt(parameters.dataBlocks),
    salt_size: parameters.salt.length,
    salt: parameters.salt,
  });
}
