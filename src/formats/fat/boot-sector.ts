import type { FatGeometry } from "./geometry.ts";
import {
  BOOT_SECTOR_BYTES,
  BOOT_SIGNATURE,
  BOOT_SIGNATURE_OFFSET,
  BootSector,
  BootSector16,
  BootSector32,
  DRIVE_HARD_DISK,
  EXTENDED_BOOT_SIGNATURE,
  FIRST_CLUSTER,
  FSI_LEAD_SIGNATURE,
  FSI_STRUCTURE_SIGNATURE,
  FSI_TRAIL_SIGNATURE,
  FSI_UNKNOWN,
  FsInfo,
  JUMP_SHORT,
  MEDIA_FIXED,
} from "./layout.ts";

/** What tells a volume from others. */
export interface VolumeIdentity {
  /** 32 bits; tools show it as `1A2B-3C4D`. */
  readonly volumeId: number;
  /** In upper case, at most 11 characters. */
  readonly label: string | undefined;
  /** Sectors in front of the volume: the place of its partition. */
  readonly hiddenSectors: number;
}

/** fatgen103: the name that systems look for; some old ones refuse others. */
const OEM_NAME = "MSWIN4.1";
const NO_LABEL = "NO NAME";
/** Nothing reads them, but fsck.vfat and old systems want some that are possible. */
const SECTORS_PER_TRACK = 63;
const HEADS = 255;

const FSINFO_SECTOR = 1;
/** "No sector number other than 6 is recommended" (fatgen103). */
const BACKUP_SECTOR = 6;

const SHORT_JUMP_BYTES = 2;
const NOP = 0x90;
/** What the jump leads to, should a BIOS ever start it: ask the BIOS for another disk (int 18h), then halt for good. */
const BOOT_CODE = Uint8Array.of(0xcd, 0x18, 0xf4, 0xeb, 0xfd);

/** Everything in front of the FATs. `usedClusters` are the first ones. */
export function encodeReservedSectors(
  geometry: FatGeometry,
  identity: VolumeIdentity,
  usedClusters: number,
): Uint8Array {
  const { sectorBytes } = geometry;
  const reserved = new Uint8Array(geometry.reservedSectors * sectorBytes);
  const boot = encodeBootSector(geometry, identity);
  reserved.set(boot);
  if (geometry.type !== 32) return reserved;
  const info = encodeFsInfo(geometry, usedClusters);
  reserved.set(info, FSINFO_SECTOR * sectorBytes);
  reserved.set(boot, BACKUP_SECTOR * sectorBytes);
  reserved.set(info, (BACKUP_SECTOR + FSINFO_SECTOR) * sectorBytes);
  return reserved;
}

const MAX_U16 = 0xffff;

function encodeBootSector(geometry: FatGeometry, identity: VolumeIdentity): Uint8Array {
  const { type, sectorBytes, sectorCount } = geometry;
  const sector = new Uint8Array(BOOT_SECTOR_BYTES);
  const extension = type === 32 ? BootSector32 : BootSector16;
  const isShort = type !== 32 && sectorCount <= MAX_U16;
  BootSector.write(sector, 0, {
    BS_jmpBoot: Uint8Array.of(JUMP_SHORT, extension.size - SHORT_JUMP_BYTES, NOP),
    BS_OEMName: OEM_NAME,
    BPB_BytsPerSec: sectorBytes,
    BPB_SecPerClus: geometry.clusterBytes / sectorBytes,
    BPB_RsvdSecCnt: geometry.reservedSectors,
    BPB_NumFATs: geometry.fatCount,
    BPB_RootEntCnt: geometry.rootEntries,
    BPB_TotSec16: isShort ? sectorCount : 0,
    BPB_Media: MEDIA_FIXED,
    BPB_FATSz16: type === 32 ? 0 : geometry.fatSectors,
    BPB_SecPerTrk: SECTORS_PER_TRACK,
    BPB_NumHeads: HEADS,
    BPB_HiddSec: identity.hiddenSectors,
    BPB_TotSec32: isShort ? 0 : sectorCount,
  });
  extension.write(sector, 0, {
    BS_DrvNum: DRIVE_HARD_DISK,
    BS_BootSig: EXTENDED_BOOT_SIGNATURE,
    BS_VolID: identity.volumeId,
    BS_VolLab: encodeLabel(identity.label ?? NO_LABEL),
    BS_FilSysType: `FAT${type}   `,
  });
  if (type === 32) {
    BootSector32.write(sector, 0, {
      BPB_FATSz32: geometry.fatSectors,
      BPB_RootClus: FIRST_CLUSTER,
      BPB_FSInfo: FSINFO_SECTOR,
      BPB_BkBootSec: BACKUP_SECTOR,
    });
  }
  sector.set(BOOT_CODE, extension.size);
  new DataView(sector.buffer).setUint16(BOOT_SIGNATURE_OFFSET, BOOT_SIGNATURE, true);
  return sector;
}

function encodeFsInfo({ clusterCount }: FatGeometry, usedClusters: number): Uint8Array {
  return FsInfo.encode({
    FSI_LeadSig: FSI_LEAD_SIGNATURE,
    FSI_StrucSig: FSI_STRUCTURE_SIGNATURE,
    FSI_Free_Count: clusterCount - usedClusters,
    FSI_Nxt_Free: usedClusters < clusterCount ? FIRST_CLUSTER + usedClusters : FSI_UNKNOWN,
    FSI_TrailSig: FSI_TRAIL_SIGNATURE,
  });
}

const LABEL_BYTES = 11;

/** 11 bytes, padded with spaces. */
export function encodeLabel(label: string): Uint8Array {
  return Buffer.from(label.padEnd(LABEL_BYTES), "latin1");
}
