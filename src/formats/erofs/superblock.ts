import {
  type ByteSource,
  byteStringFrom,
  crc32cState,
  FormatError,
  type Guid,
  guidFromTextOrder,
  hex,
  toSafeNumber,
} from "../../bytes/index.ts";
import {
  FEATURE_COMPAT,
  FEATURE_INCOMPAT,
  FORMAT,
  MAX_BLOCK_BITS,
  MIN_BLOCK_BITS,
  type RawSuperblock,
  SUPER_EXTSLOT_BYTES,
  SUPER_MAGIC,
  SUPER_OFFSET,
  Superblock,
  XATTR_PREFIX_START_UNIT,
} from "./layout.ts";
import { namesOfBits } from "./names.ts";

/** The facts of a superblock; offsets and sizes in bytes. */
export interface ErofsSuperblock {
  readonly blockBytes: number;
  /** Blocks in all; 0 when the writer did not say. */
  readonly blocks: number;
  readonly rootNid: number;
  readonly inodeCount: number;
  /** Seconds since 1970: the time of all compact inodes. */
  readonly epoch: number;
  readonly fixedNsec: number;
  /** Where nid 0 stands or would stand. */
  readonly metaOffset: number;
  /** Where shared extended attributes start. */
  readonly xattrOffset: number;
  readonly uuid: Guid;
  readonly volumeName: string;
  readonly compat: number;
  readonly incompat: number;
  /** As stored; undefined when the image has none. */
  readonly checksum: number | undefined;
  /** Where the superblock with its extension slots ends. */
  readonly endOffset: number;
  readonly xattrPrefixCount: number;
  /** In the packed inode's content, or in the image when there is none. */
  readonly xattrPrefixOffset: number;
  /** The inode that holds fragments, if there is one. */
  readonly packedNid: number | undefined;
  /** A bitmap of algorithms when COMPR_CFGS is set, else the largest LZ4 distance. */
  readonly compression: number;
}

/** Feature bits whose images this reader can open; inodes that need more are refused one by one. */
const KNOWN_INCOMPAT =
  FEATURE_INCOMPAT.LZ4_0PADDING |
  FEATURE_INCOMPAT.COMPR_CFGS |
  FEATURE_INCOMPAT.CHUNKED_FILE |
  FEATURE_INCOMPAT.DEVICE_TABLE |
  FEATURE_INCOMPAT.ZTAILPACKING |
  FEATURE_INCOMPAT.FRAGMENTS |
  FEATURE_INCOMPAT.XATTR_PREFIXES;

const INT64_BITS = 64;

function fail(message: string, field: keyof typeof Superblock.fields): never {
  throw new FormatError(message, { format: FORMAT, field, offset: SUPER_OFFSET + Superblock.fields[field].offset });
}

/**
 * Reads and checks the superblock (fs/erofs/super.c, erofs_read_superblock).
 * @throws FormatError when it is damaged, or needs a feature this reader does not have.
 */
export function readSuperblock(source: ByteSource): ErofsSuperblock {
  const end = SUPER_OFFSET + Superblock.size;
  if (source.size < end) {
    throw new FormatError(`Cannot read the superblock: expected at least ${end} bytes, got ${source.size}`, {
      format: FORMAT,
      offset: source.size,
    });
  }
  const raw = Superblock.parse(source.read(SUPER_OFFSET, Superblock.size));
  if (raw.magic !== SUPER_MAGIC) {
    fail(`Cannot find a file system: expected ${hex(SUPER_MAGIC)}, got ${hex(raw.magic)}`, "magic");
  }
  checkGeometry(raw);
  const blockBytes = 2 ** raw.blkszbits;
  const hasChecksum = (raw.feature_compat & FEATURE_COMPAT.SB_CHKSUM) !== 0;
  if (hasChecksum) checkChecksum(source, raw.checksum, blockBytes);
  checkFeatures(raw);
  const superblock = describe(raw, blockBytes, hasChecksum);
  if (superblock.blocks * blockBytes > source.size) {
    fail(
      `Cannot read the whole image: expected ${superblock.blocks * blockBytes} bytes, got ${source.size}`,
      "blocks_lo",
    );
  }
  return superblock;
}

