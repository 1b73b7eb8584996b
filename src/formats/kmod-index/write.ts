import {
  type ByteString,
  byteStringBytes,
  compareByteStrings,
  FormatError,
  MemorySink,
  toText,
} from "../../bytes/index.ts";
import {
  INDEX_CHILDMAX,
  INDEX_MAGIC,
  INDEX_NODE_CHILDS,
  INDEX_NODE_MASK,
  INDEX_NODE_PREFIX,
  INDEX_NODE_VALUES,
  INDEX_VERSION_MAJOR,
  INDEX_VERSION_MINOR,
  IndexHeader,
  IndexNumber,
  VERSION_MAJOR_SHIFT,
} from "./layout.ts";
import { FORMAT, type IndexEntry, type IndexValue } from "./read.ts";

const NOT_LOOKED_UP = /[\0\x80-\xff]/;

/** A node of the trie: what all keys below it go on with, the values of the key that ends here, and what follows. */
interface TrieNode {
  readonly prefix: ByteString;
  readonly values: readonly IndexValue[];
  /** By character, in their order. */
  readonly children: readonly (readonly [character: number, child: TrieNode])[];
}

/**
 * The bytes of an index, the same that depmod writes for these keys and values (kmod, tools/depmod.c).
 * @throws FormatError for a key that no index can hold, or that is given twice.
 */
export function encodeKmodIndex(entries: readonly IndexEntry[]): Uint8Array {
  const sorted = [...entries].sort((a, b) => compareByteStrings(a.key, b.key));
  sorted.forEach(({ key, values }, index) => {
    if (NOT_LOOKED_UP.test(key)) throw unusable(key, "only ASCII can be looked up");
    if (values.some(({ value }) => value.includes("\0"))) throw unusable(key, "a value of it has a NUL");
    if (sorted[index + 1]?.key === key) throw unusable(key, "it is there twice");
  });
  const version = (INDEX_VERSION_MAJOR << VERSION_MAJOR_SHIFT) | INDEX_VERSION_MINOR;
  const nodes = new NodeWriter();
  // Of all nodes only the root never has a prefix: depmod makes it before there is a key.
  const root = nodes.write(nodeOf(sorted, 0, 0));
  return Buffer.concat([IndexHeader.encode({ magic: INDEX_MAGIC, version, root }), nodes.bytes()]);
}

function unusable(key: ByteString, why: string): FormatError {
  return new FormatError(`Cannot write the key ${toText(key)}: ${why}`, { format: FORMAT });
}

/** The node for keys that are the same up to `start`; its prefix is theirs up to `end`. */
function nodeOf(sorted: readonly IndexEntry[], start: number, end: number): TrieNode {
  const first = sorted[0];
  const endsHere = first !== undefined && first.key.length === end;
  const children: [number, TrieNode][] = [];
  for (let index = endsHere ? 1 : 0; index < sorted.length; ) {
    const character = sorted[index]?.key.charCodeAt(end) ?? 0;
    let next = index + 1;
    while (sorted[next]?.key.charCodeAt(end) === character) next++;
    const group = sorted.slice(index, next);
    children.push([character, nodeOf(group, end + 1, sharedLength(group))]);
    index = next;
  }
  return { prefix: first?.key.slice(start, end) ?? "", values: endsHere ? first.values : [], children };
}

/** How long what all keys of a sorted list begin with is: the first and the last one differ most. */
function sharedLength(sorted: readonly IndexEntry[]): number {
  const first = sorted[0]?.key ?? "";
  const last = sorted.at(-1)?.key ?? "";
  let length = 0;
  while (length < first.length && first[length] === last[length]) length++;
  return length;
}

/** Children come before their parents, so that every offset is known when it is written. */
class NodeWriter {
  readonly #sink = new MemorySink();
  #offset = IndexHeader.size;

  bytes(): Uint8Array {
    return this.#sink.bytes();
  }

  /** Writes a node and all below it; returns its offset, with what it has. */
  write({ prefix, values, children }: TrieNode): number {
    const [first, last] = [children[0]?.[0] ?? INDEX_CHILDMAX, children.at(-1)?.[0] ?? 0];
    const pointers = new Map(children.map(([character, child]) => [character, this.write(child)]));
    const offset = this.#offset;
    if (offset > INDEX_NODE_MASK) {
      throw new FormatError(`Cannot write the index: it would be larger than ${INDEX_NODE_MASK} bytes`, {
        format: FORMAT,
      });
    }
    let flags = 0;
    if (prefix !== "") {
      flags |= INDEX_NODE_PREFIX;
      this.#string(prefix);
    }
    if (pointers.size > 0) {
      flags |= INDEX_NODE_CHILDS;
      this.#put(Uint8Array.of(first, last));
      for (let character = first; character <= last; character++) this.#number(pointers.get(character) ?? 0);
    }
    if (values.length > 0) {
      flags |= INDEX_NODE_VALUES;
      this.#number(values.length);
      for (const { priority, value } of values) {
        this.#number(priority);
        this.#string(value);
      }
    }
    return (offset | flags) >>> 0;
  }

  #number(value: number): void {
    this.#put(IndexNumber.encode({ value }));
  }

  #string(value: ByteString): void {
    this.#put(byteStringBytes(`${value}\0`));
  }

  #put(bytes: Uint8Array): void {
    this.#sink.write(bytes);
    this.#offset += bytes.length;
  }
}
