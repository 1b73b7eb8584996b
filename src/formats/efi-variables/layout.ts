/**
 * EFI variables that hold the keys of Secure Boot (UEFI 2.10, sections 8.2 and 32.4), and how OVMF stores variables in its flash
 * (edk2, MdeModulePkg/Include/Guid/VariableFormat.h): declarations only. All integers are little-endian.
 */
import { ascii, bytes, efiGuid, type Guid, struct, u8, u16, u32, u64 } from "../../bytes/index.ts";

export const FORMAT = "efi-variables";

/** EFI_TIME; a time zone of 0 is UTC. */
export const EfiTime = struct("EFI_TIME", 16, {
  Year: u16(0x00),
  Month: u8(0x02),
  Day: u8(0x03),
  Hour: u8(0x04),
  Minute: u8(0x05),
  Second: u8(0x06),
});

/** EFI_SIGNATURE_LIST: entries of the same type and size follow, each with its owner's GUID in front. */
export const SignatureList = struct("EFI_SIGNATURE_LIST", 28, {
  SignatureType: efiGuid(0x00),
  SignatureListSize: u32(0x10),
  SignatureHeaderSize: u32(0x14),
  SignatureSize: u32(0x18),
});
/** EFI_CERT_X509_GUID */
export const X509_SIGNATURE: Guid = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072";

/** EFI_VARIABLE_AUTHENTICATION_2: the time, then a WIN_CERTIFICATE_UEFI_GUID, whose message follows; then the value. */
export const VariableAuthentication = struct("EFI_VARIABLE_AUTHENTICATION_2", 40, {
  TimeStamp: bytes(0x00, EfiTime.size),
  /** From this field on, with the message. */
  dwLength: u32(0x10),
  wRevision: u16(0x14),
  wCertificateType: u16(0x16),
  CertType: efiGuid(0x18),
});
export const WIN_CERT_REVISION_2 = 0x0200;
export const WIN_CERT_TYPE_EFI_GUID = 0x0ef1;
/** EFI_CERT_TYPE_PKCS7_GUID */
export const PKCS7_CERTIFICATE: Guid = "4aafd29d-68df-49ee-8aa9-347d375665a7";

/** EFI_VARIABLE_NON_VOLATILE, _BOOTSERVICE_ACCESS, _RUNTIME_ACCESS, _TIME_BASED_AUTHENTICATED_WRITE_ACCESS */
export const KEY_ATTRIBUTES = 0x01 | 0x02 | 0x04 | 0x20;
/** EFI_GLOBAL_VARIABLE, EFI_IMAGE_SECURITY_DATABASE_GUID */
export const GLOBAL_VARIABLE: Guid = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
export const IMAGE_SECURITY_DATABASE: Guid = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

/** EFI_FIRMWARE_VOLUME_HEADER up to its block map: flash begins with it. */
export const FirmwareVolumeHeader = struct("EFI_FIRMWARE_VOLUME_HEADER", 56, {
  FileSystemGuid: efiGuid(0x10),
  FvLength: u64(0x20),
  Signature: ascii(0x28, 4),
  HeaderLength: u16(0x30),
});
export const FIRMWARE_VOLUME_SIGNATURE = "_FVH";

/** VARIABLE_STORE_HEADER: variables follow. */
export const VariableStoreHeader = struct("VARIABLE_STORE_HEADER", 28, {
  Signature: efiGuid(0x00),
  /** With this header. */
  Size: u32(0x10),
  Format: u8(0x14),
  State: u8(0x15),
});
/** gEfiAuthenticatedVariableGuid */
export const AUTHENTICATED_STORE: Guid = "aaf32c78-947b-439a-a180-2e144ec37792";
export const STORE_FORMATTED = 0x5a;
export const STORE_HEALTHY = 0xfe;

/** AUTHENTICATED_VARIABLE_HEADER: the name in UTF-16 with its NUL, then the value; the next one at a multiple of 4. */
export const VariableHeader = struct("AUTHENTICATED_VARIABLE_HEADER", 60, {
  StartId: u16(0x00),
  State: u8(0x02),
  Attributes: u32(0x04),
  TimeStamp: bytes(0x10, EfiTime.size),
  NameSize: u32(0x24),
  DataSize: u32(0x28),
  VendorGuid: efiGuid(0x2c),
});
export const VARIABLE_START = 0x55aa;
/** VAR_ADDED: flash can only clear bits, so it begins with all set. */
export const VARIABLE_ADDED = 0x3f;
export const VARIABLE_ALIGNMENT = 4;