function checkGeometry(raw: RawSuperblock): void {
  if (raw.blkszbits < MIN_BLOCK_BITS || raw.blkszbits > MAX_BLOCK_BITS) {
    fail(
      `Cannot use a block size of 2^${raw.blkszbits}: expected 2^${MIN_BLOCK_BITS} to 2^${MAX_BLOCK_BITS}`,
      "blkszbits",
    );
  }
  if (raw.dirblkbits !== 0) {
    fail(`Cannot read directories of larger blocks: expected 0, got ${raw.dirblkbits}`, "dirblkbits");
  }
}

function checkFeatures(raw: RawSuperblock): void {
  const unknown = raw.feature_incompat & ~KNOWN_INCOMPAT;
  if (unknown !== 0) {
    fail(
      `Cannot read an image that needs ${namesOfBits(unknown, FEATURE_INCOMPAT).join(", ")}: not supported`,
      "feature_incompat",
    );
  }
  if (raw.extra_devices !== 0) {
    fail(
      `Cannot read an image with ${raw.extra_devices} more devices: make one without --blobdev, in a single file`,
      "extra_devices",
    );
  }
}

function checkChecksum(source: ByteSource, expected: number, blockBytes: number): void {
  const actual = superblockChecksum(firstBlock(source, blockBytes));
  if (actual !== expected) {
    fail(`Cannot trust the superblock: expected checksum ${hex(expected)}, got ${hex(actual)}`, "checksum");
  }
}

/** What the checksum covers: to the end of the first block, or one block where the superblock starts the second. */
function firstBlock(source: ByteSource, blockBytes: number): Uint8Array {
  const length = blockBytes > SUPER_OFFSET ? blockBytes - SUPER_OFFSET : blockBytes;
  if (source.size < SUPER_OFFSET + length) {
    throw new FormatError(`Cannot read the first block: expected ${SUPER_OFFSET + length} bytes, got ${source.size}`, {
      format: FORMAT,
      offset: source.size,
    });
  }
  return source.read(SUPER_OFFSET, length);
}

/** The checksum of a superblock and the rest of its block; the checksum field counts as zero. */
export function superblockChecksum(superblockToEndOfBlock: Uint8Array): number {
  // Not slice(): that of a Buffer is a view, and the source would lose its checksum.
  const copy = new Uint8Array(superblockToEndOfBlock);
  Superblock.write(copy, 0, { checksum: 0 });
  return crc32cState(copy);
}

function describe(raw: RawSuperblock, blockBytes: number, hasChecksum: boolean): ErofsSuperblock {
  const safe = (field: "inos" | "packed_nid") => toSafeNumber(raw[field], { format: FORMAT, field });
  const packedNid = safe("packed_nid");
  return {
    blockBytes,
    blocks: raw.blocks_lo,
    rootNid: raw.rootnid_2b,
    inodeCount: safe("inos"),
    epoch: signedSeconds(raw.epoch, "epoch"),
    fixedNsec: raw.fixed_nsec,
    metaOffset: raw.meta_blkaddr * blockBytes,
    xattrOffset: raw.xattr_blkaddr * blockBytes,
    uuid: guidFromTextOrder(raw.uuid),
    volumeName: byteStringFrom(raw.volume_name).split("\0", 1)[0] ?? "",
    compat: raw.feature_compat,
    incompat: raw.feature_incompat,
    checksum: hasChecksum ? raw.checksum : undefined,
    endOffset: SUPER_OFFSET + Superblock.size + raw.sb_extslots * SUPER_EXTSLOT_BYTES,
    xattrPrefixCount: raw.xattr_prefix_count,
    xattrPrefixOffset: raw.xattr_prefix_start * XATTR_PREFIX_START_UNIT,
    packedNid: packedNid === 0 ? undefined : packedNid,
    compression: raw.available_compr_algs,
  };
}

/** A time from disk: the kernel takes the u64 as signed. */
export function signedSeconds(value: bigint, field: string, offset?: number): number {
  const seconds = Number(BigInt.asIntN(INT64_BITS, value));
  if (Number.isSafeInteger(seconds)) return seconds;
  throw new FormatError(`Cannot use a time of ${seconds} s: expected less than 2^53`, {
    format: FORMAT,
    field,
    offset,
  });
}

/** A time as the disk holds it. */
export function unsignedSeconds(seconds: number): bigint {
  return BigInt.asUintN(INT64_BITS, BigInt(seconds));
}
