import { crc32 } from "node:zlib";
import { hex } from "../../bytes/index.ts";
import { copyMatch } from "./lz4-block.ts";
import { corrupt, Output, type OutputOptions, truncated } from "./output.ts";
import type { Decoded } from "./types.ts";

// The container of lzop as lib/decompress_unlzo.c reads it; big-endian.
const MAGIC = [0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a] as const;
/** Version, library version, version needed, method. */
const VERSIONS_SIZE = 7;
/** From this version on there are a level and the upper half of the time. */
const VERSION_WITH_LEVEL = 0x0940;
/** Mode and the lower half of the time. */
const MODE_AND_TIME_SIZE = 8;
const WORD = 4;
const FLAG_ADLER32_UNPACKED = 0x1;
const FLAG_ADLER32_PACKED = 0x2;
const FLAG_CRC32_UNPACKED = 0x100;
const FLAG_CRC32_PACKED = 0x200;
const FLAG_FILTER = 0x800;
/** The kernel's LZO_BLOCK_SIZE. */
const MAX_BLOCK_BYTES = 256 << 10;

const ADLER_MODULUS = 65521;
/** How many bytes can be added up before the second sum of Adler-32 leaves 32 bits (zlib's NMAX). */
const ADLER_RUN = 5552;

/** An lzop file of one member. */
export function decompressLzo(input: Uint8Array, options: OutputOptions): Decoded {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const header = parseHeader(input, view);
  const output = new Output("lzo", options);
  let offset = header.end;
  const word = (field: string): number => {
    if (offset + WORD > input.length) throw truncated("lzo", input.length, field);
    offset += WORD;
    return view.getUint32(offset - WORD);
  };
  for (;;) {
    const blockOffset = offset;
    const size = word("block size");
    if (size === 0) return { output: output.written(), consumed: offset };
    const packedSize = word("packed size");
    if (size > MAX_BLOCK_BYTES || packedSize === 0 || packedSize > size) {
      throw corrupt("lzo", `a block of ${size} bytes packed in ${packedSize}`, blockOffset);
    }
    const adler = header.flags & FLAG_ADLER32_UNPACKED ? word("Adler-32") : undefined;
    const crc = header.flags & FLAG_CRC32_UNPACKED ? word("CRC-32") : undefined;
    // Blocks that did not shrink are stored, and have no second checksum.
    if (packedSize < size && header.flags & FLAG_ADLER32_PACKED) word("Adler-32 of the packed block");
    if (packedSize < size && header.flags & FLAG_CRC32_PACKED) word("CRC-32 of the packed block");
    if (offset + packedSize > input.length) throw truncated("lzo", input.length, "block");
    const start = output.length;
    if (packedSize === size) output.append(input.subarray(offset, offset + size));
    else decodeBlock(input, offset, offset + packedSize, size, output);
    const block = output.bytes.subarray(start, output.length);
    if (adler !== undefined && adler !== adler32(block)) throw corrupt("lzo", "wrong Adler-32 of a block", blockOffset);
    if (crc !== undefined && crc !== crc32(block)) throw corrupt("lzo", "wrong CRC-32 of a block", blockOffset);
    offset += packedSize;
  }
}

function parseHeader(input: Uint8Array, view: DataView): { flags: number; end: number } {
  const wrong = MAGIC.findIndex((byte, index) => index < input.length && input[index] !== byte);
  if (wrong >= 0) throw corrupt("lzo", `expected the magic of lzop, got ${hex(input[wrong] as number)}`, wrong);
  let offset = MAGIC.length;
  const take = (size: number): number => {
    if (offset + size > input.length) throw truncated("lzo", input.length, "header");
    offset += size;
    return offset - size;
  };
  const hasLevel = view.getUint16(take(VERSIONS_SIZE)) >= VERSION_WITH_LEVEL;
  if (hasLevel) take(1);
  const flags = view.getUint32(take(WORD));
  if (flags & FLAG_FILTER) take(WORD);
  take(MODE_AND_TIME_SIZE + (hasLevel ? WORD : 0));
  const nameSize = view.getUint8(take(1));
  take(nameSize + WORD);
  return { flags, end: offset };
}

