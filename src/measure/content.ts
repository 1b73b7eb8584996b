import type { ByteSource } from "../bytes/index.ts";
import { regularFile, type Tree } from "../tree/index.ts";

const FOLDER = "usr/share/lazyrd-bench";
const FILE_BYTES = 1 << 20;
/** Of every 64 bytes 40 are noise and 24 the same everywhere: it packs to some two thirds, in short matches, as programs do. */
const PERIOD_WORDS = 16;
const NOISE_WORDS = 10;
const FILLER_WORD = 0x20746578;
const WORD_BYTES = 4;

/**
 * Adds files of 1 MiB to a tree until these hold `bytes`. No boot reads them. The same bytes come of the same size on
 * every machine.
 * @param from what was added already, to another tree: whole files
 */
export function addContent(tree: Tree, bytes: number, from = 0): void {
  for (let start = from; start < from + bytes; start += FILE_BYTES) {
    const content = new Noise(start / WORD_BYTES, Math.min(FILE_BYTES, from + bytes - start));
    tree.setWithParents(`${FOLDER}/${String(start / FILE_BYTES).padStart(5, "0")}`, regularFile(content));
  }
}

/** Bytes in all files of a tree, each counted once. */
export function contentBytesOf(tree: Tree): number {
  const files = new Set([...tree.walk()].map(({ node }) => node));
  return [...files].reduce((sum, node) => sum + (node.kind === "file" ? node.content.size : 0), 0);
}

/** Content that is computed from where it is. */
class Noise implements ByteSource {
  readonly size: number;
  readonly #firstWord: number;

  constructor(firstWord: number, size: number) {
    this.#firstWord = firstWord;
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    const from = Math.floor(offset / WORD_BYTES);
    const words = new Uint32Array(Math.ceil((offset + length) / WORD_BYTES) - from);
    for (let index = 0; index < words.length; index++) {
      const number = this.#firstWord + from + index;
      words[index] = number % PERIOD_WORDS < NOISE_WORDS ? mixed(number) : FILLER_WORD;
    }
    const start = offset - from * WORD_BYTES;
    return new Uint8Array(words.buffer).subarray(start, start + length);
  }
}

/** A number with its bits mixed: the last steps of MurmurHash3. */
function mixed(number: number): number {
  let bits = number;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
