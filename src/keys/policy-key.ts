import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { FormatError, UsageError } from "../bytes/index.ts";
import { type KeyFile, MIN_RSA_BITS, parsePrivateKey, SIGNATURE_DIGEST } from "./signer.ts";

/** Whoever can sign PCR policies: a key pair. It has no certificate: what is bound to a policy names the key itself. */
export interface PolicyKey {
  /** PEM (SubjectPublicKeyInfo): what a section .pcrpkey holds. */
  readonly publicPem: string;
  /** How signatures name the key: SHA-256 of its RSAPublicKey, DER. */
  readonly keyFingerprint: Uint8Array;
  /** RSASSA-PKCS1-v1_5 with SHA-256 over `message`: what a TPM verifies. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/**
 * A policy key that is at hand.
 * @throws UsageError or FormatError as `parsePrivateKey` does, UsageError when it is no key that systemd signs policies with.
 */
export function policyKey(file: KeyFile): PolicyKey {
  const privateKey = parsePrivateKey(file);
  return checkedKey(createPublicKey(privateKey), (message) => sign(SIGNATURE_DIGEST, message, privateKey));
}

/**
 * A policy key that is elsewhere, in a hardware module for instance.
 * @param signElsewhere gets a message, returns its signature as `PolicyKey.sign` does
 * @param publicPem PEM
 */
export function externalPolicyKey(
  signElsewhere: (message: Uint8Array) => Uint8Array,
  publicPem: Uint8Array,
): PolicyKey {
  return checkedKey(parsePublicKey(publicPem), signElsewhere);
}

/** `PolicyKey.keyFingerprint` of a public key (PEM). @throws FormatError when it is none. */
export function policyKeyFingerprint(publicPem: Uint8Array): Uint8Array {
  return fingerprint(requireRsa(parsePublicKey(publicPem)));
}

/** Whether a signature over `message` was made with the key that belongs to a public one (PEM). @throws FormatError when that is none. */
export function isSignedByPolicyKey(publicPem: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return verify(SIGNATURE_DIGEST, message, parsePublicKey(publicPem), signature);
}

function parsePublicKey(publicPem: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(publicPem), format: "pem", type: "spki" });
  } catch (cause) {
    throw new FormatError("Cannot read the public key: expected PEM", { format: "key", cause });
  }
}

function requireRsa(publicKey: KeyObject): KeyObject {
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (publicKey.asymmetricKeyType !== "rsa" || bits < MIN_RSA_BITS) {
    const got = publicKey.asymmetricKeyType === "rsa" ? `RSA with ${bits} bits` : publicKey.asymmetricKeyType;
    throw new UsageError(`Cannot sign PCR policies with this key: it is ${got}`, {
      hint: "systemd takes RSA keys of 2048 bits or more; make one with lazyrd keys create",
    });
  }
  return publicKey;
}

function checkedKey(key: KeyObject, signMessage: PolicyKey["sign"]): PolicyKey {
  const publicKey = requireRsa(key);
  return {
    publicPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    keyFingerprint: fingerprint(publicKey),
    sign: (message) => {
      const signature = new Uint8Array(signMessage(message));
      // Caught here, a wrong signature is a message on the screen; later it is a disk that stays locked.
      if (verify(SIGNATURE_DIGEST, message, publicKey, signature)) return signature;
      throw new UsageError("Cannot sign the PCR policies: the signer does not belong to the public key", {
        hint: "signatures have to be RSASSA-PKCS1-v1_5 with SHA-256, made with the public key's own private key",
      });
    },
  };
}

/** As systemd computes it: of the bare RSAPublicKey (RFC 8017, A.1.1), without an algorithm around it. */
function fingerprint(publicKey: KeyObject): Uint8Array {
  return createHash("sha256")
    .update(publicKey.export({ type: "pkcs1", format: "der" }))
    .digest();
}
