import type { CompressedPiece } from "../../formats/erofs/index.ts";
import { sendable } from "../threads/index.ts";
import { maxBlockBytes } from "./batch.ts";
import type { BlockStore } from "./block-store.ts";
import type { Compressor } from "./compressor.ts";

/** Small files travel together: a message between threads costs as much as compressing some ten kilobytes. */
const BATCH_BYTES = 1 << 20;

/** A piece of a file that is to be compressed by itself. */
export interface WantedPiece {
  readonly sizeBytes: number;
  /** Whether the file ends with it. */
  readonly isLast: boolean;
  /** Called when it is its turn. */
  read(): Uint8Array;
}

/** What becomes of a piece. */
export interface PieceWork {
  /** Whether it has been handed to the compressor. */
  readonly isBegun: boolean;
  readonly compressed: Promise<CompressedPiece>;
}

/** A piece and who waits for it. Only while it waits for its turn, the content is held on to. */
interface Task {
  readonly wanted: WantedPiece;
  readonly work: { isBegun: boolean; readonly compressed: Promise<CompressedPiece> };
  readonly resolve: (piece: CompressedPiece) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Compresses pieces in batches, as many batches at the same time as the compressor takes. The result depends neither on
 * what stands together in a batch nor on where the store keeps it.
 */
export class BatchWork {
  readonly #compressor: Compressor;
  readonly #store: BlockStore;
  readonly #waiting: Task[][] = [];
  #gathered: Task[] = [];
  #gatheredBytes = 0;
  #running = 0;

  constructor(compressor: Compressor, store: BlockStore) {
    this.#compressor = compressor;
    this.#store = store;
  }

  /** Says how much is going to be compressed, as far as that is known. */
  expect(contentBytes: number): void {
    this.#store.expect(contentBytes);
  }

  /** Says about how much it will be compressed to. */
  expectBlocks(bytes: number): void {
    this.#store.expectBlocks(bytes);
  }

  /** Takes a piece. Its batch may wait for more; see `flush`. */
  add(wanted: WantedPiece): PieceWork {
    const task = newTask(wanted);
    this.#gathered.push(task);
    this.#gatheredBytes += wanted.sizeBytes;
    if (this.#gatheredBytes >= BATCH_BYTES) this.flush();
    return task.work;
  }

  /** Lets the last batch go, however small it is. */
  flush(): void {
    if (this.#gathered.length > 0) this.#waiting.push(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#begin();
  }

  /** Forgets what is not begun: nobody must wait for it. */
  forgetWaiting(): void {
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#waiting.length = 0;
  }

  #begin(): void {
    while (this.#running < this.#compressor.capacity) {
      const batch = this.#waiting.shift();
      if (batch === undefined) return;
      this.#running++;
      void this.#compress(batch).finally(() => {
        this.#running--;
        this.#begin();
      });
    }
  }

  async #compress(batch: readonly Task[]): Promise<void> {
    try {
      for (const { work } of batch) work.isBegun = true;
      const pieces = batch.map(({ wanted }) => ({ bytes: sendable(wanted.read()), isLast: wanted.isLast }));
      const place = this.#store.reserve(batch.reduce((sum, { wanted }) => sum + maxBlockBytes(wanted.sizeBytes), 0));
      const compressed = await this.#compressor.compress({ pieces, place });
      const blocks = this.#store.blocksOf(compressed, place);
      for (const [index, { resolve }] of batch.entries()) {
        const piece = compressed.pieces[index];
        if (piece === undefined) throw new RangeError("A batch came back with fewer pieces");
        resolve({ extents: piece.extents, blocks: blocks[index], tail: piece.tail });
      }
    } catch (cause) {
      for (const { reject } of batch) reject(cause);
    }
  }
}

function newTask(wanted: WantedPiece): Task {
  let resolve: Task["resolve"] = () => undefined;
  let reject: Task["reject"] = () => undefined;
  const compressed = new Promise<CompressedPiece>((onDone, onFailure) => {
    resolve = onDone;
    reject = onFailure;
  });
  // Whoever needs the piece hears of it; of one that turns out not to be needed nobody has to.
  compressed.catch(() => undefined);
  return { wanted, work: { isBegun: false, compressed }, resolve, reject };
}
