import { type ByteString, byteStringFrom, FormatError, hex } from "../../bytes/index.ts";
import {
  INDEX_CHILDMAX,
  INDEX_MAGIC,
  INDEX_NODE_CHILDS,
  INDEX_NODE_MASK,
  INDEX_NODE_PREFIX,
  INDEX_NODE_VALUES,
  INDEX_VERSION_MAJOR,
  IndexHeader,
  IndexNumber,
  VERSION_MAJOR_SHIFT,
} from "./layout.ts";

export const FORMAT = "kmod index";

/** The largest one, modules.alias.bin of a distribution's kernel, has 1.4 MB. */
const MAX_INDEX_BYTES = 64 << 20;
/** Keys are module names and alias patterns; the longest patterns (DMI) have some hundred characters. */
const MAX_KEY_LENGTH = 4096;

/** One value of a key. */
export interface IndexValue {
  /** Lower ones count first: the place of the module in modules.order. */
  readonly priority: number;
  readonly value: ByteString;
}

/** What an index holds for one key; values in the order in which a look-up finds them. */
export interface IndexEntry {
  readonly key: ByteString;
  readonly values: readonly IndexValue[];
}

/** A node's place, what it has, and the characters on the way to it. */
interface PendingNode {
  readonly pointer: number;
  readonly key: ByteString;
}

/**
 * Reads one of depmod's modules.*.bin: all keys in byte order, with their values (kmod, libkmod-index.c).
 * @throws FormatError when the bytes are not an index of version 2, or nodes overlap in a way no trie has.
 */
export function parseKmodIndex(bytes: Uint8Array): IndexEntry[] {
  if (bytes.length > MAX_INDEX_BYTES) {
    throw new FormatError(`Cannot read ${bytes.length} bytes: expected at most ${MAX_INDEX_BYTES}`, { format: FORMAT });
  }
  const header = IndexHeader.parse(bytes);
  if (header.magic !== INDEX_MAGIC) {
    throw new FormatError(`Cannot read the index: expected ${hex(INDEX_MAGIC)}, got ${hex(header.magic)}`, {
      format: FORMAT,
      offset: 0,
      field: "magic",
    });
  }
  const major = header.version >>> VERSION_MAJOR_SHIFT;
  if (major !== INDEX_VERSION_MAJOR) {
    throw new FormatError(`Cannot read the index: expected version ${INDEX_VERSION_MAJOR}, got ${major}`, {
      format: FORMAT,
      field: "version",
    });
  }
  const entries: IndexEntry[] = [];
  // In a trie every node has one parent: a second way to a node would be a circle, or multiply without end.
  const seen = new Set<number>();
  const pending: PendingNode[] = header.root === 0 ? [] : [{ pointer: header.root, key: "" }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const offset = next.pointer & INDEX_NODE_MASK;
    if (seen.has(offset)) {
      throw new FormatError("Cannot read the index: two nodes have the same child", { format: FORMAT, offset });
    }
    seen.add(offset);
    const node = parseNode(bytes, next);
    if (node.values.length > 0) entries.push({ key: node.key, values: node.values });
    pending.push(...node.children.reverse());
  }
  return entries;
}

interface ParsedNode {
  readonly key: ByteString;
  readonly values: IndexValue[];
  /** In the order of their characters. */
  readonly children: PendingNode[];
}

function parseNode(bytes: Uint8Array, { pointer, key: start }: PendingNode): ParsedNode {
  const reader = new NodeReader(bytes, pointer & INDEX_NODE_MASK);
  const key = (pointer & INDEX_NODE_PREFIX) === 0 ? start : start + reader.string();
  if (key.length > MAX_KEY_LENGTH) {
    throw new FormatError(`Cannot read a key of more than ${MAX_KEY_LENGTH} characters`, {
      format: FORMAT,
      offset: reader.offset,
    });
  }
  const children: PendingNode[] = [];
  if ((pointer & INDEX_NODE_CHILDS) !== 0) {
    const [first, last] = [reader.byte(), reader.byte()];
    if (first > last || last >= INDEX_CHILDMAX) {
      throw new FormatError(`Cannot read a node's children: expected ASCII, got ${hex(first)} to ${hex(last)}`, {
        format: FORMAT,
        offset: reader.offset,
      });
    }
    for (let character = first; character <= last; character++) {
      const child = reader.number();
      if (child !== 0) children.push({ pointer: child, key: key + String.fromCharCode(character) });
    }
  }
  const values: IndexValue[] = [];
  if ((pointer & INDEX_NODE_VALUES) !== 0) {
    // Every value takes bytes of its own, so that the count needs no limit but the file's end.
    for (let left = reader.number(); left > 0; left--) {
      values.push({ priority: reader.number(), value: reader.string() });
    }
  }
  return { key, values, children };
}

/** Reads one after the other. Everything throws a FormatError at the end of the file. */
class NodeReader {
  readonly #bytes: Uint8Array;
  offset: number;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.offset = offset;
  }

  byte(): number {
    const value = this.#bytes[this.offset];
    if (value === undefined) throw this.#ended();
    this.offset++;
    return value;
  }

  number(): number {
    const { value } = IndexNumber.parse(this.#bytes, this.offset);
    this.offset += IndexNumber.size;
    return value;
  }

  /** Bytes up to a NUL, which is passed over. */
  string(): ByteString {
    const end = this.#bytes.indexOf(0, this.offset);
    if (end < 0) throw this.#ended();
    const value = byteStringFrom(this.#bytes.subarray(this.offset, end));
    this.offset = end + 1;
    return value;
  }

  #ended(): FormatError {
    return new FormatError("Cannot read a node: the file ends inside of it", { format: FORMAT, offset: this.offset });
  }
}
