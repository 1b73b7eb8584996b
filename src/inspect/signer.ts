import { byteStringFrom, FormatError, toHex, toText } from "../bytes/index.ts";

/** Who signed, as a module's PKCS#7 message says. Nothing here checks the signature. */
export interface Signer {
  /** The name of the certificate's issuer, or "unknown" where only a key identifier is given. */
  readonly issuer: string;
  /** The certificate's serial number, or the key's identifier, in hexadecimal. */
  readonly serial: string;
  readonly digest: string;
}

const FORMAT = "pkcs7";

// DER tags (X.690, 8.1.2).
const INTEGER = 0x02;
const OBJECT_IDENTIFIER = 0x06;
const SEQUENCE = 0x30;
const SET = 0x31;
const CONTEXT_0 = 0x80;
const CONTEXT_0_CONSTRUCTED = 0xa0;
const LONG_LENGTH = 0x80;
/** Lengths of more octets than this do not occur: a signature has some hundred bytes. */
const MAX_LENGTH_OCTETS = 3;

/** Object identifiers by the hexadecimal digits of their content: digests (RFC 5754), names (X.520). */
const DIGESTS: ReadonlyMap<string, string> = new Map([
  ["2b0e03021a", "sha1"],
  ["608648016503040201", "sha256"],
  ["608648016503040202", "sha384"],
  ["608648016503040203", "sha512"],
]);
const NAME_PARTS: readonly { identifier: string; key: string }[] = [
  { identifier: "550403", key: "CN" },
  { identifier: "55040a", key: "O" },
];

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly offset: number;
}

/**
 * The first signer of a PKCS#7 message (RFC 2315, 9.1: SignedData, 9.2: SignerInfo).
 * @throws FormatError when the bytes are no such message.
 */
export function describeSigner(message: Uint8Array): Signer {
  const [outer] = elementsOf(message, 0);
  const [, explicit] = elementsOf(require(outer, SEQUENCE, "ContentInfo").content, 0);
  const [signedData] = elementsOf(require(explicit, CONTEXT_0_CONSTRUCTED, "content").content, 0);
  const signerInfos = elementsOf(require(signedData, SEQUENCE, "SignedData").content, 0).at(-1);
  const [signerInfo] = elementsOf(require(signerInfos, SET, "signerInfos").content, 0);
  const [, identifier, digest] = elementsOf(require(signerInfo, SEQUENCE, "SignerInfo").content, 0);
  const [algorithm] = elementsOf(require(digest, SEQUENCE, "digestAlgorithm").content, 0);
  const digestId = toHex(require(algorithm, OBJECT_IDENTIFIER, "algorithm").content);
  const digestName = DIGESTS.get(digestId) ?? `digest ${digestId}`;
  if (identifier?.tag === CONTEXT_0) {
    return { issuer: "unknown", serial: toHex(identifier.content), digest: digestName };
  }
  const [name, serial] = elementsOf(require(identifier, SEQUENCE, "issuerAndSerialNumber").content, 0);
  return {
    issuer: describeName(require(name, SEQUENCE, "issuer")),
    serial: toHex(require(serial, INTEGER, "serialNumber").content),
    digest: digestName,
  };
}

/** The common name, or the organisation, of an X.501 name: SEQUENCE OF SET OF SEQUENCE { type, value }. */
function describeName(name: Element): string {
  const parts = elementsOf(name.content, 0)
    .flatMap((set) => elementsOf(set.content, 0))
    .map((attribute) => elementsOf(attribute.content, 0));
  for (const { identifier, key } of NAME_PARTS) {
    const value = parts.find(([type]) => type !== undefined && toHex(type.content) === identifier)?.[1];
    if (value !== undefined) return `${key}=${toText(byteStringFrom(value.content))}`;
  }
  return "without a name";
}

/** The elements that `bytes` are made of; their count is bounded by the bytes, as each takes at least two. */
function elementsOf(bytes: Uint8Array, start: number): Element[] {
  const elements: Element[] = [];
  for (let offset = start; offset < bytes.length; ) {
    const element = elementAt(bytes, offset);
    elements.push(element);
    offset = element.offset + element.content.length;
  }
  return elements;
}

/** `offset` of the result is where its content starts. */
function elementAt(bytes: Uint8Array, offset: number): Element {
  const tag = bytes[offset] ?? 0;
  const first = bytes[offset + 1];
  if (first === undefined) throw fault("an element ends within its header", offset);
  const octets = first < LONG_LENGTH ? 0 : first - LONG_LENGTH;
  if (octets > MAX_LENGTH_OCTETS || (first >= LONG_LENGTH && octets === 0)) throw fault("a length is unusable", offset);
  const contentStart = offset + 2 + octets;
  let length = octets === 0 ? first : 0;
  for (const octet of bytes.subarray(offset + 2, contentStart)) length = length * 256 + octet;
  if (contentStart + length > bytes.length) throw fault("an element is longer than what holds it", offset);
  return { tag, content: bytes.subarray(contentStart, contentStart + length), offset: contentStart };
}

function require(element: Element | undefined, tag: number, field: string): Element {
  if (element?.tag === tag) return element;
  const got = element === undefined ? "nothing" : `tag 0x${element.tag.toString(16)}`;
  throw new FormatError(`Cannot read the signature: expected tag 0x${tag.toString(16)}, got ${got}`, {
    format: FORMAT,
    field,
  });
}

function fault(what: string, offset: number): FormatError {
  return new FormatError(`Cannot read the signature: ${what}`, { format: FORMAT, offset });
}
