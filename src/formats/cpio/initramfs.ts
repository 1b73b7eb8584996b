import { FormatError, hex } from "../../bytes/index.ts";
import { FILE_TYPE_BITS, FILE_TYPE_MASK } from "../../tree/index.ts";
import {
  type CompressionMethod,
  DEFAULT_LIMIT_BYTES,
  type Decompressed,
  decompress,
  detectCompression,
} from "../compression/index.ts";
import { type Bootconfig, findBootconfig } from "./bootconfig.ts";
import type { CpioArchive } from "./entry.ts";
import { ALIGNMENT, EARLY_MARK, EARLY_PREFIXES, FIRST_BYTE, MAX_SEGMENTS } from "./layout.ts";
import { parseCpio, scanCpio } from "./read.ts";

/** A part of an initrd that stands for itself: an archive, or a compressed stream of archives. */
export interface Segment {
  /** Where it starts in the buffer. */
  readonly offset: number;
  /** Bytes of the buffer it takes, without padding after it. */
  readonly length: number;
  readonly method: CompressionMethod | "none";
  /** Holds nothing but CPU microcode or ACPI tables, and stands where the kernel looks for them. */
  readonly early: boolean;
  /** The unpacked bytes and their entries. */
  readonly archive: CpioArchive;
}

export interface Initramfs {
  /** Bytes of the whole buffer. */
  readonly size: number;
  readonly segments: readonly Segment[];
  readonly bootconfig: Bootconfig | undefined;
  /** What a person should know: things that unpack here, but not in every kernel. */
  readonly warnings: readonly string[];
}

/**
 * The segments of a whole initrd, as the kernel finds them (unpack_to_rootfs of init/initramfs.c): NUL bytes are passed
 * over; "0" at a multiple of 4 starts an archive; all else must be a compressed stream. All that is unpacked may together
 * take `limitBytes`; `unpack` unpacks one stream, as `decompress` does, which it is by default.
 * @throws FormatError that names the segment and its offset, for whatever the kernel would not unpack.
 */
export async function readInitramfs(
  bytes: Uint8Array,
  { limitBytes = DEFAULT_LIMIT_BYTES, unpack = decompress }: { limitBytes?: number; unpack?: typeof decompress } = {},
): Promise<Initramfs> {
  const bootconfig = findBootconfig(bytes);
  const buffer = bytes.subarray(0, bootconfig?.offset);
  const segments: Segment[] = [];
  const warnings: string[] = [];
  let unpacked = 0;
  let early = true;
  let offset = 0;
  for (;;) {
    while (buffer[offset] === 0) offset++;
    if (offset >= buffer.length) return { size: bytes.length, segments, bootconfig, warnings };
    if (segments.length >= MAX_SEGMENTS) {
      throw new FormatError(`Cannot read more than ${MAX_SEGMENTS} segments`, { format: "initramfs", offset });
    }
    const number = segments.length + 1;
    const isArchive = buffer[offset] === FIRST_BYTE && offset % ALIGNMENT === 0;
    const segment: Segment = isArchive
      ? readPlainSegment(buffer, offset, number, early)
      : await readPackedSegment(buffer, offset, number, (rest) => unpack(rest, { limitBytes: limitBytes - unpacked }));
    if (!isArchive) unpacked += segment.archive.bytes.length;
    early = segment.early;
    segments.push(segment);
    offset += segment.length;
    // The kernel takes whatever follows an LZ4 stream for the size of another chunk.
    if (segment.method === "lz4" && offset < buffer.length && buffer[offset] !== 0) {
      warnings.push(
        `Segment ${number} (lz4) at offset ${hex(segment.offset)}: the kernel needs four NUL bytes between it and what follows`,
      );
    }
  }
}

function readPlainSegment(buffer: Uint8Array, offset: number, number: number, mayBeEarly: boolean): Segment {
  try {
    const { archive } = scanCpio(buffer.subarray(offset), { stopAfterTrailer: true });
    const early = mayBeEarly && isEarly(archive);
    return { offset, length: archive.bytes.length, method: "none", early, archive };
  } catch (cause) {
    throw inSegment(cause, `segment ${number} (an archive)`, offset, offset);
  }
}

async function readPackedSegment(
  buffer: Uint8Array,
  offset: number,
  number: number,
  unpack: (stream: Uint8Array) => Promise<Decompressed>,
): Promise<Segment> {
  const rest = buffer.subarray(offset);
  const method = detectCompression(rest);
  if (method === undefined && rest[0] === FIRST_BYTE) {
    throw new FormatError(
      `Cannot read segment ${number}: an archive must start at a multiple of ${ALIGNMENT}: pad what stands before it`,
      { format: "initramfs", offset },
    );
  }
  const name = `segment ${number} (${method ?? "unknown"})`;
  const stream = await unpack(rest).catch((cause: unknown) => {
    throw inSegment(cause, name, offset, offset);
  });
  try {
    const archive = parseCpio(stream.output);
    return { offset, length: stream.consumed, method: stream.method, early: false, archive };
  } catch (cause) {
    // Offsets in the unpacked data are no offsets in the buffer: the message keeps them, the error points at the segment.
    throw inSegment(cause, `what ${name} unpacks to`, offset, undefined);
  }
}

/** Says which segment an error belongs to; `base` turns its offset into one of the buffer. */
function inSegment(cause: unknown, name: string, segmentOffset: number, base: number | undefined): unknown {
  if (!(cause instanceof FormatError)) return cause;
  const offset = base === undefined || cause.offset === undefined ? segmentOffset : base + cause.offset;
  return new FormatError(`Cannot read ${name}: ${cause.message}`, {
    format: "initramfs",
    offset,
    field: cause.field,
    cause,
  });
}

function isEarly(archive: CpioArchive): boolean {
  const files = archive.entries.filter((entry) => (entry.mode & FILE_TYPE_MASK) !== FILE_TYPE_BITS.directory);
  const names = files.map((entry) => entry.name.replace(/^(\.?\/)+/, ""));
  return (
    names.length > 0 &&
    names.every((name) => name === EARLY_MARK || EARLY_PREFIXES.some((prefix) => name.startsWith(prefix)))
  );
}
