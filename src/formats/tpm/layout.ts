/**
 * The event log that firmware keeps of what it measured (TCG PC Client Platform Firmware Profile 1.05, section 10; TCG EFI
 * Protocol Specification 1.22, section 5), and the numbers of TPM 2.0 that policies need (TPM 2.0 Library, part 2):
 * declarations only. Integers of the log are little-endian; those of the TPM itself are big-endian.
 */
import { ascii, bytes, struct, u8, u16, u32 } from "../../bytes/index.ts";

export const FORMAT = "tpm-event-log";

/** TPM_ALG_ID of the hash algorithms that banks of PCRs have, and the bytes of their digests. */
export const BANKS = {
  sha1: { algorithm: 0x0004, digestBytes: 20 },
  sha256: { algorithm: 0x000b, digestBytes: 32 },
  sha384: { algorithm: 0x000c, digestBytes: 48 },
  sha512: { algorithm: 0x000d, digestBytes: 64 },
} as const;

export type Bank = keyof typeof BANKS;

/** TCG_PCClientPCREvent: the first record of every log, and all records of old ones. The event's data follows. */
export const LegacyEvent = struct("TCG_PCClientPCREvent", 32, {
  PCRIndex: u32(0x00),
  EventType: u32(0x04),
  /** SHA-1 */
  Digest: bytes(0x08, BANKS.sha1.digestBytes),
  EventDataSize: u32(0x1c),
});

/** TCG_EfiSpecIDEventStruct up to its algorithms: the data of the first record of a log of several algorithms. */
export const SpecIdEvent = struct("TCG_EfiSpecIDEventStruct", 28, {
  Signature: ascii(0x00, 16),
  PlatformClass: u32(0x10),
  SpecVersionMinor: u8(0x14),
  SpecVersionMajor: u8(0x15),
  SpecErrata: u8(0x16),
  UintnSize: u8(0x17),
  NumberOfAlgorithms: u32(0x18),
});
export const SPEC_ID_SIGNATURE = "Spec ID Event03";

/** TCG_EfiSpecIdEventAlgorithmSize; behind the last one, the size of what the vendor adds (u8), and that. */
export const AlgorithmSize = struct("TCG_EfiSpecIdEventAlgorithmSize", 4, {
  AlgorithmId: u16(0x00),
  DigestSize: u16(0x02),
});

/** TCG_PCR_EVENT2 up to its digests: each is an algorithm (u16) and a digest. Then a size (u32) and the event's data. */
export const EventHeader = struct("TCG_PCR_EVENT2", 12, {
  PCRIndex: u32(0x00),
  EventType: u32(0x04),
  DigestCount: u32(0x08),
});

/** UEFI_VARIABLE_DATA: the name in UTF-16 without a NUL, then the value. */
export const VariableData = struct("UEFI_VARIABLE_DATA", 32, {
  VariableName: bytes(0x00, 16),
  /** Of 64 bits, of which firmware never uses the upper ones. */
  UnicodeNameLength: u32(0x10),
  VariableDataLength: u32(0x18),
});

/** TCG_PCClientTaggedEvent. */
export const TaggedEvent = struct("TCG_PCClientTaggedEvent", 8, {
  TaggedEventId: u32(0x00),
  TaggedEventDataSize: u32(0x04),
});

/** Types of events. */
export const EVENT_TYPES = {
  EV_PREBOOT_CERT: 0x0,
  EV_POST_CODE: 0x1,
  EV_NO_ACTION: 0x3,
  EV_SEPARATOR: 0x4,
  EV_ACTION: 0x5,
  EV_EVENT_TAG: 0x6,
  EV_S_CRTM_CONTENTS: 0x7,
  EV_S_CRTM_VERSION: 0x8,
  EV_CPU_MICROCODE: 0x9,
  EV_PLATFORM_CONFIG_FLAGS: 0xa,
  EV_TABLE_OF_DEVICES: 0xb,
  EV_COMPACT_HASH: 0xc,
  EV_IPL: 0xd,
  EV_IPL_PARTITION_DATA: 0xe,
  EV_NONHOST_CODE: 0xf,
  EV_NONHOST_CONFIG: 0x10,
  EV_NONHOST_INFO: 0x11,
  EV_OMIT_BOOT_DEVICE_EVENTS: 0x12,
  EV_EFI_VARIABLE_DRIVER_CONFIG: 0x8000_0001,
  EV_EFI_VARIABLE_BOOT: 0x8000_0002,
  EV_EFI_BOOT_SERVICES_APPLICATION: 0x8000_0003,
  EV_EFI_BOOT_SERVICES_DRIVER: 0x8000_0004,
  EV_EFI_RUNTIME_SERVICES_DRIVER: 0x8000_0005,
  EV_EFI_GPT_EVENT: 0x8000_0006,
  EV_EFI_ACTION: 0x8000_0007,
  EV_EFI_PLATFORM_FIRMWARE_BLOB: 0x8000_0008,
  EV_EFI_HANDOFF_TABLES: 0x8000_0009,
  EV_EFI_PLATFORM_FIRMWARE_BLOB2: 0x8000_000a,
  EV_EFI_HANDOFF_TABLES2: 0x8000_000b,
  EV_EFI_VARIABLE_BOOT2: 0x8000_000c,
  EV_EFI_GPT_EVENT2: 0x8000_000d,
  EV_EFI_HCRTM_EVENT: 0x8000_0010,
  EV_EFI_VARIABLE_AUTHORITY: 0x8000_00e0,
  EV_EFI_SPDM_FIRMWARE_BLOB: 0x8000_00e1,
  EV_EFI_SPDM_FIRMWARE_CONFIG: 0x8000_00e2,
} as const;

/** The data of an EV_NO_ACTION event that says from which locality the TPM was started: a NUL and one byte follow. */
export const STARTUP_LOCALITY = "StartupLocality";

/** A TPM of the PC Client profile has these. */
export const PCR_COUNT = 24;
/** PCRs of a dynamic launch start with all bits set. */
export const DYNAMIC_PCRS = { first: 17, last: 22 } as const;

/** Firmware reserves tens of kilobytes for its log, some servers a megabyte. */
export const MAX_LOG_BYTES = 16 << 20;
/** HASH_COUNT: there are not as many algorithms. */
export const MAX_ALGORITHMS = 16;
/** No digest is longer: SHA-512. */
export const MAX_DIGEST_BYTES = 64;

/** TPM_CC_PolicyPCR, the command that a policy of PCR values stands for. */
export const TPM_CC_POLICY_PCR = 0x17f;
/** Bytes of a TPMS_PCR_SELECTION's bit map: one bit a PCR. */
export const PCR_SELECT_BYTES = PCR_COUNT / 8;
