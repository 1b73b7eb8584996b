import type { ProgressListener } from "../build/index.ts";
import { type ByteSource, toHex } from "../bytes/index.ts";
import type { DdiTree, DdiVerity } from "../formats/ddi/index.ts";
import { verifyVerity } from "../formats/verity/index.ts";

/** The tree of a DDI with its hashes. */
export type VerifiableTree = DdiTree & { readonly verity: DdiVerity };

/**
 * Reads a tree through its hashes, every block of it.
 * @param rootHash what the top of the hash tree must have
 * @returns what was verified.
 * @throws FormatError that names the first bad block.
 */
export async function verifyTree(
  { designator, data, verity }: VerifiableTree,
  rootHash: Uint8Array,
  progress: ProgressListener,
): Promise<string> {
  const { dataBlocks, dataBlockSize } = verity.info;
  const totalBytes = dataBlocks * dataBlockSize;
  const stage = `verifying ${designator}`;
  await progress(stage);
  let doneBytes = 0;
  const onRead = (bytes: number): void => {
    doneBytes += bytes;
    progress(stage, { doneBytes, totalBytes });
  };
  // The hashes are less than a hundredth of it all, and most of them are read twice: they are not counted.
  verifyVerity(new WatchedSource(data.source, onRead), verity.source, rootHash);
  return `${designator}: ${totalBytes} bytes, all as root hash ${toHex(rootHash)} says`;
}

/** Verity reads block by block in order; the system is asked for this much at a time. */
const READ_AHEAD_BYTES = 1 << 20;

/** A source that says how much was read of it, and reads ahead. */
class WatchedSource implements ByteSource {
  readonly #source: ByteSource;
  readonly #onRead: (bytes: number) => void;
  #ahead = new Uint8Array();
  #aheadOffset = 0;

  constructor(source: ByteSource, onRead: (bytes: number) => void) {
    this.#source = source;
    this.#onRead = onRead;
  }

  get size(): number {
    return this.#source.size;
  }

  read(offset: number, length: number): Uint8Array {
    const start = offset - this.#aheadOffset;
    if (start < 0 || start + length > this.#ahead.length) {
      const bytes = Math.max(length, Math.min(READ_AHEAD_BYTES, this.size - offset));
      this.#ahead = new Uint8Array(this.#source.read(offset, bytes));
      this.#aheadOffset = offset;
    }
    this.#onRead(length);
    return this.#ahead.subarray(offset - this.#aheadOffset, offset - this.#aheadOffset + length);
  }
}
