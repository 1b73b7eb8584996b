import { type ByteSource, FormatError, hex, isPowerOfTwo } from "../../bytes/index.ts";
import { type FatGeometry, fatBytes, fatTypeOf, placeParts } from "./geometry.ts";
import {
  BOOT_SECTOR_BYTES,
  BOOT_SIGNATURE,
  BOOT_SIGNATURE_OFFSET,
  BootSector,
  BootSector16,
  BootSector32,
  EXT_FLAGS_ACTIVE_FAT,
  EXT_FLAGS_NOT_MIRRORED,
  EXTENDED_BOOT_SIGNATURE,
  FORMAT,
  FSI_LEAD_SIGNATURE,
  FSI_STRUCTURE_SIGNATURE,
  FSI_UNKNOWN,
  FsInfo,
  JUMP_NEAR,
  JUMP_SHORT,
  MAX_FAT32_CLUSTERS,
  MEDIA_FIXED,
  MEDIA_REMOVABLE,
  MIN_FAT32_CLUSTERS,
  SECTOR_SIZES,
} from "./layout.ts";
import { decodeOem } from "./short-name.ts";

/** What the boot sector of a volume says. */
export interface FatVolume {
  readonly geometry: FatGeometry;
  readonly oemName: string;
  /** 32 bits; undefined on volumes from before 1990. */
  readonly volumeId: number | undefined;
  /** The one in the boot sector; that of the root directory is the one that counts. */
  readonly bootLabel: string | undefined;
  readonly hiddenSectors: number;
  /** Of the FAT that is used, from 0. */
  readonly activeFat: number;
  /** Of FAT32's root directory. */
  readonly rootCluster: number;
  /** Numbers of sectors; undefined where there is none. */
  readonly infoSector: number | undefined;
  readonly backupSector: number | undefined;
  /** As FSInfo tells it, which is a hint only. */
  readonly freeClusters: number | undefined;
  readonly warnings: readonly string[];
}

/** Sector numbers that stand for no sector. */
const NO_SECTOR = [0, 0xffff];

/** Whether the first bytes of a file or partition are a boot sector of FAT, and not a boot sector of something else. */
export function isFat(head: Uint8Array): boolean {
  if (head.length < BOOT_SECTOR_BYTES) return false;
  const boot = BootSector.parse(head);
  const [jump] = boot.BS_jmpBoot;
  return (
    (jump === JUMP_SHORT || jump === JUMP_NEAR) &&
    hasBootSignature(head) &&
    SECTOR_SIZES.includes(boot.BPB_BytsPerSec) &&
    isPowerOfTwo(boot.BPB_SecPerClus) &&
    boot.BPB_RsvdSecCnt > 0 &&
    boot.BPB_NumFATs > 0 &&
    // NTFS has neither of these.
    (boot.BPB_FATSz16 > 0 || BootSector32.parse(head).BPB_FATSz32 > 0) &&
    (boot.BPB_TotSec16 > 0 || boot.BPB_TotSec32 > 0)
  );
}

function hasBootSignature(sector: Uint8Array): boolean {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.length);
  return view.getUint16(BOOT_SIGNATURE_OFFSET, true) === BOOT_SIGNATURE;
}

/** @throws FormatError when the boot sector is not that of a FAT volume, or says what cannot be. */
export function readFatVolume(source: ByteSource): FatVolume {
  const sector = source.read(0, BOOT_SECTOR_BYTES);
  const boot = BootSector.parse(sector);
  checkBootSector(boot, sector);
  const ext32 = BootSector32.parse(sector);
  // Linux and mtools go by this, and so volumes exist that have it and too few clusters.
  const isFat32 = boot.BPB_FATSz16 === 0;
  const parts = placeParts({
    sectorBytes: boot.BPB_BytsPerSec,
    clusterBytes: boot.BPB_SecPerClus * boot.BPB_BytsPerSec,
    sectorCount: boot.BPB_TotSec16 || boot.BPB_TotSec32,
    reservedSectors: boot.BPB_RsvdSecCnt,
    fatCount: boot.BPB_NumFATs,
    fatSectors: isFat32 ? ext32.BPB_FATSz32 : boot.BPB_FATSz16,
    rootEntries: boot.BPB_RootEntCnt,
  });
  const geometry: FatGeometry = { ...parts, type: isFat32 ? 32 : fatTypeOf(parts.clusterCount) };
  checkGeometry(geometry, isFat32, source.size);

  const warnings: string[] = [];
  if (isFat32 && geometry.clusterCount < MIN_FAT32_CLUSTERS) {
    warnings.push(
      `The volume has only ${geometry.clusterCount} clusters: strictly it is no FAT32, and some firmware refuses it`,
    );
  }
  const extension = isFat32 ? ext32 : BootSector16.parse(sector);
  const hasIdentity = extension.BS_BootSig === EXTENDED_BOOT_SIGNATURE;
  const infoSector = isFat32 ? sectorNumber(ext32.BPB_FSInfo, geometry) : undefined;
  return {
    geometry,
    oemName: boot.BS_OEMName.trimEnd(),
    volumeId: hasIdentity ? extension.BS_VolID : undefined,
    bootLabel: hasIdentity ? decodeOem(extension.BS_VolLab) : undefined,
    hiddenSectors: boot.BPB_HiddSec,
    activeFat: isFat32 ? activeFat(ext32.BPB_ExtFlags, geometry) : 0,
    rootCluster: isFat32 ? ext32.BPB_RootClus : 0,
    infoSector,
    backupSector: isFat32 ? sectorNumber(ext32.BPB_BkBootSec, geometry) : undefined,
    freeClusters: infoSector === undefined ? undefined : readFreeClusters(source, geometry, infoSector, warnings),
    warnings,
  };
}

