import {
  type AsnType,
  BitString,
  Constructed,
  fromBER,
  Integer,
  Null,
  ObjectIdentifier,
  OctetString,
  Primitive,
  Sequence,
  Set as SetBlock,
} from "asn1js";
import { FormatError, toHex } from "../bytes/index.ts";

/** An element of DER (X.690), to be encoded or as it was decoded. */
export type Element = AsnType;

const CONTEXT_CLASS = 3;

export const sequence = (...value: Element[]): Element => new Sequence({ value });
export const oid = (value: string): Element => new ObjectIdentifier({ value });
export const smallInteger = (value: number): Element => new Integer({ value });
export const octetString = (valueHex: Uint8Array): Element => new OctetString({ valueHex });
export const bitString = (valueHex: Uint8Array): Element => new BitString({ valueHex });

/** [n] EXPLICIT, or IMPLICIT of something that is made of elements. */
export const tagged = (tagNumber: number, ...value: Element[]): Element =>
  new Constructed({ idBlock: { tagClass: CONTEXT_CLASS, tagNumber }, value });

/** [n] IMPLICIT of something that is made of bytes. */
export const taggedBytes = (tagNumber: number, valueHex: Uint8Array): Element =>
  new Primitive({ idBlock: { tagClass: CONTEXT_CLASS, tagNumber }, valueHex });

/** The order in which DER has the elements of a SET OF: that of their encodings (X.690, 11.6). */
export function inSetOrder(elements: readonly Element[]): Element[] {
  return [...elements].sort((a, b) => Buffer.compare(encodeDer(a), encodeDer(b)));
}

export const setOf = (...value: Element[]): Element => new SetBlock({ value: inSetOrder(value) });

/** An AlgorithmIdentifier whose parameters are NULL, as those of RSA and SHA-2 are written in PKCS#7. */
export const algorithm = (value: string): Element => sequence(oid(value), new Null());

/** Something encoded that becomes a part of something larger, byte for byte. */
export function raw(der: Uint8Array): Element {
  return decodeDer(der, "an element");
}

export function encodeDer(element: Element): Uint8Array {
  return new Uint8Array(element.toBER());
}

/**
 * One element and nothing behind it.
 * @throws FormatError when the bytes are something else; `what` says what they should be.
 */
export function decodeDer(bytes: Uint8Array, what: string): Element {
  const { element, rest } = decode(bytes, what);
  if (rest.length > 0) throw unexpected(what, `${rest.length} bytes stand behind it`);
  return element;
}

/** As `decodeDer`, with zeros behind it: how signatures are padded. */
export function decodePadded(bytes: Uint8Array, what: string): Element {
  const { element, rest } = decode(bytes, what);
  if (rest.some((octet) => octet !== 0)) throw unexpected(what, "something stands behind it");
  return element;
}

function decode(bytes: Uint8Array, what: string): { element: Element; rest: Uint8Array } {
  // A copy: the decoder keeps views, and callers reuse their buffers.
  const { offset, result } = asFormatError(what, () => fromBER(Uint8Array.from(bytes)));
  if (offset === -1) throw unexpected(what, result.error === "" ? "it is no DER" : result.error);
  return { element: result, rest: bytes.subarray(offset) };
}

/** The decoder reports some faults of its input as results and throws others as plain errors. */
function asFormatError<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new FormatError(`Cannot read ${what}: it is no DER`, { format: "der", cause });
  }
}

/** The elements that an element is made of. */
export function childrenOf(element: Element | undefined, what: string): Element[] {
  if (element instanceof Constructed) return element.valueBlock.value;
  throw unexpected(what, "expected something made of elements");
}

/** The encoding of a decoded element, as it was. */
export function originalDer(element: Element | undefined, what: string): Uint8Array {
  if (element !== undefined && element.valueBeforeDecodeView.length > 0) return element.valueBeforeDecodeView;
  throw unexpected(what, "it is missing");
}

/** The text form of an object identifier. */
export function oidOf(element: Element | undefined, what: string): string {
  if (element instanceof ObjectIdentifier) return element.getValue();
  throw unexpected(what, "expected an object identifier");
}

/** The content of a primitive element: of an OCTET STRING its bytes, of an INTEGER its octets. */
export function contentOf(element: Element | undefined, what: string): Uint8Array {
  if (element instanceof OctetString && element.valueBlock.value.length === 0) return element.valueBlock.valueHexView;
  if (element instanceof Integer) return element.valueBlock.valueHexView;
  throw unexpected(what, "expected bytes or a number");
}

/** Whether an element is [n] of the context. */
export function isTagged(element: Element | undefined, tagNumber: number): boolean {
  return element?.idBlock.tagClass === CONTEXT_CLASS && element.idBlock.tagNumber === tagNumber;
}

/** An INTEGER's octets, without the zeros in front, in hexadecimal: how serial numbers are shown and compared. */
export function integerHex(element: Element | undefined, what: string): string {
  return toHex(contentOf(element, what)).replace(/^(00)+(?=.)/, "");
}

function unexpected(what: string, reason: string): FormatError {
  return new FormatError(`Cannot read ${what}: ${reason}`, { format: "der" });
}
