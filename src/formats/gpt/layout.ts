import { bytes, efiGuid, type StructOf, struct, u8, u16, u32, u64 } from "../../bytes/index.ts";

/** UEFI 2.10, chapter 5 (GUID Partition Table Disk Layout). LBA: a sector's number. */
export const FORMAT = "gpt";

/** Section 5.2.1: one of the four records of a master boot record. */
export const MbrRecord = struct("mbr partition record", 16, {
  boot_indicator: u8(0),
  starting_chs: bytes(1, 3),
  os_type: u8(4),
  ending_chs: bytes(5, 3),
  starting_lba: u32(8),
  size_in_lba: u32(12),
});
export type MbrRecord = StructOf<typeof MbrRecord>;

/** Section 5.2.3: the start of sector 0. The rest of a sector that is larger is zero. */
export const ProtectiveMbr = struct("protective mbr", 512, {
  boot_code: bytes(0, 440),
  unique_mbr_disk_signature: u32(440),
  records: bytes(446, 64),
  signature: u16(510),
});
export type ProtectiveMbr = StructOf<typeof ProtectiveMbr>;

/** Section 5.3.2, table 5.5. The rest of the sector is zero. */
export const GptHeader = struct("gpt header", 92, {
  signature: bytes(0, 8),
  revision: u32(8),
  header_size: u32(12),
  /** Over `header_size` bytes with this field zero. */
  header_crc32: u32(16),
  reserved: u32(20),
  my_lba: u64(24),
  alternate_lba: u64(32),
  first_usable_lba: u64(40),
  last_usable_lba: u64(48),
  disk_guid: efiGuid(56),
  partition_entry_lba: u64(72),
  number_of_partition_entries: u32(80),
  size_of_partition_entry: u32(84),
  /** Over all entries, used and unused. */
  partition_entry_array_crc32: u32(88),
});
export type GptHeader = StructOf<typeof GptHeader>;

/** Section 5.3.3, table 5.6. */
export const GptEntry = struct("gpt entry", 128, {
  partition_type_guid: efiGuid(0),
  unique_partition_guid: efiGuid(16),
  starting_lba: u64(32),
  /** Inclusive. */
  ending_lba: u64(40),
  attributes: u64(48),
  /** UTF-16LE, padded with NUL. */
  partition_name: bytes(56, 72),
});
export type GptEntry = StructOf<typeof GptEntry>;

export const GPT_SIGNATURE = "EFI PART";
export const GPT_REVISION = 0x00010000;

export const MBR_SIGNATURE = 0xaa55;
export const MBR_RECORDS = 4;
/** `OSType` of the record that keeps tools without knowledge of GPT away. */
export const MBR_TYPE_PROTECTIVE = 0xee;
/** CHS address of LBA 1: head 0, sector 2, cylinder 0. */
export const MBR_FIRST_CHS = Uint8Array.of(0x00, 0x02, 0x00);
/** The CHS address that stands for all that CHS cannot express. */
export const MBR_LAST_CHS = Uint8Array.of(0xff, 0xff, 0xff);
export const MBR_MAX_SIZE_IN_LBA = 0xffffffff;

export const PRIMARY_HEADER_LBA = 1;

/** Section 5.3.1: at least 16 KiB are reserved for entries, which is 128 of them; every tool writes that many. */
export const DEFAULT_ENTRY_COUNT = 128;
/** Eight times what tools write; with MAX_ENTRY_SIZE, at most 1 MiB is read for the entries. */
export const MAX_ENTRY_COUNT = 1024;
/** Section 5.3.2: 128 times a power of two. */
export const MAX_ENTRY_SIZE = 1024;

export const DEFAULT_SECTOR_SIZE = 512;
/** Where readers look for the header, smallest first, as the kernel's tools do. */
export const SECTOR_SIZES: readonly number[] = [512, 1024, 2048, 4096];

/** What every partitioning tool uses: a multiple of all erase blocks and stripes in common use. */
export const DEFAULT_ALIGNMENT = 1024 * 1024;

/** UTF-16 code units in `partition_name`. */
export const MAX_NAME_UNITS = 36;
