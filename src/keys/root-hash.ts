import { toHex } from "../bytes/index.ts";
import type { VeritySignature } from "../formats/ddi/index.ts";
import { signDetached } from "./signed-data.ts";
import type { Signer } from "./signer.ts";

/**
 * What the kernel wants to see before it trusts a root hash (Documentation/admin-guide/device-mapper/verity.rst,
 * root_hash_sig_key_desc): a signature over its hexadecimal text, lower case, without an end of line.
 */
export function signRootHash(rootHash: Uint8Array, signer: Signer): Omit<VeritySignature, "rootHash"> {
  const pkcs7 = signDetached(Buffer.from(toHex(rootHash), "latin1"), signer);
  return { pkcs7, certificateFingerprint: signer.certificate.fingerprint };
}
