import { createHash, verify } from "node:crypto";
import { FormatError, toHex } from "../bytes/index.ts";
import { type Certificate, isNamed, parseCertificates } from "./certificate.ts";
import {
  childrenOf,
  contentOf,
  decodePadded,
  type Element,
  encodeDer,
  integerHex,
  isTagged,
  oidOf,
  originalDer,
  setOf,
} from "./der.ts";
import { OID } from "./object-identifiers.ts";

/** One signature of a PKCS#7 message. */
export interface MessageSignature {
  readonly issuerDer: Uint8Array;
  /** Hexadecimal. */
  readonly serial: string;
  /** As Node names it: "sha256". */
  readonly digest: string;
  readonly attributes: readonly Element[] | undefined;
  readonly signature: Uint8Array;
}

/** A PKCS#7 message with signatures (RFC 5652, 5.1). */
export interface SignedMessage {
  readonly contentType: string;
  /** What is in the message, as it was decoded; undefined for a detached one. */
  readonly content: Element | undefined;
  readonly certificates: readonly Certificate[];
  readonly signatures: readonly MessageSignature[];
}

const WHAT = "the signature";
const DIGESTS: ReadonlyMap<string, string> = new Map([
  [OID.sha256, "sha256"],
  [OID.sha384, "sha384"],
  [OID.sha512, "sha512"],
]);

/**
 * Reads a message, ContentInfo or bare SignedData, zeros behind it.
 * @throws FormatError when it is none, or signed in a way that is not known.
 */
export function parseSignedMessage(message: Uint8Array): SignedMessage {
  const outer = childrenOf(decodePadded(message, WHAT), WHAT);
  const isContentInfo = outer.length === 2 && isTagged(outer[1], 0);
  if (isContentInfo && oidOf(outer[0], WHAT) !== OID.signedData) {
    throw new FormatError("Cannot read the signature: expected SignedData", { format: "pkcs7" });
  }
  const fields = isContentInfo ? childrenOf(childrenOf(outer[1], WHAT)[0], WHAT) : outer;
  const [, , contentInfo, ...rest] = fields;
  const [contentType, content] = childrenOf(contentInfo, WHAT);
  const certificates = rest.find((field) => isTagged(field, 0));
  return {
    contentType: oidOf(contentType, WHAT),
    content: content === undefined ? undefined : childrenOf(content, WHAT)[0],
    certificates: (certificates === undefined ? [] : childrenOf(certificates, WHAT)).flatMap((certificate) =>
      parseCertificates(originalDer(certificate, WHAT)),
    ),
    signatures: childrenOf(rest.at(-1), WHAT).map(parseSignature),
  };
}

function parseSignature(signerInfo: Element): MessageSignature {
  const [, identifier, digestAlgorithm, ...rest] = childrenOf(signerInfo, WHAT);
  const [issuer, serialNumber] = childrenOf(identifier, WHAT);
  const digestOid = oidOf(childrenOf(digestAlgorithm, WHAT)[0], WHAT);
  const digest = DIGESTS.get(digestOid);
  if (digest === undefined) {
    throw new FormatError(`Cannot check the signature: expected SHA-2, got digest ${digestOid}`, { format: "pkcs7" });
  }
  const attributes = isTagged(rest[0], 0) ? childrenOf(rest.shift(), WHAT) : undefined;
  return {
    issuerDer: originalDer(issuer, WHAT),
    serial: integerHex(serialNumber, WHAT),
    digest,
    attributes,
    signature: contentOf(rest[1], WHAT),
  };
}

/** The certificate in the message that a signature names. */
export function signerOf(message: SignedMessage, { issuerDer, serial }: MessageSignature): Certificate | undefined {
  return message.certificates.find((certificate) => isNamed(certificate, issuerDer, serial));
}

/** Whether a signature over `content` was made with the certificate's key. */
export function isSignedBy(
  certificate: Certificate,
  { attributes, digest, signature }: MessageSignature,
  content: Uint8Array,
): boolean {
  if (attributes === undefined) return verify(digest, content, certificate.publicKey, signature);
  const expected = toHex(createHash(digest).update(content).digest());
  const claimed = attributes
    .map((attribute) => childrenOf(attribute, WHAT))
    .find(([type]) => oidOf(type, WHAT) === OID.messageDigest)?.[1];
  const [claimedDigest] = claimed === undefined ? [] : childrenOf(claimed, WHAT);
  if (claimedDigest === undefined || toHex(contentOf(claimedDigest, WHAT)) !== expected) return false;
  return verify(digest, encodeDer(setOf(...attributes)), certificate.publicKey, signature);
}