function checkBootSector(boot: BootSector, sector: Uint8Array): void {
  if (!hasBootSignature(sector)) {
    fail(`Cannot find a boot sector: expected the signature ${hex(BOOT_SIGNATURE)}`, { offset: BOOT_SIGNATURE_OFFSET });
  }
  const check = (field: keyof typeof BootSector.fields, isUsable: boolean, expected: string): void => {
    if (isUsable) return;
    const { offset } = BootSector.fields[field];
    fail(`Cannot use the value ${String(boot[field])}: expected ${expected}`, { field, offset });
  };
  check("BPB_BytsPerSec", SECTOR_SIZES.includes(boot.BPB_BytsPerSec), `one of ${SECTOR_SIZES.join(", ")}`);
  check("BPB_SecPerClus", isPowerOfTwo(boot.BPB_SecPerClus), "a power of two");
  check("BPB_RsvdSecCnt", boot.BPB_RsvdSecCnt > 0, "at least 1");
  check("BPB_NumFATs", boot.BPB_NumFATs > 0, "at least 1");
  const isMedia = boot.BPB_Media >= MEDIA_FIXED || boot.BPB_Media === MEDIA_REMOVABLE;
  check("BPB_Media", isMedia, `${MEDIA_REMOVABLE}, or ${MEDIA_FIXED} to 255`);
}

function checkGeometry(geometry: FatGeometry, isFat32: boolean, sourceBytes: number): void {
  const { sectorBytes, sectorCount, clusterCount, fatSectors, type } = geometry;
  const size = sectorCount * sectorBytes;
  if (size > sourceBytes) fail(`Cannot read a volume of ${size} bytes: the input ends after ${sourceBytes}`);
  if (clusterCount < 1) fail(`Cannot use a volume of ${sectorCount} sectors: nothing is left for clusters`);
  if (isFat32 ? clusterCount > MAX_FAT32_CLUSTERS : type === 32) {
    fail(`Cannot use ${clusterCount} clusters: more than FAT${isFat32 ? 32 : 16} can number`);
  }
  const needed = fatBytes(type, clusterCount);
  if (fatSectors * sectorBytes < needed) {
    fail(`Cannot use a FAT of ${fatSectors * sectorBytes} bytes: expected ${needed} for ${clusterCount} clusters`);
  }
}

function activeFat(flags: number, { fatCount }: FatGeometry): number {
  const active = (flags & EXT_FLAGS_NOT_MIRRORED) === 0 ? 0 : flags & EXT_FLAGS_ACTIVE_FAT;
  if (active < fatCount) return active;
  fail(`Cannot use FAT number ${active}: there are ${fatCount}`, {
    field: "BPB_ExtFlags",
    offset: BootSector32.fields.BPB_ExtFlags.offset,
  });
}

function sectorNumber(sector: number, { reservedSectors }: FatGeometry): number | undefined {
  return NO_SECTOR.includes(sector) || sector >= reservedSectors ? undefined : sector;
}

function readFreeClusters(
  source: ByteSource,
  { sectorBytes, clusterCount }: FatGeometry,
  sector: number,
  warnings: string[],
): number | undefined {
  const info = FsInfo.parse(source.read(sector * sectorBytes, FsInfo.size));
  if (info.FSI_LeadSig !== FSI_LEAD_SIGNATURE || info.FSI_StrucSig !== FSI_STRUCTURE_SIGNATURE) {
    warnings.push(`Sector ${sector}, which should be FSInfo, is not: how much is free is not known`);
    return undefined;
  }
  const { FSI_Free_Count } = info;
  if (FSI_Free_Count === FSI_UNKNOWN) return undefined;
  if (FSI_Free_Count <= clusterCount) return FSI_Free_Count;
  warnings.push(`FSInfo says that ${FSI_Free_Count} clusters are free, of ${clusterCount}`);
  return undefined;
}

function fail(message: string, where: { field?: string; offset?: number } = {}): never {
  throw new FormatError(message, { format: FORMAT, ...where });
}
