import { createHash } from "node:crypto";
import { type ByteSource, checkRange, fromHex } from "../../../src/bytes/index.ts";
import { Ended } from "./ends.ts";
import { KernelFault } from "./errno.ts";

const HASHES_A_BLOCK = 128;
const DIGEST_SIZE = 32;

/** The words of a table line that the simulation understands: sha256, 4096-byte blocks. */
export interface VerityTarget {
  readonly data: ByteSource;
  readonly hash: ByteSource;
  readonly blocks: number;
  readonly hashStart: number;
  readonly rootHash: string;
  readonly salt: string;
  readonly reaction: "error" | "panic" | "restart";
  /** With a signature that was accepted. */
  readonly isSigned: boolean;
}

export const VERITY_BLOCK_SIZE = 4096;

/** Data that is checked, block by block, against a root hash when it is read. Shares no code with lazyrd. */
export class VerityDevice implements ByteSource {
  readonly target: VerityTarget;
  readonly size: number;
  /** For each level, the leaves first: where its blocks begin. */
  readonly #levels: readonly { readonly start: number; readonly blocks: number }[];
  readonly #sound = new Set<string>();

  constructor(target: VerityTarget) {
    this.target = target;
    this.size = target.blocks * VERITY_BLOCK_SIZE;
    const counts: number[] = [];
    for (let below = target.blocks; below > 1; below = counts.at(-1) ?? 0) {
      counts.push(Math.ceil(below / HASHES_A_BLOCK));
    }
    let end = target.hashStart + counts.reduce((sum, blocks) => sum + blocks, 0);
    this.#levels = counts.map((blocks) => {
      end -= blocks;
      return { start: end, blocks };
    });
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, "verity device");
    const first = Math.floor(offset / VERITY_BLOCK_SIZE);
    const last = Math.ceil((offset + length) / VERITY_BLOCK_SIZE);
    for (let block = first; block < last; block++) this.#check(block);
    return this.target.data.read(offset, length);
  }

  #check(block: number): void {
    const { data, hash } = this.target;
    let digest = this.#digest(data, block);
    let index = block;
    for (const [level, { start, blocks }] of this.#levels.entries()) {
      const key = `${level}:${index}`;
      if (this.#sound.has(`${key}:${digest}`)) return;
      const holder = start + Math.floor(index / HASHES_A_BLOCK);
      if (index >= blocks * HASHES_A_BLOCK) throw new Error("The levels of the tree do not fit");
      const expected = read(hash, holder)
        .subarray((index % HASHES_A_BLOCK) * DIGEST_SIZE)
        .subarray(0, DIGEST_SIZE);
      if (Buffer.from(expected).toString("hex") !== digest) this.#corrupted(block);
      digest = this.#digest(hash, holder);
      index = Math.floor(index / HASHES_A_BLOCK);
    }
    if (digest !== this.target.rootHash) this.#corrupted(block);
    this.#remember(block);
  }

  /** The path of a block that was found sound is sound for its neighbours, too. */
  #remember(block: number): void {
    let index = block;
    let digest = this.#digest(this.target.data, block);
    for (const [level, { start }] of this.#levels.entries()) {
      this.#sound.add(`${level}:${index}:${digest}`);
      index = Math.floor(index / HASHES_A_BLOCK);
      digest = this.#digest(this.target.hash, start + index);
    }
  }

  #digest(source: ByteSource, block: number): string {
    return createHash("sha256").update(fromHex(this.target.salt)).update(read(source, block)).digest("hex");
  }

  #corrupted(block: number): never {
    const reason = `dm-verity: data block ${block} is corrupted`;
    if (this.target.reaction === "panic") throw new Ended({ kind: "panic", reason });
    if (this.target.reaction === "restart") throw new Ended({ kind: "reboot" });
    throw new KernelFault("EIO");
  }
}

function read(source: ByteSource, block: number): Uint8Array {
  if ((block + 1) * VERITY_BLOCK_SIZE > source.size) throw new KernelFault("EIO");
  return source.read(block * VERITY_BLOCK_SIZE, VERITY_BLOCK_SIZE);
}
