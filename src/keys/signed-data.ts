import { createHash } from "node:crypto";
import {
  algorithm,
  type Element,
  encodeDer,
  inSetOrder,
  octetString,
  oid,
  raw,
  sequence,
  setOf,
  smallInteger,
  tagged,
} from "./der.ts";
import { OID } from "./object-identifiers.ts";
import type { Signer } from "./signer.ts";

/** What a PKCS#7 message says and about what. */
export interface MessageContent {
  /** The bytes that are signed. */
  readonly bytes: Uint8Array;
  readonly type: string;
  /** The content itself inside of the message; without it the message is detached. */
  readonly embedded?: Element | undefined;
  /**
   * Whether the signature is about type and digest of the content, as attributes, and not about the content itself.
   * There is no signing time among them: the same content gives the same message.
   */
  readonly attributes: boolean;
  /** Whether the signer's certificates go along; without them, whoever checks the signature must have them (default: true). */
  readonly certificates?: boolean;
}

/** CMSVersion of messages and signers named by issuer and serial number (RFC 5652, 5.1). */
const VERSION = 1;

/** SignedData (RFC 5652, 5.1; RFC 2315, 9.1) with one signature, without the ContentInfo around it. */
export function signedData(content: MessageContent, signer: Signer): Element {
  const attributes = content.attributes ? signedAttributes(content) : undefined;
  const signature = signer.sign(attributes === undefined ? content.bytes : encodeDer(setOf(...attributes)));
  return dataWithSignature(content, signer, attributes, signature);
}

function dataWithSignature(
  content: Pick<MessageContent, "type" | "embedded" | "certificates">,
  { certificate, chain }: Pick<Signer, "certificate" | "chain">,
  attributes: readonly Element[] | undefined,
  signature: Uint8Array,
): Element {
  const certificates = content.certificates === false ? [] : [certificate, ...chain];
  const signerInfo = sequence(
    smallInteger(VERSION),
    sequence(raw(certificate.issuerDer), raw(certificate.serialDer)),
    algorithm(OID.sha256),
    ...(attributes === undefined ? [] : [tagged(0, ...attributes)]),
    algorithm(OID.rsaEncryption),
    octetString(signature),
  );
  return sequence(
    smallInteger(VERSION),
    setOf(algorithm(OID.sha256)),
    sequence(oid(content.type), ...(content.embedded === undefined ? [] : [tagged(0, content.embedded)])),
    ...(certificates.length === 0 ? [] : [tagged(0, ...certificates.map(({ der }) => raw(der)))]),
    setOf(signerInfo),
  );
}

/** ContentInfo around SignedData: what files hold. */
export function encodeMessage(data: Element): Uint8Array {
  return encodeDer(sequence(oid(OID.signedData), tagged(0, data)));
}

/**
 * A detached PKCS#7 signature, DER, as `openssl smime -sign -noattr -binary -outform der` makes it.
 */
export function signDetached(bytes: Uint8Array, signer: Signer): Uint8Array {
  return encodeMessage(signedData({ bytes, type: OID.data, attributes: false }, signer));
}

/**
 * The same without certificates, made while this thread goes on: the kernel has the certificate already, and would check
 * one that comes along once more for each message.
 */
export async function signDetachedAside(bytes: Uint8Array, signer: Signer): Promise<Uint8Array> {
  const content = { type: OID.data, certificates: false };
  return encodeMessage(dataWithSignature(content, signer, undefined, await signer.signAside(bytes)));
}

function signedAttributes({ bytes, type }: MessageContent): Element[] {
  const digest = createHash("sha256").update(bytes).digest();
  return inSetOrder([
    sequence(oid(OID.contentType), setOf(oid(type))),
    sequence(oid(OID.messageDigest), setOf(octetString(digest))),
  ]);
}