/** A block that starts with this byte is in the kernel's run-length variant (lzo-rle), which lzop never writes. */
const RLE_VARIANT = 17;
const FIRST_LITERALS = 17;
/** The number of literals that "four or more" is remembered as. */
const MANY = 4;

/**
 * One LZO1X block, after the kernel's Documentation/staging/lzo.rst. `literals` is what that text calls "state":
 * how many literals the last instruction copied, which decides what a small instruction means.
 */
function decodeBlock(input: Uint8Array, start: number, end: number, size: number, output: Output): void {
  output.ensure(size);
  const bytes = output.bytes;
  const base = output.length;
  const limit = base + size;
  let to = base;
  let from = start;
  let literals = 0;

  const byte = (): number => {
    if (from >= end) throw corrupt("lzo", "an instruction runs over the end of its block", from);
    return input[from++] as number;
  };
  const copyLiterals = (count: number): void => {
    if (from + count > end) throw corrupt("lzo", "literals run over the end of their block", from);
    if (to + count > limit) throw corrupt("lzo", `a block holds more than the ${size} bytes it names`, from);
    for (let i = 0; i < count; i++) bytes[to + i] = input[from + i] as number;
    to += count;
    from += count;
  };
  const longLength = (short: number, mask: number): number => {
    if (short !== 0) return short;
    let length = mask;
    let more = byte();
    // Zero bytes count 255 each; the input's end bounds the loop.
    for (; more === 0; more = byte()) length += 255;
    return length + more;
  };

  const first = input[start] as number;
  if (first === RLE_VARIANT) throw corrupt("lzo", "the lzo-rle variant is not part of the lzop format", start);
  if (first > FIRST_LITERALS) {
    from++;
    copyLiterals(first - FIRST_LITERALS);
    literals = Math.min(first - FIRST_LITERALS, MANY);
  }
  for (;;) {
    const at = from;
    const code = byte();
    let length: number;
    let distance: number;
    let next: number;
    if (code >= 128) {
      next = code & 3;
      length = 5 + ((code >> 5) & 3);
      distance = (byte() << 3) + ((code >> 2) & 7) + 1;
    } else if (code >= 64) {
      next = code & 3;
      length = 3 + ((code >> 5) & 1);
      distance = (byte() << 3) + ((code >> 2) & 7) + 1;
    } else if (code >= 16) {
      const near = code >= 32;
      length = 2 + (near ? longLength(code & 31, 31) : longLength(code & 7, 7));
      const word = byte() | (byte() << 8);
      next = word & 3;
      distance = near ? (word >> 2) + 1 : 16384 + ((code & 8) << 11) + (word >> 2);
      if (!near && distance === 16384) break;
    } else if (literals === 0) {
      copyLiterals(3 + longLength(code, 15));
      literals = MANY;
      continue;
    } else {
      next = code & 3;
      const far = literals === MANY;
      length = far ? 3 : 2;
      distance = (byte() << 2) + (code >> 2) + 1 + (far ? 2048 : 0);
    }
    if (distance > to - base) throw corrupt("lzo", `a match ${distance} bytes back, ${to - base} into its block`, at);
    if (to + length > limit) throw corrupt("lzo", `a block holds more than the ${size} bytes it names`, at);
    copyMatch(bytes, to, distance, length);
    to += length;
    copyLiterals(next);
    literals = next;
  }
  if (to !== limit) throw corrupt("lzo", `expected ${size} bytes in a block, got ${to - base}`, start);
  if (from !== end) throw corrupt("lzo", "a block goes on after its end mark", from);
  output.length = to;
}

function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (let start = 0; start < bytes.length; start += ADLER_RUN) {
    const end = Math.min(start + ADLER_RUN, bytes.length);
    for (let i = start; i < end; i++) {
      a += bytes[i] as number;
      b += a;
    }
    a %= ADLER_MODULUS;
    b %= ADLER_MODULUS;
  }
  return ((b << 16) | a) >>> 0;
}
