/** UAPI.3 (Discoverable Disk Image) and UAPI.2 (Discoverable Partitions Specification). */
export const FORMAT = "ddi";

/**
 * Partition GUIDs are the two halves of the root hash (UAPI.2, section "verity"), so that the pair gives the hash
 * back. That works for hashes of twice a GUID's size: SHA-256.
 */
export const ROOT_HASH_SIZE = 32;

/** dm-verity's blocks in a DDI, and the unit in which its content is measured. */
export const BLOCK_SIZE = 4096;

/**
 * Where partitions start. A DDI is a file on a file system, often a small ESP: the usual 1 MiB would only add up to
 * three megabytes of zeroes. systemd-repart uses the same figure.
 */
export const DEFAULT_ALIGNMENT = 4096;

/** What systemd-repart makes for a signature: room for a certificate chain. */
export const SIGNATURE_PARTITION_SIZE = 16 * 1024;
/** Readers (systemd) refuse signature partitions above this. */
export const MAX_SIGNATURE_PARTITION_SIZE = 4 * 1024 * 1024;
