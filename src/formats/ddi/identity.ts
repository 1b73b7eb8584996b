import { createHmac } from "node:crypto";
import {
  customGuid,
  FormatError,
  GUID_SIZE,
  type Guid,
  guidFromTextOrder,
  guidToTextOrder,
  toHex,
} from "../../bytes/index.ts";
import { FORMAT, ROOT_HASH_SIZE } from "./layout.ts";

/**
 * The GUIDs of the data and the verity partition that a root hash belongs to: its first and its second half, as
 * written, without version bits (UAPI.2).
 * @throws FormatError when the root hash has not 32 bytes.
 */
export function guidsOfRootHash(rootHash: Uint8Array): { data: Guid; verity: Guid } {
  if (rootHash.length !== ROOT_HASH_SIZE) {
    throw new FormatError(
      `Cannot name partitions by 0x${toHex(rootHash)}: expected a hash of ${ROOT_HASH_SIZE} bytes`,
      {
        format: FORMAT,
      },
    );
  }
  return {
    data: guidFromTextOrder(rootHash.subarray(0, GUID_SIZE)),
    verity: guidFromTextOrder(rootHash.subarray(GUID_SIZE)),
  };
}

/** The root hash that a pair of partition GUIDs stands for: the inverse of `guidsOfRootHash`. */
export function rootHashOfGuids(data: Guid, verity: Guid): Uint8Array {
  return Uint8Array.from([...guidToTextOrder(data), ...guidToTextOrder(verity)]);
}

/**
 * A GUID that follows from the root hash, for what has no GUID of its own: the first 16 bytes of
 * HMAC-SHA256(key = root hash, message = `purpose`), marked as version 8 (RFC 9562). Two images with the same
 * protected content are the same disk.
 */
export function derivedGuid(rootHash: Uint8Array, purpose: "disk" | "signature-partition"): Guid {
  const digest = createHmac("sha256", rootHash).update(`lazyrd-ddi-${purpose}`, "latin1").digest();
  return customGuid(digest.subarray(0, GUID_SIZE));
}
