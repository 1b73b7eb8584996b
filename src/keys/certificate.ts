import { type KeyObject, X509Certificate } from "node:crypto";
import { FormatError, toHex, UsageError } from "../bytes/index.ts";
import { childrenOf, decodeDer, integerHex, isTagged, originalDer } from "./der.ts";

/** A certificate, with those parts by which signatures name it. */
export interface Certificate {
  readonly der: Uint8Array;
  readonly publicKey: KeyObject;
  /** For people: "CN=db". */
  readonly subject: string;
  /** X.501 name, DER. */
  readonly issuerDer: Uint8Array;
  /** INTEGER, DER. */
  readonly serialDer: Uint8Array;
  /** Hexadecimal, without leading zeros. */
  readonly serial: string;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** SHA-256 of the DER. */
  readonly fingerprint: Uint8Array;
}

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * The certificates of a file: PEM, one after another, or one in DER.
 * @throws FormatError when there is none, or one is damaged.
 */
export function parseCertificates(file: Uint8Array): [Certificate, ...Certificate[]] {
  const blocks = Buffer.from(file).toString("latin1").match(PEM_BLOCK) ?? [];
  const [first = file, ...others] = blocks;
  return [parseCertificate(first), ...others.map(parseCertificate)];
}

function parseCertificate(encoded: string | Uint8Array): Certificate {
  const { x509, publicKey } = openCertificate(encoded);
  const der = new Uint8Array(x509.raw);
  const [tbsCertificate] = childrenOf(decodeDer(der, "the certificate"), "the certificate");
  const fields = childrenOf(tbsCertificate, "the certificate");
  // RFC 5280, 4.1: version [0], which version 1 leaves out, serialNumber, signature, issuer.
  const [serialNumber, , issuer] = isTagged(fields[0], 0) ? fields.slice(1) : fields;
  return {
    der,
    publicKey,
    subject: x509.subject.replaceAll("\n", ", "),
    issuerDer: originalDer(issuer, "the issuer of the certificate"),
    serialDer: originalDer(serialNumber, "the serial number of the certificate"),
    serial: integerHex(serialNumber, "the serial number of the certificate"),
    validFrom: new Date(x509.validFrom),
    validTo: new Date(x509.validTo),
    fingerprint: new Uint8Array(Buffer.from(x509.fingerprint256.replaceAll(":", ""), "hex")),
  };
}

function openCertificate(encoded: string | Uint8Array): { x509: X509Certificate; publicKey: KeyObject } {
  try {
    const x509 = new X509Certificate(encoded);
    // Decoded only when it is asked for, so a damaged one is found out here.
    return { x509, publicKey: x509.publicKey };
  } catch (cause) {
    throw new FormatError("Cannot read the certificate: expected X.509, in PEM or DER", { format: "x509", cause });
  }
}

/** @throws UsageError when a certificate is not valid at this time. */
export function requireValidAt(certificate: Certificate, now: Date): void {
  const { subject, validFrom, validTo } = certificate;
  if (now > validTo) {
    throw new UsageError(`Cannot sign with the certificate ${subject}: it expired on ${day(validTo)}`, {
      hint: "make a new one, for instance with lazyrd keys create",
    });
  }
  if (now < validFrom) {
    throw new UsageError(`Cannot sign with the certificate ${subject}: it is valid from ${day(validFrom)} on`, {
      hint: "check this machine's clock",
    });
  }
}

/** Whether a signature that names issuer and serial number means this certificate. */
export function isNamed(certificate: Certificate, issuerDer: Uint8Array, serial: string): boolean {
  return certificate.serial === serial && toHex(certificate.issuerDer) === toHex(issuerDer);
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
