import { BufferedSource, type ByteSource, FormatError, hex, SubSource, sourceOf } from "../../bytes/index.ts";
import { FILE_TYPE_BITS, FILE_TYPE_MASK } from "../../tree/index.ts";
import {
  type CompressionMethod,
  DEFAULT_LIMIT_BYTES,
  type Decompressed,
  decompress,
  detectCompression,
  MAGIC_SIZE,
} from "../compression/index.ts";
import { type Bootconfig, findBootconfig } from "./bootconfig.ts";
import type { CpioArchive } from "./entry.ts";
import { afterNuls, archiveEnd } from "./extent.ts";
import { ALIGNMENT, EARLY_MARK, EARLY_PREFIXES, FIRST_BYTE, MAX_ARCHIVE_BYTES, MAX_SEGMENTS } from "./layout.ts";
import { parseCpio, scanCpio } from "./read.ts";

/** A part of an initrd that stands for itself: an archive, or a compressed stream of archives. */
export interface Segment {
  /** Where it starts in the initrd. */
  readonly offset: number;
  /** Bytes of the initrd it takes, without padding after it. */
  readonly length: number;
  readonly method: CompressionMethod | "none";
  /** Holds nothing but CPU microcode or ACPI tables, and stands where the kernel looks for them. */
  readonly early: boolean;
  /** The unpacked bytes and their entries. */
  readonly archive: CpioArchive;
}

export interface Initramfs {
  /** Bytes of all of it. */
  readonly size: number;
  readonly segments: readonly Segment[];
  readonly bootconfig: Bootconfig | undefined;
  /** What a person should know: things that unpack here, but not in every kernel. */
  readonly warnings: readonly string[];
}

/** A part of an initrd, in bytes. */
export interface InitramfsPart {
  readonly offset: number;
  readonly length: number;
}

export interface InitramfsOptions {
  /** What all compressed segments may unpack to together. */
  readonly limitBytes?: number;
  /** Unpacks the stream that a part starts with, as `decompress` does, which it is by default. */
  readonly unpack?: (part: InitramfsPart, limitBytes: number) => Promise<Decompressed>;
}

/**
 * The segments of a whole initrd, as the kernel finds them (unpack_to_rootfs of init/initramfs.c): NUL bytes are passed
 * over; "0" at a multiple of 4 starts an archive; all else must be a compressed stream. A source is read in pieces: what
 * is in memory afterwards are the archives.
 * @throws FormatError that names the segment and its offset, for whatever the kernel would not unpack.
 */
export async function readInitramfs(
  input: Uint8Array | ByteSource,
  { limitBytes = DEFAULT_LIMIT_BYTES, unpack = unpackFrom(input) }: InitramfsOptions = {},
): Promise<Initramfs> {
  const whole = sourceOf(input);
  const bootconfig = findBootconfig(whole);
  const source = new BufferedSource(new SubSource(whole, 0, bootconfig?.offset ?? whole.size));
  const segments: Segment[] = [];
  const warnings: string[] = [];
  let unpacked = 0;
  let early = true;
  let offset = 0;
  for (;;) {
    offset = afterNuls(source, offset);
    if (offset >= source.size) return { size: whole.size, segments, bootconfig, warnings };
    if (segments.length >= MAX_SEGMENTS) {
      throw new FormatError(`Cannot read more than ${MAX_SEGMENTS} segments`, { format: "initramfs", offset });
    }
    const number = segments.length + 1;
    const isArchive = source.read(offset, 1)[0] === FIRST_BYTE && offset % ALIGNMENT === 0;
    const segment: Segment = isArchive
      ? readPlainSegment(source, offset, number, early)
      : await readPackedSegment(source, offset, number, (rest) => unpack(rest, limitBytes - unpacked));
    if (!isArchive) unpacked += segment.archive.bytes.length;
    early = segment.early;
    segments.push(segment);
    offset += segment.length;
    // The kernel takes whatever follows an LZ4 stream for the size of another chunk.
    if (segment.method === "lz4" && offset < source.size && source.read(offset, 1)[0] !== 0) {
      warnings.push(
        `Segment ${number} (lz4) at offset ${hex(segment.offset)}: the kernel needs four NUL bytes between it and what follows`,
      );
    }
  }
}

function unpackFrom(input: Uint8Array | ByteSource): NonNullable<InitramfsOptions["unpack"]> {
  const source = sourceOf(input);
  return ({ offset, length }, limitBytes) => decompress(new SubSource(source, offset, length), { limitBytes });
}

function readPlainSegment(source: BufferedSource, offset: number, number: number, mayBeEarly: boolean): Segment {
  const length = archiveEnd(source, offset) - offset;
  if (length > MAX_ARCHIVE_BYTES) {
    const message = `Cannot read segment ${number} (an archive) of ${length} bytes: expected at most ${MAX_ARCHIVE_BYTES}`;
    throw new FormatError(message, { format: "initramfs", offset });
  }
  try {
    const { archive } = scanCpio(source.read(offset, length), { stopAfterTrailer: true });
    const early = mayBeEarly && isEarly(archive);
    return { offset, length: archive.bytes.length, method: "none", early, archive };
  } catch (cause) {
    throw inSegment(cause, `segment ${number} (an archive)`, offset, offset);
  }
}

async function readPackedSegment(
  source: BufferedSource,
  offset: number,
  number: number,
  unpack: (rest: InitramfsPart) => Promise<Decompressed>,
): Promise<Segment> {
  const rest = { offset, length: source.size - offset };
  const head = source.read(offset, Math.min(MAGIC_SIZE, rest.length));
  const method = detectCompression(head);
  if (method === undefined && head[0] === FIRST_BYTE) {
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
    // Offsets in the unpacked data are no offsets in the initrd: the message keeps them, the error points at the segment.
    throw inSegment(cause, `what ${name} unpacks to`, offset, undefined);
  }
}

/** Says which segment an error belongs to; `base` turns its offset into one of the initrd. */
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
