import { type ByteSource, MemorySource, SubSource } from "../../bytes/index.ts";
import type { ScratchFile } from "../../host/index.ts";
import type { CompressedBatch } from "./batch.ts";

/** Most initrds stay below it; larger ones must not need memory twice. */
const MEMORY_BUDGET_BYTES = 96 << 20;
/** No compressor makes an initrd this many times smaller: what would not fit then is not held at all. */
const HOPELESS_RATIO = 4;

/**
 * Where compressed blocks wait until all sizes are known and the image can be laid out: in memory as long as there are
 * few, then in a scratch file, which threads write to. Of large initrds all of them go there at once.
 */
export class BlockStore {
  readonly #openScratch: (() => ScratchFile) | undefined;
  #budgetBytes: number;
  #scratch: ScratchFile | undefined;
  #scratchEnd = 0;
  #heldBytes = 0;

  /** @param openScratch without it, everything stays in memory. */
  constructor(openScratch?: () => ScratchFile, budgetBytes = MEMORY_BUDGET_BYTES) {
    this.#openScratch = openScratch;
    this.#budgetBytes = budgetBytes;
  }

  /** Says how much is going to be compressed. */
  expect(contentBytes: number): void {
    this.expectBlocks(contentBytes / HOPELESS_RATIO);
  }

  /** Says how much that will be at least. */
  expectBlocks(bytes: number): void {
    if (bytes > this.#budgetBytes) this.#budgetBytes = 0;
  }

  /** A place in the scratch file for up to `mostBytes`, or undefined while there is memory. */
  reserve(mostBytes: number): { readonly descriptor: number; readonly offset: number } | undefined {
    if (this.#openScratch === undefined || this.#heldBytes < this.#budgetBytes) return undefined;
    this.#scratch ??= this.#openScratch();
    const offset = this.#scratchEnd;
    this.#scratchEnd += mostBytes;
    return { descriptor: this.#scratch.descriptor, offset };
  }

  /** The blocks of each piece of a batch, which was compressed to where `reserve` said. */
  blocksOf(
    { pieces, blocks }: CompressedBatch,
    place: { readonly offset: number } | undefined,
  ): (ByteSource | undefined)[] {
    this.#heldBytes += blocks?.length ?? 0;
    let offset = place?.offset ?? 0;
    return pieces.map(({ blockBytes }) => {
      if (blockBytes === undefined) return undefined;
      const start = offset;
      offset += blockBytes;
      if (blocks !== undefined) return new MemorySource(blocks.subarray(start, offset));
      if (this.#scratch === undefined)
        throw new RangeError("A batch without blocks, but nothing was reserved for them");
      return new SubSource(this.#scratch.source, start, blockBytes);
    });
  }

  close(): void {
    this.#scratch?.close();
    this.#scratch = undefined;
  }
}
