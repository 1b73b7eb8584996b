import { ascii, bytes, type StructOf, struct, u16, u32, u64 } from "../../bytes/index.ts";

/** Linux, Documentation/admin-guide/device-mapper/verity.rst; cryptsetup, lib/verity/verity.c. */
export const FORMAT = "verity";

/** `struct verity_sb` (cryptsetup): the first bytes of the hash area. The root hash is not in it. */
export const VeritySuperblock = struct("verity_sb", 512, {
  /** `verity\0\0`. */
  signature: bytes(0, 8),
  version: u32(8),
  hash_type: u32(12),
  /** In the order of the text form, unlike EFI's GUIDs. */
  uuid: bytes(16, 16),
  algorithm: ascii(32, 32),
  data_block_size: u32(64),
  hash_block_size: u32(68),
  data_blocks: u64(72),
  salt_size: u16(80),
  salt: bytes(88, 256),
});
export type VeritySuperblock = StructOf<typeof VeritySuperblock>;

export const VERITY_SIGNATURE = "verity\0\0";
export const VERITY_VERSION = 1;

/** The digest of a block is H(salt, block). */
export const HASH_TYPE_NORMAL = 1;
/** ChromeOS's first format: H(block, salt). Nothing writes it today, lazyrd refuses it. */
export const HASH_TYPE_CHROMEOS = 0;

/** The size of the salt field. */
export const MAX_SALT_SIZE = 256;

/** The page size of every machine lazyrd boots; the kernel refuses larger data blocks. */
export const DEFAULT_BLOCK_SIZE = 4096;
/** `VERITY_BLOCK_SIZE_OK` in cryptsetup, lib/verity/verity.h: powers of two between these. */
export const MIN_BLOCK_SIZE = 512;
export const MAX_BLOCK_SIZE = 512 * 1024;

/** Digest sizes in bytes; both are powers of two, so that a slot of the tree has no padding. */
export const DIGEST_SIZES = { sha256: 32, sha512: 64 } as const;
export type VerityAlgorithm = keyof typeof DIGEST_SIZES;

/** The device mapper counts in sectors of this size, whatever the disk has (linux/device-mapper.h). */
export const DM_SECTOR_SIZE = 512;
