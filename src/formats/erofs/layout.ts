/**
 * EROFS on disk: declarations only, in disk order. Names are those of the kernel's fs/erofs/erofs_fs.h;
 * all integers are little-endian.
 */
import { bytes, type StructOf, struct, u8, u16, u32, u64 } from "../../bytes/index.ts";

export const FORMAT = "erofs";

/** EROFS_SUPER_OFFSET: room for boot code in front. */
export const SUPER_OFFSET = 1024;
/** EROFS_SUPER_MAGIC_V1. */
export const SUPER_MAGIC = 0xe0f5e1e2;
/** Superblock extension slots (sb_extslots) are this long. */
export const SUPER_EXTSLOT_BYTES = 16;
export const VOLUME_NAME_BYTES = 16;

/** struct erofs_super_block, 128 bytes at SUPER_OFFSET. */
export const Superblock = struct("erofs_super_block", 128, {
  magic: u32(0x00),
  /** CRC-32C register, not inverted, from SUPER_OFFSET to the end of the first block, this field taken as zero. */
  checksum: u32(0x04),
  feature_compat: u32(0x08),
  /** log2 of the block size. */
  blkszbits: u8(0x0c),
  sb_extslots: u8(0x0d),
  rootnid_2b: u16(0x0e),
  inos: u64(0x10),
  /** Seconds since 1970, signed: the time of every compact inode. */
  epoch: u64(0x18),
  fixed_nsec: u32(0x20),
  blocks_lo: u32(0x24),
  meta_blkaddr: u32(0x28),
  xattr_blkaddr: u32(0x2c),
  uuid: bytes(0x30, 16),
  volume_name: bytes(0x40, VOLUME_NAME_BYTES),
  feature_incompat: u32(0x50),
  /** A bitmap of algorithms with COMPR_CFGS, else the largest LZ4 distance. */
  available_compr_algs: u16(0x54),
  extra_devices: u16(0x56),
  devt_slotoff: u16(0x58),
  dirblkbits: u8(0x5a),
  xattr_prefix_count: u8(0x5b),
  xattr_prefix_start: u32(0x5c),
  packed_nid: u64(0x60),
  xattr_filter_reserved: u8(0x68),
  ishare_xattr_prefix_id: u8(0x69),
  build_time: u32(0x6c),
  rootnid_8b: u64(0x70),
});
export type RawSuperblock = StructOf<typeof Superblock>;

/** EROFS_FEATURE_COMPAT_*: a kernel that does not know a bit may mount all the same. */
export const FEATURE_COMPAT = {
  SB_CHKSUM: 0x1,
  MTIME: 0x2,
  XATTR_FILTER: 0x4,
  SHARED_EA_IN_METABOX: 0x8,
  PLAIN_XATTR_PFX: 0x10,
  ISHARE_XATTRS: 0x20,
} as const;

/** EROFS_FEATURE_INCOMPAT_*: a kernel that does not know a bit must refuse. Three bits have two meanings each. */
export const FEATURE_INCOMPAT = {
  LZ4_0PADDING: 0x1,
  /** Also BIG_PCLUSTER. */
  COMPR_CFGS: 0x2,
  CHUNKED_FILE: 0x4,
  /** Also COMPR_HEAD2. */
  DEVICE_TABLE: 0x8,
  ZTAILPACKING: 0x10,
  /** Also DEDUPE. */
  FRAGMENTS: 0x20,
  XATTR_PREFIXES: 0x40,
  "48BIT": 0x80,
  METABOX: 0x100,
} as const;

/** Bits of blkszbits that Linux can mount: 512 bytes up to the largest page size, 64 KiB. */
export const MIN_BLOCK_BITS = 9;
export const MAX_BLOCK_BITS = 16;

/** An inode's number (nid) counts slots of this size from meta_blkaddr (EROFS_ISLOTBITS). */
export const INODE_SLOT_BYTES = 32;

/** struct erofs_inode_compact. */
export const CompactInode = struct("erofs_inode_compact", 32, {
  i_format: u16(0x00),
  i_xattr_icount: u16(0x02),
  i_mode: u16(0x04),
  i_nlink: u16(0x06),
  i_size: u32(0x08),
  /** Reserved and zero before Linux 6.15; since then seconds after the epoch. */
  i_mtime: u32(0x0c),
  i_u: u32(0x10),
  i_ino: u32(0x14),
  i_uid: u16(0x18),
  i_gid: u16(0x1a),
});

/** struct erofs_inode_extended. */
export const ExtendedInode = struct("erofs_inode_extended", 64, {
  i_format: u16(0x00),
  i_xattr_icount: u16(0x02),
  i_mode: u16(0x04),
  /** High bits of addresses with 48BIT, else zero. */
  i_nb: u16(0x06),
  i_size: u64(0x08),
  i_u: u32(0x10),
  i_ino: u32(0x14),
  i_uid: u32(0x18),
  i_gid: u32(0x1c),
  /** Seconds since 1970, signed. */
  i_mtime: u64(0x20),
  i_mtime_nsec: u32(0x28),
  i_nlink: u32(0x2c),
});

