import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { FormatError, UsageError } from "../bytes/index.ts";
import { type Certificate, parseCertificates, requireValidAt } from "./certificate.ts";

/** Whoever can sign: a private key, wherever it is, and its certificate. */
export interface Signer {
  readonly certificate: Certificate;
  /** Those that lead from the certificate to one that is trusted; they go along with a signature. */
  readonly chain: readonly Certificate[];
  /** RSASSA-PKCS1-v1_5 with SHA-256 over `message` (RFC 8017, 8.2): what firmware and kernels understand. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** The same while this thread goes on. */
  readonly signAside: (message: Uint8Array) => Promise<Uint8Array>;
}

/** Who signs, and how; not checked. */
interface Signing extends Pick<Signer, "sign" | "signAside"> {
  /** For messages. */
  readonly who: string;
}

export const SIGNATURE_DIGEST = "sha256";
/** Firmware verifies with no shorter ones. */
export const MIN_RSA_BITS = 2048;

export interface KeyFile {
  /** PEM. */
  readonly key: Uint8Array;
  readonly passphrase?: string | undefined;
}

/**
 * Reads a private key.
 * @throws UsageError when it is locked and there is no passphrase, or not the right one; FormatError when it is none.
 */
export function parsePrivateKey({ key, passphrase }: KeyFile): KeyObject {
  try {
    return createPrivateKey({
      key: Buffer.from(key),
      format: "pem",
      ...(passphrase === undefined ? {} : { passphrase }),
    });
  } catch (cause) {
    throw whyUnreadable(cause, key, passphrase);
  }
}

const ENCRYPTED_MARKS = ["ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

function whyUnreadable(cause: unknown, key: Uint8Array, passphrase: string | undefined): Error {
  const text = Buffer.from(key).toString("latin1");
  if (!ENCRYPTED_MARKS.some((mark) => text.includes(mark))) {
    return new FormatError("Cannot read the private key: expected PEM", { format: "key", cause });
  }
  if (passphrase === undefined) {
    return new UsageError("Cannot read the private key: it is encrypted", {
      hint: "give its passphrase with --passphrase-file FILE or in the environment variable LAZYRD_PASSPHRASE",
      cause,
    });
  }
  return new UsageError("Cannot read the private key: the passphrase is not the right one", { cause });
}

/**
 * A signer whose key is at hand.
 * @param certificates PEM or DER: that of the key first, then its chain
 * @throws UsageError when key and certificate do not belong together or cannot be used at this time.
 */
export function keySigner(key: KeyFile, certificates: Uint8Array, now: Date): Signer {
  const privateKey = parsePrivateKey(key);
  const signer = checkedSigner(certificates, now, {
    who: "the key",
    sign: (message) => sign(SIGNATURE_DIGEST, message, privateKey),
    // On a thread of Node's.
    signAside: (message) => signOnThread(message, privateKey),
  });
  if (createPublicKey(privateKey).equals(signer.certificate.publicKey)) return signer;
  throw mismatch("the key", signer.certificate);
}

function signOnThread(message: Uint8Array, key: KeyObject): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    sign(SIGNATURE_DIGEST, message, key, (error, signature) => (error === null ? resolve(signature) : reject(error)));
  });
}

/**
 * A signer whose key is elsewhere, in a hardware module for instance. Meanwhile it is asked for one signature at a time, and
 * for none twice.
 */
export function externalSigner(
  elsewhere: Pick<Signing, "sign" | "signAside">,
  certificates: Uint8Array,
  now: Date,
): Signer {
  const signer = checkedSigner(certificates, now, { who: "the signer", ...elsewhere });
  const signatures = new Map<string, Promise<Uint8Array>>();
  let before: Promise<unknown> = Promise.resolve();
  const signAside = (message: Uint8Array): Promise<Uint8Array> => {
    const digest = createHash(SIGNATURE_DIGEST).update(message).digest("hex");
    const known = signatures.get(digest);
    if (known !== undefined) return known;
    // When it has failed once, it is not asked again.
    const signature = before.then(() => signer.signAside(message));
    before = signature;
    signatures.set(digest, signature);
    return signature;
  };
  return { ...signer, signAside };
}

function checkedSigner(certificateFile: Uint8Array, now: Date, { who, sign, signAside }: Signing): Signer {
  const [certificate, ...chain] = parseCertificates(certificateFile);
  requireValidAt(certificate, now);
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  if (asymmetricKeyType !== "rsa" || bits < MIN_RSA_BITS) {
    const got = asymmetricKeyType === "rsa" ? `RSA with ${bits} bits` : asymmetricKeyType;
    throw new UsageError(`Cannot sign with the certificate ${certificate.subject}: its key is ${got}`, {
      hint: "UEFI firmware can be relied on to take RSA keys of 2048 bits or more only",
    });
  }
  const checked = (message: Uint8Array, made: Uint8Array): Uint8Array => {
    const signature = new Uint8Array(made);
    // Caught here, a wrong signature is a message on the screen; later it is a machine that does not boot.
    if (verify(SIGNATURE_DIGEST, message, certificate.publicKey, signature)) return signature;
    throw mismatch(who, certificate);
  };
  return {
    certificate,
    chain,
    sign: (message) => checked(message, sign(message)),
    signAside: async (message) => checked(message, await signAside(message)),
  };
}

function mismatch(who: string, certificate: Certificate): UsageError {
  return new UsageError(`Cannot sign: ${who} does not belong to the certificate ${certificate.subject}`, {
    hint: "signatures have to be RSASSA-PKCS1-v1_5 with SHA-256, made with the certificate's own key",
  });
}
