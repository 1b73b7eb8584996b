import { createHash, type KeyObject } from "node:crypto";
import { BitString, Boolean as BooleanBlock, GeneralizedTime, Integer, UTCTime, Utf8String } from "asn1js";
import {
  algorithm,
  bitString,
  type Element,
  encodeDer,
  octetString,
  oid,
  raw,
  sequence,
  setOf,
  tagged,
  taggedBytes,
} from "./der.ts";
import { OID } from "./object-identifiers.ts";

/** A certificate to be made, signed with its own key. */
export interface NewCertificate {
  readonly commonName: string;
  readonly publicKey: KeyObject;
  /** 1 to 20 octets that no other certificate of this name has. */
  readonly serial: Uint8Array;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** As `Signer.sign`. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** Version 3 (RFC 5280, 4.1.2.1). */
const VERSION_3 = 2;
/** RFC 5280, 4.1.2.5: years from here on do not fit into a UTCTime. */
const FIRST_GENERALIZED_YEAR = 2050;
/** keyUsage: digitalSignature, the first of its bits; the last seven of the octet are not used. */
const DIGITAL_SIGNATURE = new BitString({ unusedBits: 7, valueHex: Uint8Array.of(0x80) });

/** A self-signed certificate for signing code, DER (RFC 5280, 4.1). */
export function createCertificate(wanted: NewCertificate): Uint8Array {
  const name = sequence(setOf(sequence(oid(OID.commonName), new Utf8String({ value: wanted.commonName }))));
  const publicKeyInfo = new Uint8Array(wanted.publicKey.export({ type: "spki", format: "der" }));
  const keyIdentifier = createHash("sha1")
    .update(new Uint8Array(wanted.publicKey.export({ type: "pkcs1", format: "der" })))
    .digest();
  const tbsCertificate = sequence(
    tagged(0, new Integer({ value: VERSION_3 })),
    positiveInteger(wanted.serial),
    algorithm(OID.sha256WithRsaEncryption),
    name,
    sequence(encodeTime(wanted.validFrom), encodeTime(wanted.validTo)),
    name,
    raw(publicKeyInfo),
    tagged(
      3,
      sequence(
        extension(OID.basicConstraints, sequence(), "critical"),
        extension(OID.keyUsage, DIGITAL_SIGNATURE, "critical"),
        extension(OID.extendedKeyUsage, sequence(oid(OID.codeSigning))),
        extension(OID.subjectKeyIdentifier, octetString(keyIdentifier)),
        extension(OID.authorityKeyIdentifier, sequence(taggedBytes(0, keyIdentifier))),
      ),
    ),
  );
  const signature = wanted.sign(encodeDer(tbsCertificate));
  return encodeDer(sequence(tbsCertificate, algorithm(OID.sha256WithRsaEncryption), bitString(signature)));
}

function extension(id: string, value: Element, critical?: "critical"): Element {
  const mark = critical === undefined ? [] : [new BooleanBlock({ value: true })];
  return sequence(oid(id), ...mark, octetString(encodeDer(value)));
}

function encodeTime(time: Date): Element {
  return time.getUTCFullYear() < FIRST_GENERALIZED_YEAR
    ? new UTCTime({ valueDate: time })
    : new GeneralizedTime({ valueDate: time });
}

/** The first bit of an INTEGER is its sign. */
function positiveInteger(octets: Uint8Array): Element {
  const first = octets[0] ?? 0;
  return new Integer({ valueHex: Uint8Array.of(first & 0x7f || 1, ...octets.subarray(1)) });
}