/** i_format: bit 0 is the inode's version, bits 1 to 3 its data layout; the others must be zero. */
export const I_FORMAT_EXTENDED = 0x1;
export const I_FORMAT_LAYOUT_SHIFT = 1;
export const I_FORMAT_LAYOUT_MASK = 0x7;
export const I_FORMAT_KNOWN = 0xf;

/** enum erofs_inode_datalayout. */
export const DATA_LAYOUT = {
  FLAT_PLAIN: 0,
  COMPRESSED_FULL: 1,
  FLAT_INLINE: 2,
  COMPRESSED_COMPACT: 3,
  CHUNK_BASED: 4,
} as const;
export type DataLayout = (typeof DATA_LAYOUT)[keyof typeof DATA_LAYOUT];

/** A block address that stands for "no block" (EROFS_NULL_ADDR): a hole, or content without whole blocks. */
export const NULL_ADDR = 0xffffffff;

/** i_u of a device: minor bits 0-7, then 12 bits of major, then the rest of minor (new_encode_dev in linux/kdev_t.h). */
export const DEVICE_MINOR_LOW_BITS = 8;
export const DEVICE_MAJOR_BITS = 12;
export const DEVICE_MINOR_BITS = 20;

/** struct erofs_xattr_ibody_header, after the inode; u32 ids of shared attributes follow, then inline ones. */
export const XattrHeader = struct("erofs_xattr_ibody_header", 12, {
  /** With XATTR_FILTER: a set bit says that no attribute has a name of this hash. */
  h_name_filter: u32(0x00),
  h_shared_count: u8(0x04),
});
export const XATTR_ID_BYTES = 4;
/** Attributes start at multiples of this; i_xattr_icount and shared ids count in it. */
export const XATTR_ALIGNMENT = 4;

/** struct erofs_xattr_entry; the name without its prefix and the value follow. */
export const XattrEntry = struct("erofs_xattr_entry", 4, {
  e_name_len: u8(0x00),
  e_name_index: u8(0x01),
  e_value_size: u16(0x02),
});

/** e_name_index: which prefix the name on disk lacks (EROFS_XATTR_INDEX_*). */
export const XATTR_PREFIXES: readonly (readonly [index: number, prefix: string])[] = [
  [1, "user."],
  [2, "system.posix_acl_access"],
  [3, "system.posix_acl_default"],
  [4, "trusted."],
  [5, "lustre."],
  [6, "security."],
];
/** e_name_index with this bit names an entry of the table of long prefixes (EROFS_XATTR_LONG_PREFIX). */
export const XATTR_LONG_PREFIX = 0x80;
export const XATTR_LONG_PREFIX_MASK = 0x7f;
/** EROFS_XATTR_FILTER_SEED; the short prefix's index is added to it. */
export const XATTR_FILTER_SEED = 0x25bbe08f;
export const XATTR_FILTER_BITS = 32;

/** struct erofs_xattr_long_prefix, 4-aligned: `size` counts base_index and the infix that follows. */
export const XattrLongPrefix = struct("erofs_xattr_long_prefix", 3, { size: u16(0x00), base_index: u8(0x02) });
export const XATTR_PREFIX_START_UNIT = 4;

/** struct erofs_dirent: at the start of each directory block, names behind the last of them. */
export const Dirent = struct("erofs_dirent", 12, { nid: u64(0x00), nameoff: u16(0x08), file_type: u8(0x0a) });
/** EROFS_NAME_LEN. */
export const NAME_MAX_BYTES = 255;

/** FT_* as in linux/fs_types.h. */
export const FILE_TYPE = {
  unknown: 0,
  file: 1,
  directory: 2,
  "character-device": 3,
  "block-device": 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
} as const;

/** struct erofs_inode_chunk_info, in i_u of chunk-based inodes. */
export const CHUNK_FORMAT_BITS_MASK = 0x1f;
/** The table holds erofs_inode_chunk_index entries instead of bare block addresses. */
export const CHUNK_FORMAT_INDEXES = 0x20;
export const CHUNK_FORMAT_KNOWN = 0x3f;
export const CHUNK_MAP_ENTRY_BYTES = 4;

/** struct erofs_inode_chunk_index. */
export const ChunkIndex = struct("erofs_inode_chunk_index", 8, {
  startblk_hi: u16(0x00),
  device_id: u16(0x02),
  startblk_lo: u32(0x04),
});

