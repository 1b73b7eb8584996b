import { divideUp } from "../../bytes/index.ts";
import { INODE_SLOT_BYTES } from "./layout.ts";

/**
 * Places inodes with what follows them (attributes, maps, tails). One that fits into a block never leaves it; each goes
 * into the block where it leaves the least room, among equals into the newest, so that tails of all lengths waste little
 * and inodes that were placed together stay close. A larger one starts a block of its own.
 */
export class InodeArea {
  readonly #blockBytes: number;
  readonly #slotsPerBlock: number;
  /** Blocks with room, by the number of free slots; those are always at the block's end. */
  readonly #open: number[][];
  /** The first block behind the area. */
  endBlock: number;

  constructor(firstBlock: number, blockBytes: number) {
    this.#blockBytes = blockBytes;
    this.#slotsPerBlock = blockBytes / INODE_SLOT_BYTES;
    this.#open = Array.from({ length: this.#slotsPerBlock + 1 }, () => []);
    this.endBlock = firstBlock;
  }

  /** The offset in the image for `bytes` bytes. */
  place(bytes: number): number {
    const slots = divideUp(bytes, INODE_SLOT_BYTES);
    for (let free = slots; free <= this.#slotsPerBlock; free++) {
      const block = this.#open[free]?.pop();
      if (block === undefined) continue;
      this.#keep(block, free - slots);
      return (block + 1) * this.#blockBytes - free * INODE_SLOT_BYTES;
    }
    const start = this.endBlock;
    this.endBlock += divideUp(slots, this.#slotsPerBlock);
    this.#keep(this.endBlock - 1, (this.endBlock - start) * this.#slotsPerBlock - slots);
    return start * this.#blockBytes;
  }

  #keep(block: number, freeSlots: number): void {
    if (freeSlots > 0) this.#open[freeSlots]?.push(block);
  }
}
