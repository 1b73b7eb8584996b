import { ascii, bytes, type StructOf, struct, u8, u16, u32 } from "../../bytes/index.ts";

/**
 * Microsoft Extensible Firmware Initiative FAT32 File System Specification, version 1.03 (fatgen103), which UEFI 2.10,
 * section 13.3, refers to. Fields have the names of that document.
 */
export const FORMAT = "fat";

/** "Boot Sector and BPB": what all three types have in common. The rest follows by type, at offset 36. */
export const BootSector = struct("fat boot sector", 36, {
  BS_jmpBoot: bytes(0, 3),
  BS_OEMName: ascii(3, 8),
  BPB_BytsPerSec: u16(11),
  BPB_SecPerClus: u8(13),
  BPB_RsvdSecCnt: u16(14),
  BPB_NumFATs: u8(16),
  /** Zero on FAT32, whose root directory is a chain of clusters like any other. */
  BPB_RootEntCnt: u16(17),
  /** Zero where the count does not fit; then BPB_TotSec32 has it. */
  BPB_TotSec16: u16(19),
  BPB_Media: u8(21),
  /** Zero on FAT32. */
  BPB_FATSz16: u16(22),
  BPB_SecPerTrk: u16(24),
  BPB_NumHeads: u16(26),
  /** Sectors in front of the partition. */
  BPB_HiddSec: u32(28),
  BPB_TotSec32: u32(32),
});
export type BootSector = StructOf<typeof BootSector>;

/** The fields from offset 36 on FAT12 and FAT16; offsets are those in the sector. */
export const BootSector16 = struct("fat16 boot sector", 62, {
  BS_DrvNum: u8(36),
  BS_BootSig: u8(38),
  BS_VolID: u32(39),
  BS_VolLab: bytes(43, 11),
  BS_FilSysType: ascii(54, 8),
});

/** The same on FAT32. */
export const BootSector32 = struct("fat32 boot sector", 90, {
  BPB_FATSz32: u32(36),
  BPB_ExtFlags: u16(40),
  BPB_FSVer: u16(42),
  BPB_RootClus: u32(44),
  BPB_FSInfo: u16(48),
  BPB_BkBootSec: u16(50),
  BS_DrvNum: u8(64),
  BS_BootSig: u8(66),
  BS_VolID: u32(67),
  BS_VolLab: bytes(71, 11),
  BS_FilSysType: ascii(82, 8),
});

/** "FAT32 FSInfo Sector Structure and Backup Boot Sector". The rest of a larger sector is zero. */
export const FsInfo = struct("fat32 fsinfo", 512, {
  FSI_LeadSig: u32(0),
  FSI_StrucSig: u32(484),
  FSI_Free_Count: u32(488),
  FSI_Nxt_Free: u32(492),
  FSI_TrailSig: u32(508),
});

/** "FAT Directory Structure". */
export const DirectoryEntry = struct("fat directory entry", 32, {
  /** Eight bytes and three, padded with spaces, without a dot. */
  DIR_Name: bytes(0, 11),
  DIR_Attr: u8(11),
  DIR_NTRes: u8(12),
  /** Hundredths of a second, 0 to 199: what DIR_CrtTime, in steps of two seconds, leaves out. */
  DIR_CrtTimeTenth: u8(13),
  DIR_CrtTime: u16(14),
  DIR_CrtDate: u16(16),
  DIR_LstAccDate: u16(18),
  DIR_FstClusHI: u16(20),
  DIR_WrtTime: u16(22),
  DIR_WrtDate: u16(24),
  DIR_FstClusLO: u16(26),
  DIR_FileSize: u32(28),
});
export type DirectoryEntry = StructOf<typeof DirectoryEntry>;

/** "FAT Long Directory Entries": 13 UTF-16 units of a name. They stand in front of the entry they belong to, last part first. */
export const LongNameEntry = struct("fat long name entry", 32, {
  LDIR_Ord: u8(0),
  LDIR_Name1: bytes(1, 10),
  LDIR_Attr: u8(11),
  LDIR_Type: u8(12),
  LDIR_Chksum: u8(13),
  LDIR_Name2: bytes(14, 12),
  LDIR_FstClusLO: u16(26),
  LDIR_Name3: bytes(28, 4),
});

/** The signature of boot sectors and of FSInfo's last bytes: 0x55 0xaa at offset 510, whatever the sector size. */
export const BOOT_SIGNATURE = 0xaa55;
export const BOOT_SIGNATURE_OFFSET = 510;
/** The size of what has that signature. */
export const BOOT_SECTOR_BYTES = 512;

