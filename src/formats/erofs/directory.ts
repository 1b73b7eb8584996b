import { type ByteSource, type ByteString, compareByteStrings, FormatError, hex, toText } from "../../bytes/index.ts";
import { Dirent, FORMAT, NAME_MAX_BYTES } from "./layout.ts";

/** An entry as a directory block holds it; "." and ".." are ordinary entries. */
export interface DirectoryEntry {
  readonly name: ByteString;
  readonly nid: number;
  readonly fileType: number;
}

/** What decides the size of a directory, before any nid is known. */
export interface NamedEntry {
  readonly name: ByteString;
}

/**
 * The content of a directory as a source: blocks are encoded when they are read, so that a directory of any size costs
 * the writer one block of memory. Entries are in strict byte order, across all blocks: the kernel searches by halves.
 */
export class DirectoryContent<E extends NamedEntry> implements ByteSource {
  readonly size: number;
  readonly #blockBytes: number;
  readonly #entries: readonly E[];
  /** Index of the first entry of each block. */
  readonly #starts: readonly number[];
  readonly #resolve: (entry: E) => DirectoryEntry;

  /** `resolve` is not called before the first read, when nids are known. */
  constructor(entries: readonly E[], blockBytes: number, resolve: (entry: E) => DirectoryEntry) {
    const sorted = [...entries].sort((a, b) => compareByteStrings(a.name, b.name));
    const starts = [0];
    let used = 0;
    for (const [index, entry] of sorted.entries()) {
      const needed = Dirent.size + entry.name.length;
      if (used + needed > blockBytes) {
        starts.push(index);
        used = 0;
      }
      used += needed;
    }
    this.#entries = sorted;
    this.#starts = starts;
    this.#blockBytes = blockBytes;
    this.#resolve = resolve;
    this.size = (starts.length - 1) * blockBytes + used;
  }

  read(offset: number, length: number): Uint8Array {
    if (offset % this.#blockBytes !== 0) {
      throw new RangeError(`Directories are read from the start of a block, got offset ${offset}`);
    }
    const output = new Uint8Array(length);
    for (let at = 0; at < length; at += this.#blockBytes) {
      const block = this.#encodeBlock((offset + at) / this.#blockBytes);
      output.set(block.subarray(0, length - at), at);
    }
    return output;
  }

  #encodeBlock(index: number): Uint8Array {
    const entries = this.#entries.slice(this.#starts[index], this.#starts[index + 1]).map(this.#resolve);
    return encodeDirectoryBlock(entries, this.#blockBytes);
  }
}

/** Directory entries, then their names back to back, then zeros. */
function encodeDirectoryBlock(entries: readonly DirectoryEntry[], blockBytes: number): Uint8Array {
  const block = new Uint8Array(blockBytes);
  const target = Buffer.from(block.buffer);
  let nameOffset = entries.length * Dirent.size;
  for (const [index, entry] of entries.entries()) {
    Dirent.write(block, index * Dirent.size, {
      nid: BigInt(entry.nid),
      nameoff: nameOffset,
      file_type: entry.fileType,
    });
    nameOffset += target.write(entry.name, nameOffset, "latin1");
  }
  return block;
}

/**
 * The entries of one directory block (the last one may be shorter than the others), as fs/erofs/dir.c reads them.
 * @throws FormatError when the block is not well formed; `offset` is where it stands in the image.
 */
export function parseDirectoryBlock(block: Uint8Array, offset: number): DirectoryEntry[] {
  const first = block.length < Dirent.size ? undefined : Dirent.parse(block);
  const namesStart = first?.nameoff ?? 0;
  if (namesStart === 0 || namesStart % Dirent.size !== 0 || namesStart > block.length) {
    const expected = `expected a multiple of ${Dirent.size} within ${block.length} bytes`;
    throw new FormatError(`Cannot read a directory block: ${expected}, got ${hex(namesStart)}`, {
      format: FORMAT,
      field: "nameoff",
      offset,
    });
  }
  const dirents = Array.from({ length: namesStart / Dirent.size }, (_, index) =>
    Dirent.parse(block, index * Dirent.size),
  );
  const text = Buffer.from(block.buffer, block.byteOffset, block.length);
  return dirents.map((dirent, index) => {
    const end = dirents[index + 1]?.nameoff ?? endOfLastName(block, dirent.nameoff);
    const length = end - dirent.nameoff;
    const at = { format: FORMAT, offset: offset + index * Dirent.size };
    if (dirent.nameoff < namesStart || end > block.length || length <= 0 || length > NAME_MAX_BYTES) {
      const message = `Cannot read a name from ${hex(dirent.nameoff)} to ${hex(end)} of a directory block`;
      throw new FormatError(`${message}: expected 1 to ${NAME_MAX_BYTES} bytes`, { ...at, field: "nameoff" });
    }
    const name = text.toString("latin1", dirent.nameoff, end);
    if (name.includes("/") || name.includes("\0")) {
      throw new FormatError(`Cannot use the name ${JSON.stringify(toText(name))}: it has a "/" or NUL`, at);
    }
    if (dirent.nid > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new FormatError(`Cannot use inode ${hex(dirent.nid)}`, { ...at, field: "nid" });
    }
    return { name, nid: Number(dirent.nid), fileType: dirent.file_type };
  });
}

/** The last name of a block ends at the first NUL or with the block. */
function endOfLastName(block: Uint8Array, start: number): number {
  const nul = start > block.length ? -1 : block.indexOf(0, start);
  return nul < 0 ? block.length : nul;
}
