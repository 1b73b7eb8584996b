import { FormatError, toHex } from "../bytes/index.ts";
import { authenticodeDigest, readSignatures, withSignatures } from "../formats/pe/index.ts";
import type { Certificate } from "./certificate.ts";
import {
  algorithm,
  childrenOf,
  contentOf,
  type Element,
  encodeDer,
  octetString,
  oid,
  oidOf,
  originalDer,
  raw,
  sequence,
  tagged,
  taggedBytes,
} from "./der.ts";
import { OID } from "./object-identifiers.ts";
import { encodeMessage, signedData } from "./signed-data.ts";
import { isSignedBy, parseSignedMessage, type SignedMessage, signerOf } from "./signed-message.ts";
import type { Signer } from "./signer.ts";

/**
 * A copy of an EFI program with a signature for Secure Boot more. One that this certificate has made before is replaced;
 * those of others stay.
 * @throws FormatError when it is no sound PE file, UsageError when the signer does not do what it should.
 */
export function signProgram(program: Uint8Array, signer: Signer): Uint8Array {
  const others = readSignatures(program).filter((signature) => !isMadeBy(signer.certificate, signature));
  const unsigned = withSignatures(program, []);
  const content = encodeIndirectData(authenticodeDigest(unsigned));
  const data = signedData(
    {
      // The digest of what is inside of the SEQUENCE, without its tag and length, as PKCS#7 1.5 had it.
      bytes: contentBytes(content),
      type: OID.spcIndirectData,
      embedded: content,
      attributes: true,
    },
    signer,
  );
  return withSignatures(unsigned, [...others, encodeMessage(data)]);
}

/** What is to be known of one signature of an EFI program. */
export interface ProgramSignature {
  /** Undefined where the signature comes without its certificate. */
  readonly certificate: Certificate | undefined;
  /** Undefined when the signature is sound; else what is wrong with it. */
  readonly fault: string | undefined;
}

/**
 * The signatures of an EFI program, in their order, and whether they are for this very program. Whether anybody trusts the
 * certificates is not looked at.
 * @throws FormatError when it is no sound PE file.
 */
export function checkProgramSignatures(program: Uint8Array): ProgramSignature[] {
  const signatures = readSignatures(program);
  if (signatures.length === 0) return [];
  const digest = toHex(authenticodeDigest(program));
  return signatures.map((signature) => {
    try {
      return checkSignature(parseSignedMessage(signature), digest);
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      return { certificate: undefined, fault: cause.message };
    }
  });
}

function checkSignature(message: SignedMessage, digest: string): ProgramSignature {
  const [signature] = message.signatures;
  const certificate = signature && signerOf(message, signature);
  if (signature === undefined || certificate === undefined) {
    return { certificate: undefined, fault: "the certificate of the signer is not in it" };
  }
  if (message.contentType !== OID.spcIndirectData || message.content === undefined) {
    return { certificate, fault: "it is not about an EFI program" };
  }
  const signed = toHex(digestOf(message.content));
  if (signed !== digest) return { certificate, fault: `it is for other content: digest ${signed}, got ${digest}` };
  const isSound = isSignedBy(certificate, signature, contentBytes(message.content));
  return { certificate, fault: isSound ? undefined : "it was not made with the key of its certificate" };
}

function isMadeBy(certificate: Certificate, signature: Uint8Array): boolean {
  const message = parseSignedMessage(signature);
  return message.signatures.some(
    (each) => toHex(signerOf(message, each)?.fingerprint ?? new Uint8Array()) === toHex(certificate.fingerprint),
  );
}

/** "<<<Obsolete>>>" in UTF-16, big-endian: what the file's name would be. */
const OBSOLETE = Buffer.from("<<<Obsolete>>>", "utf16le").swap16();
/** A BIT STRING without bits: no flags. */
const NO_FLAGS = Buffer.from("030100", "hex");

/** SpcIndirectDataContent (Windows Authenticode Portable Executable Signature Format). */
function encodeIndirectData(digest: Uint8Array): Element {
  const file = tagged(0, tagged(2, taggedBytes(0, OBSOLETE)));
  return raw(
    encodeDer(
      sequence(
        sequence(oid(OID.spcPeImageData), sequence(raw(NO_FLAGS), file)),
        sequence(algorithm(OID.sha256), octetString(digest)),
      ),
    ),
  );
}

function digestOf(indirectData: Element): Uint8Array {
  const what = "the signature's digest";
  const [algorithmIdentifier, digest] = childrenOf(childrenOf(indirectData, what)[1], what);
  const name = oidOf(childrenOf(algorithmIdentifier, what)[0], what);
  if (name === OID.sha256) return contentOf(digest, what);
  throw new FormatError(`Cannot check the signature: expected SHA-256, got digest ${name}`, { format: "authenticode" });
}

/** What an element holds, without its tag and length. */
function contentBytes(element: Element): Uint8Array {
  const der = originalDer(element, "the signature's content");
  return der.subarray(der.length - element.lenBlock.length);
}