/** `BS_jmpBoot`: a short jump and a nop, or a near jump. */
export const JUMP_SHORT = 0xeb;
export const JUMP_NEAR = 0xe9;
/** `BS_BootSig`: volume id, label and type follow. */
export const EXTENDED_BOOT_SIGNATURE = 0x29;
/** `BS_DrvNum` of a hard disk. */
export const DRIVE_HARD_DISK = 0x80;

/** `BPB_Media` of what is not removable; also the low byte of FAT[0]. 0xf0 is that of removable media. */
export const MEDIA_FIXED = 0xf8;
export const MEDIA_REMOVABLE = 0xf0;

/** `BPB_ExtFlags`: one FAT only is in use, its number in the low bits. */
export const EXT_FLAGS_NOT_MIRRORED = 0x80;
export const EXT_FLAGS_ACTIVE_FAT = 0x0f;

export const FSI_LEAD_SIGNATURE = 0x41615252;
export const FSI_STRUCTURE_SIGNATURE = 0x61417272;
export const FSI_TRAIL_SIGNATURE = 0xaa550000;
/** `FSI_Free_Count` and `FSI_Nxt_Free` where it is not known. */
export const FSI_UNKNOWN = 0xffffffff;

/** `BPB_BytsPerSec`. */
export const SECTOR_SIZES: readonly number[] = [512, 1024, 2048, 4096];
export const MAX_SECTORS_PER_CLUSTER = 128;

export type FatType = 12 | 16 | 32;

/** "FAT Type Determination": a volume with fewer clusters is FAT12, or FAT16. Nothing else decides. */
export const MIN_FAT16_CLUSTERS = 4085;
export const MIN_FAT32_CLUSTERS = 65525;
/** 2^28 entries, less those above 0x0ffffff6 and the two that stand for no cluster. */
export const MAX_FAT32_CLUSTERS = 0x0ffffff5;

/** The number of the first cluster: FAT[0] and FAT[1] stand for no cluster. */
export const FIRST_CLUSTER = 2;

interface EntryValues {
  /** The bits that count; FAT32 leaves the upper four of an entry to others. */
  readonly mask: number;
  readonly bad: number;
  /** This and all above: the end of a chain. */
  readonly endOfChain: number;
}
export const ENTRY_VALUES: Readonly<Record<FatType, EntryValues>> = {
  12: { mask: 0xfff, bad: 0xff7, endOfChain: 0xff8 },
  16: { mask: 0xffff, bad: 0xfff7, endOfChain: 0xfff8 },
  32: { mask: 0x0fffffff, bad: 0x0ffffff7, endOfChain: 0x0ffffff8 },
};

export const ATTRIBUTE = {
  READ_ONLY: 0x01,
  HIDDEN: 0x02,
  SYSTEM: 0x04,
  VOLUME_ID: 0x08,
  DIRECTORY: 0x10,
  ARCHIVE: 0x20,
} as const;
/** No file has these four at once: so old systems pass over long names. */
export const ATTRIBUTE_LONG_NAME = 0x0f;
export const ATTRIBUTE_LONG_NAME_MASK = 0x3f;

/** `DIR_Name[0]` of an entry that is free, and of one with which the directory ends. */
export const NAME_FREE = 0xe5;
export const NAME_END = 0x00;
/** Stands for a name that begins with 0xe5. */
export const NAME_E5 = 0x05;

/** `DIR_NTRes`, as Windows NT and Linux use it: the name or the extension is lower case. */
export const LOWER_CASE_BASE = 0x08;
export const LOWER_CASE_EXTENSION = 0x10;

export const SHORT_NAME_BYTES = 11;
export const SHORT_BASE_BYTES = 8;
export const SHORT_EXTENSION_BYTES = 3;

/** `LDIR_Ord` of the last part, which comes first. */
export const LAST_LONG_ENTRY = 0x40;
export const UNITS_PER_LONG_ENTRY = 13;
/** UTF-16 units in a name. */
export const MAX_NAME_UNITS = 255;

/** A directory has at most 65,536 entries of 32 bytes. */
export const MAX_DIRECTORY_BYTES = 65536 * DirectoryEntry.size;
/** `DIR_FileSize` has 32 bits. */
export const MAX_FILE_BYTES = 0xffffffff;
