import { FormatError, fromHex, toHex } from "../../bytes/index.ts";
import { FORMAT, MAX_SIGNATURE_PARTITION_SIZE, SIGNATURE_PARTITION_SIZE } from "./layout.ts";

/** The content of a verity-sig partition. */
export interface VeritySignature {
  readonly rootHash: Uint8Array;
  /** SHA-256 of the signer's certificate in DER. */
  readonly certificateFingerprint?: Uint8Array | undefined;
  /** PKCS#7, DER, detached, over the root hash as lower-case hexadecimal text. */
  readonly pkcs7: Uint8Array;
}

/**
 * The bytes of a verity-sig partition: one JSON object, then zeroes (UAPI.2).
 * @throws FormatError when the signature does not fit.
 */
export function encodeVeritySignature(signature: VeritySignature, sizeBytes = SIGNATURE_PARTITION_SIZE): Uint8Array {
  const { certificateFingerprint } = signature;
  const json = JSON.stringify({
    rootHash: toHex(signature.rootHash),
    ...(certificateFingerprint === undefined ? {} : { certificateFingerprint: toHex(certificateFingerprint) }),
    signature: Buffer.from(signature.pkcs7).toString("base64"),
  });
  const text = Buffer.from(json, "latin1");
  // One byte stays zero: readers look for the NUL that ends the text.
  if (text.length >= sizeBytes) {
    throw new FormatError(`Cannot store a signature of ${text.length} bytes: the partition has ${sizeBytes}`, {
      format: FORMAT,
    });
  }
  const partition = new Uint8Array(sizeBytes);
  partition.set(text);
  return partition;
}

/**
 * What a verity-sig partition holds.
 * @throws FormatError when it is not such a JSON object followed by zeroes only.
 */
export function parseVeritySignature(partition: Uint8Array): VeritySignature {
  if (partition.length > MAX_SIGNATURE_PARTITION_SIZE) {
    throw fault(
      `Cannot use a signature partition of ${partition.length} bytes: expected at most ${MAX_SIGNATURE_PARTITION_SIZE}`,
    );
  }
  const nul = partition.indexOf(0);
  const end = nul === -1 ? partition.length : nul;
  const garbage = partition.subarray(end).findIndex((byte) => byte !== 0);
  if (garbage !== -1)
    throw fault("Cannot use the signature partition: expected only zeroes behind the text", end + garbage);
  const value = parseJson(Buffer.from(partition.subarray(0, end)).toString("utf8"));
  const fingerprint = textMember(value, "certificateFingerprint");
  return {
    rootHash: fromHex(requiredMember(value, "rootHash")),
    certificateFingerprint: fingerprint === undefined ? undefined : fromHex(fingerprint),
    pkcs7: fromBase64(requiredMember(value, "signature")),
  };
}

function parseJson(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError("Cannot read the signature partition: expected a JSON object", { format: FORMAT, cause });
  }
  if (typeof value !== "object" || value === null)
    throw fault("Cannot read the signature partition: expected a JSON object");
  return value;
}

function textMember(value: object, name: string): string | undefined {
  const member: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
  if (member === undefined || typeof member === "string") return member;
  throw fault(`Cannot read ${name} of the signature partition: expected text`);
}

function requiredMember(value: object, name: string): string {
  const member = textMember(value, name);
  if (member === undefined) throw fault(`Cannot read the signature partition: ${name} is missing`);
  return member;
}

/** Node's own decoder skips what it does not know, which must not happen to a signature. */
function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw fault("Cannot read the signature: expected base64");
  return new Uint8Array(bytes);
}

function fault(message: string, offset?: number): FormatError {
  return new FormatError(message, { format: FORMAT, offset });
}