/** struct z_erofs_map_header, 8-aligned behind the extended attributes of compressed inodes. */
export const CompressionHeader = struct("z_erofs_map_header", 8, {
  /** With FRAGMENT_PCLUSTER. With INLINE_PCLUSTER its upper half is h_idata_size instead: the bytes of the inline tail. */
  h_fragmentoff: u32(0x00),
  h_advise: u16(0x04),
  /** HEAD1's algorithm in the low four bits, HEAD2's in the high ones. */
  h_algorithmtype: u8(0x06),
  /** Low four bits: log2 of the logical cluster's size in blocks; the top bit: the whole file is a fragment. */
  h_clusterbits: u8(0x07),
});
export const COMPRESSION_ALGORITHM_MASK = 0xf;
export const COMPRESSION_HEAD2_SHIFT = 4;
/** By number (Z_EROFS_COMPRESSION_*). */
export const COMPRESSION_ALGORITHMS = ["LZ4", "MicroLZMA", "DEFLATE", "Zstandard"] as const;
/** Z_EROFS_COMPRESSION_*: in h_algorithmtype, and as bit numbers of available_compr_algs. */
export const COMPRESSION = { LZ4: 0, LZMA: 1, DEFLATE: 2, ZSTD: 3 } as const;
/** h_idata_size shares h_fragmentoff's place: its bits start here. */
export const INLINE_SIZE_SHIFT = 16;
export const CLUSTER_BITS_MASK = 0xf;
export const CLUSTER_WHOLE_FRAGMENT = 0x80;
/** A whole-file fragment's header is one u64, its offset in the packed inode, with this bit set. */
export const FRAGMENT_BIT = 63n;

/** h_advise (Z_EROFS_ADVISE_*). */
export const COMPRESSION_ADVISE = {
  /** COMPRESSED_COMPACT: packs of two bytes an entry where they fit. COMPRESSED_FULL: extent records (Linux 6.15). */
  COMPACTED_2B: 0x1,
  BIG_PCLUSTER_1: 0x2,
  BIG_PCLUSTER_2: 0x4,
  /** The last physical cluster stands behind the index. */
  INLINE_PCLUSTER: 0x8,
  INTERLACED_PCLUSTER: 0x10,
  FRAGMENT_PCLUSTER: 0x20,
} as const;

/** Types of logical clusters (Z_EROFS_LCLUSTER_TYPE_*). */
export const LCLUSTER = { PLAIN: 0, HEAD1: 1, NONHEAD: 2, HEAD2: 3 } as const;

/** struct z_erofs_lcluster_index of COMPRESSED_FULL; the table starts FULL_INDEX_GAP behind the header. */
export const FullIndex = struct("z_erofs_lcluster_index", 8, {
  /** Bits 0-1: the type. */
  di_advise: u16(0x00),
  di_clusterofs: u16(0x02),
  /** HEAD and PLAIN: the block. NONHEAD: two u16, the clusters back to the head and on to the next one. */
  di_u: u32(0x04),
});
export const FULL_INDEX_GAP_BYTES = 8;
export const FULL_INDEX_TYPE_MASK = 0x3;
/** Only a part of what the physical cluster holds belongs to the file (deduplication). */
export const FULL_INDEX_PARTIAL_REF = 0x8000;

/** The first NONHEAD behind a head: its low bits are the physical cluster's blocks (Z_EROFS_LI_D0_CBLKCNT). */
export const DELTA_BLOCK_COUNT = 0x800;
export const DELTA_MASK = 0x7ff;
/** A NONHEAD's di_u: the distance to the next head stands in the upper half. */
export const DELTA_NEXT_UNIT = 2 ** 16;

/** COMPRESSED_COMPACT: entries of 12 bits or more and a type of two bits, in packs that end with a block address. */
export const COMPACT_LOW_BITS = 12;
export const COMPACT_TYPE_BITS = 2;
export const COMPACT_BASE_BYTES = 4;
/** Packs of four bytes an entry: at the start until PACK_2B_BYTES-aligned, and at the end. */
export const PACK_4B_BYTES = 8;
export const PACK_4B_ENTRIES = 2;
export const PACK_2B_BYTES = 32;
export const PACK_2B_ENTRIES = 16;

/** Z_EROFS_PCLUSTER_MAX_SIZE: no physical cluster is larger. */
export const MAX_PCLUSTER_BYTES = 2 ** 20;
/** Z_EROFS_PCLUSTER_MAX_DSIZE: nor holds more than this, unpacked. */
export const MAX_PCLUSTER_DECODED_BYTES = 12 * 2 ** 20;

/** With COMPR_CFGS: behind the superblock and its slots, a u16 length and a configuration for each algorithm, in order. */
export const CFG_LENGTH_BYTES = 2;
/** struct z_erofs_lz4_cfgs. */
export const Lz4Cfgs = struct("z_erofs_lz4_cfgs", 14, { max_distance: u16(0x00), max_pclusterblks: u16(0x02) });
/** struct z_erofs_zstd_cfgs. */
export const ZstdCfgs = struct("z_erofs_zstd_cfgs", 6, {
  format: u8(0x00),
  /** log2 of the window, less ZSTD_WINDOW_LOG_BASE. */
  windowlog: u8(0x01),
});
export const ZSTD_WINDOW_LOG_BASE = 10;
