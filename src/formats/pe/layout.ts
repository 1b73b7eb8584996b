/**
 * PE/COFF on disk, as EFI programs have it (Microsoft PE format, UEFI 2.10 section 2.1.1): declarations only, in disk order.
 * All integers are little-endian.
 */
import { ascii, struct, u8, u16, u32, u64 } from "../../bytes/index.ts";

export const FORMAT = "pe";

/** IMAGE_DOS_HEADER: only its mark and the way to the real header are of use. */
export const DosHeader = struct("IMAGE_DOS_HEADER", 64, { e_magic: ascii(0x00, 2), e_lfanew: u32(0x3c) });
export const DOS_MAGIC = "MZ";

/** The signature and IMAGE_FILE_HEADER, at e_lfanew. */
export const FileHeader = struct("IMAGE_FILE_HEADER", 24, {
  /** "PE\0\0" */
  Signature: ascii(0x00, 4),
  Machine: u16(0x04),
  NumberOfSections: u16(0x06),
  TimeDateStamp: u32(0x08),
  PointerToSymbolTable: u32(0x0c),
  NumberOfSymbols: u32(0x10),
  SizeOfOptionalHeader: u16(0x14),
  Characteristics: u16(0x16),
});
export const PE_SIGNATURE = "PE";

/** IMAGE_OPTIONAL_HEADER64 up to its data directories (PE32+), behind the file header. */
export const OptionalHeader64 = struct("IMAGE_OPTIONAL_HEADER64", 112, {
  Magic: u16(0x00),
  MajorLinkerVersion: u8(0x02),
  MinorLinkerVersion: u8(0x03),
  SizeOfCode: u32(0x04),
  SizeOfInitializedData: u32(0x08),
  SizeOfUninitializedData: u32(0x0c),
  AddressOfEntryPoint: u32(0x10),
  BaseOfCode: u32(0x14),
  ImageBase: u64(0x18),
  SectionAlignment: u32(0x20),
  FileAlignment: u32(0x24),
  MajorImageVersion: u16(0x2c),
  MinorImageVersion: u16(0x2e),
  SizeOfImage: u32(0x38),
  SizeOfHeaders: u32(0x3c),
  CheckSum: u32(0x40),
  Subsystem: u16(0x44),
  DllCharacteristics: u16(0x46),
  NumberOfRvaAndSizes: u32(0x6c),
});
export const OPTIONAL_MAGIC_64 = 0x20b;

/** IMAGE_OPTIONAL_HEADER32 up to its data directories (PE32): 32-bit firmware. */
export const OptionalHeader32 = struct("IMAGE_OPTIONAL_HEADER32", 96, {
  Magic: u16(0x00),
  SizeOfInitializedData: u32(0x08),
  AddressOfEntryPoint: u32(0x10),
  ImageBase: u32(0x1c),
  SectionAlignment: u32(0x20),
  FileAlignment: u32(0x24),
  SizeOfImage: u32(0x38),
  SizeOfHeaders: u32(0x3c),
  CheckSum: u32(0x40),
  Subsystem: u16(0x44),
  DllCharacteristics: u16(0x46),
  NumberOfRvaAndSizes: u32(0x5c),
});
export const OPTIONAL_MAGIC_32 = 0x10b;

/** IMAGE_DLLCHARACTERISTICS_NX_COMPAT: the program does without memory that is writable and executable. */
export const NX_COMPATIBLE = 0x0100;

/** IMAGE_DATA_DIRECTORY. */
export const DataDirectory = struct("IMAGE_DATA_DIRECTORY", 8, { VirtualAddress: u32(0x00), Size: u32(0x04) });
/** IMAGE_DIRECTORY_ENTRY_DEBUG: what it points at says where in the file more of it stands. */
export const DEBUG_DIRECTORY = 6;
/** IMAGE_DIRECTORY_ENTRY_SECURITY: its address is an offset in the file. */
export const CERTIFICATE_DIRECTORY = 4;
/** IMAGE_NUMBEROF_DIRECTORY_ENTRIES */
export const MAX_DATA_DIRECTORIES = 16;

/** IMAGE_SECTION_HEADER: the table stands behind the optional header. */
export const SectionHeader = struct("IMAGE_SECTION_HEADER", 40, {
  Name: ascii(0x00, 8),
  VirtualSize: u32(0x08),
  VirtualAddress: u32(0x0c),
  SizeOfRawData: u32(0x10),
  PointerToRawData: u32(0x14),
  Characteristics: u32(0x24),
});

/** IMAGE_SCN_CNT_CODE, IMAGE_SCN_CNT_INITIALIZED_DATA, IMAGE_SCN_MEM_READ */
export const SECTION_CODE = 0x20;
export const SECTION_INITIALIZED = 0x40;
export const SECTION_READABLE = 0x4000_0000;

/** A stub's header has room for 497 at most; a unified kernel image of several profiles needs some dozens. */
export const MAX_SECTIONS = 1024;
/** IMAGE_SCN_CNT_UNINITIALIZED_DATA: nothing of it is in the file. */
export const SECTION_UNINITIALIZED = 0x80;

/** WIN_CERTIFICATE: one signature of the table at the file's end; the next one starts at a multiple of 8. */
export const WinCertificate = struct("WIN_CERTIFICATE", 8, {
  /** With this header, without the padding. */
  dwLength: u32(0x00),
  wRevision: u16(0x04),
  wCertificateType: u16(0x06),
});
export const WIN_CERT_REVISION_2 = 0x0200;
export const WIN_CERT_TYPE_PKCS_SIGNED_DATA = 0x0002;
export const CERTIFICATE_ALIGNMENT = 8;
/** Signatures in one file: firmware tries each of them, sbsign and pesign add one at a time. */
export const MAX_CERTIFICATES = 32;
