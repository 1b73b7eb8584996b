import { type PcrSignature, type PcrSignatures, policyPcrDigest } from "../formats/tpm/index.ts";
import { BANK, valueAfter } from "./expected.ts";
import { phaseEvents } from "./phases.ts";
import { KERNEL_BOOT_PCR, type MeasuredImage, sectionEvents } from "./sections.ts";

/** Whoever signs policies. */
export interface PolicySigner {
  /** SHA-256 of the RSAPublicKey, DER. */
  readonly keyFingerprint: Uint8Array;
  /** RSASSA-PKCS1-v1_5 with SHA-256. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/**
 * Signs, for each of these phases of a boot of this profile, the policy "PCR 11 is what it is then" (systemd-measure(1)).
 * Only for the bank of SHA-256: systemd takes another one only where a TPM has none, and then that of SHA-1.
 */
export function signPolicies(
  image: MeasuredImage,
  profile: number,
  phases: readonly string[],
  { keyFingerprint, sign }: PolicySigner,
): PcrSignatures {
  const sections = sectionEvents(image, profile);
  const signatures = phases.map((phase): PcrSignature => {
    const value = valueAfter([...sections, ...phaseEvents(phase)], KERNEL_BOOT_PCR);
    const policyDigest = policyPcrDigest(BANK, new Map([[KERNEL_BOOT_PCR, value]]));
    return { pcrs: [KERNEL_BOOT_PCR], keyFingerprint, policyDigest, signature: sign(policyDigest) };
  });
  return { [BANK]: signatures };
}
