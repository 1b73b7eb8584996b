import { checkRange, FormatError } from "../../bytes/index.ts";
import type { CompressedExtent, CompressedMap, FragmentExtent, StoredExtent } from "./compressed-map.ts";
import type { ExtentDecoders } from "./decoders.ts";
import type { Extent, InodeContent } from "./extent.ts";
import { type ErofsImage, fail } from "./image.ts";
import { FEATURE_INCOMPAT, FORMAT } from "./layout.ts";

/** What is kept of unpacked extents: twice the largest one, and some hundred of the usual ones. */
const CACHE_BYTES = 24 * 2 ** 20;

/** Unpacks extents; keeps those of which only a part was asked for, since the rest will probably be asked for next. */
export class ExtentReader {
  readonly #image: ErofsImage;
  readonly #decoders: ExtentDecoders;
  /** By place and length; the one that was used last comes last. */
  readonly #cache = new Map<string, Uint8Array>();
  #cachedBytes = 0;

  constructor(image: ErofsImage, decoders: ExtentDecoders) {
    this.#image = image;
    this.#decoders = decoders;
  }

  /** Puts `length` bytes of an extent, from `within` it, into `output` at `at`. */
  copy(extent: StoredExtent, within: number, length: number, output: Uint8Array, at: number): void {
    if (extent.encoding === "shifted") {
      output.set(this.#image.source.read(extent.offset + within, length), at);
      return;
    }
    const bytes = length === extent.length ? this.#unpack(extent) : this.#cached(extent);
    output.set(bytes.subarray(within, within + length), at);
  }

  #cached(extent: StoredExtent): Uint8Array {
    // Another file may use a part of the same cluster, or use it as another kind of data.
    const key = `${extent.offset} ${extent.length} ${extent.encoding} ${extent.start % this.#image.superblock.blockBytes}`;
    const bytes = this.#cache.get(key) ?? this.#unpack(extent);
    if (!this.#cache.delete(key)) this.#cachedBytes += bytes.length;
    this.#cache.set(key, bytes);
    for (const [oldest, old] of this.#cache) {
      if (this.#cachedBytes <= CACHE_BYTES || oldest === key) break;
      this.#cache.delete(oldest);
      this.#cachedBytes -= old.length;
    }
    return bytes;
  }

  #unpack(extent: StoredExtent): Uint8Array {
    const { encoding, offset, storedBytes } = extent;
    const stored = this.#image.source.read(offset, storedBytes);
    if (encoding === "shifted") return stored.subarray(0, extent.length);
    if (encoding === "interlaced") return turned(stored, extent, this.#image.superblock.blockBytes);
    const decode = this.#decoders[encoding];
    if (decode === undefined)
      fail(`Cannot read an extent: it is compressed with ${encoding}, whose decoder is not loaded`, offset);
    const { incompat } = this.#image.superblock;
    // LZ4 from before Linux 5.4 stands at the start of its cluster, and does not say where it ends.
    const isOld = encoding === "LZ4" && (incompat & FEATURE_INCOMPAT.LZ4_0PADDING) === 0;
    const start = isOld ? 0 : this.#dataStart(stored, offset);
    try {
      return decode(stored.subarray(start), extent.length, extent.partial || isOld);
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw new FormatError(`Cannot read an extent of ${extent.length} bytes: ${cause.message}`, {
        format: FORMAT,
        offset,
        cause,
      });
    }
  }

  /** Compressed data stands at the end of its cluster, behind zeros. */
  #dataStart(stored: Uint8Array, offset: number): number {
    const start = stored.subarray(0, this.#image.superblock.blockBytes).findIndex((byte) => byte !== 0);
    return start < 0 ? fail("Cannot read an extent: its first block holds zeros only", offset) : start;
  }
}

/** Each byte of the content stands in its cluster where it would stand in a block of the file (z_erofs_transform_plain). */
function turned(stored: Uint8Array, { start, length, offset }: StoredExtent, blockBytes: number): Uint8Array {
  const first = blockBytes - (start % blockBytes);
  if (first > stored.length) fail("Cannot read an extent: it does not hold a whole block", offset);
  const output = new Uint8Array(length);
  output.set(stored.subarray(stored.length - first, stored.length - first + Math.min(first, length)));
  if (length > first) output.set(stored.subarray(0, length - first), first);
  return output;
}

/** The content of a compressed inode; only what is read is unpacked. */
export class CompressedContent implements InodeContent {
  readonly size: number;
  readonly #map: CompressedMap;
  readonly #reader: ExtentReader;
  readonly #packed: () => InodeContent;

  constructor(size: number, map: CompressedMap, reader: ExtentReader, packed: () => InodeContent) {
    this.size = size;
    this.#map = map;
    this.#reader = reader;
    this.#packed = packed;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, FORMAT);
    const output = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const extent = this.#map.extentAt(offset + done);
      const within = offset + done - extent.start;
      const piece = Math.min(extent.length - within, length - done);
      if (extent.encoding === "fragment")
        output.set(this.#fragment(extent).read(extent.packedStart + within, piece), done);
      else this.#reader.copy(extent, within, piece, output, done);
      done += piece;
    }
    return output;
  }

  *extents(from = 0, to = this.size): Generator<Extent> {
    for (let start = from; start < to; ) {
      const extent = this.#map.extentAt(start);
      if (extent.encoding === "fragment") yield* partOf(this.#fragment(extent), extent.packedStart, extent);
      else yield describe(extent);
      start = extent.start + extent.length;
    }
  }

  /** The packed inode, which has all of this fragment. */
  #fragment({ packedStart, length }: FragmentExtent): InodeContent {
    const packed = this.#packed();
    checkRange(packed, packedStart, length, `${FORMAT} fragments`);
    return packed;
  }
}

/** A file that is nothing but a fragment. */
export class FragmentContent implements InodeContent {
  readonly size: number;
  readonly #packed: InodeContent;
  readonly #start: number;

  /** @throws FormatError when the packed inode does not have all of it. */
  constructor(size: number, packed: InodeContent, start: number) {
    checkRange(packed, start, size, `${FORMAT} fragments`);
    this.size = size;
    this.#packed = packed;
    this.#start = start;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length, FORMAT);
    return this.#packed.read(this.#start + offset, length);
  }

  extents(): Iterable<Extent> {
    return partOf(this.#packed, this.#start, { start: 0, length: this.size });
  }
}

function describe({ start, length, offset, storedBytes, encoding }: Exclude<CompressedExtent, FragmentExtent>): Extent {
  const isPlain = encoding === "shifted" || encoding === "interlaced";
  return { start, length, offset, storedBytes, kind: isPlain ? "plain" : encoding, fragment: false };
}

/** The extents of the packed inode that a fragment lies in, each cut to what belongs to it. */
function* partOf(
  packed: InodeContent,
  packedStart: number,
  part: { start: number; length: number },
): Generator<Extent> {
  const packedEnd = packedStart + part.length;
  for (const extent of packed.extents(packedStart, packedEnd)) {
    const start = Math.max(extent.start, packedStart);
    const end = Math.min(extent.start + extent.length, packedEnd);
    yield { ...extent, start: part.start + start - packedStart, length: end - start, fragment: true };
  }
}
