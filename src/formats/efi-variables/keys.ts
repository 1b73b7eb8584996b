import { FormatError, GUID_SIZE, type Guid, guidFromEfi, guidToEfi } from "../../bytes/index.ts";
import {
  EfiTime,
  FORMAT,
  GLOBAL_VARIABLE,
  IMAGE_SECURITY_DATABASE,
  KEY_ATTRIBUTES,
  PKCS7_CERTIFICATE,
  SignatureList,
  VariableAuthentication,
  WIN_CERT_REVISION_2,
  WIN_CERT_TYPE_EFI_GUID,
  X509_SIGNATURE,
} from "./layout.ts";

/** The variables of Secure Boot: who owns the machine, who may change what is trusted, and what is trusted. */
export const KEY_VARIABLES = {
  PK: { name: "PK", vendor: GLOBAL_VARIABLE },
  KEK: { name: "KEK", vendor: GLOBAL_VARIABLE },
  db: { name: "db", vendor: IMAGE_SECURITY_DATABASE },
} as const satisfies Record<string, { name: string; vendor: Guid }>;

export type KeyVariable = keyof typeof KEY_VARIABLES;

/**
 * A value of such a variable: EFI_SIGNATURE_LISTs (UEFI 2.10, 32.4.1), one for each certificate, because entries of one list
 * have one size.
 * @param certificates DER
 */
export function encodeSignatureLists(certificates: readonly Uint8Array[], owner: Guid): Uint8Array {
  const ownerBytes = guidToEfi(owner);
  return Buffer.concat(
    certificates.flatMap((certificate) => {
      const entryBytes = ownerBytes.length + certificate.length;
      const header = SignatureList.encode({
        SignatureType: X509_SIGNATURE,
        SignatureListSize: SignatureList.size + entryBytes,
        SignatureSize: entryBytes,
      });
      return [header, ownerBytes, certificate];
    }),
  );
}

/** One entry of such a value. */
export interface SignatureEntry {
  readonly owner: Guid;
  /** Whether `data` is an X.509 certificate (DER); otherwise it is a digest or something older. */
  readonly isCertificate: boolean;
  readonly data: Uint8Array;
}

/**
 * The entries of a value, in their order.
 * @throws FormatError when it is cut off or its sizes do not fit each other.
 */
export function parseSignatureLists(value: Uint8Array): SignatureEntry[] {
  const entries: SignatureEntry[] = [];
  for (let offset = 0; offset < value.length; ) {
    const { SignatureType, SignatureListSize, SignatureHeaderSize, SignatureSize } = SignatureList.parse(value, offset);
    const end = offset + SignatureListSize;
    const start = offset + SignatureList.size + SignatureHeaderSize;
    if (end > value.length || start > end || SignatureSize <= GUID_SIZE || (end - start) % SignatureSize !== 0) {
      throw new FormatError(`Cannot read a signature list of ${SignatureListSize} bytes`, { format: FORMAT, offset });
    }
    for (let at = start; at < end; at += SignatureSize) {
      entries.push({
        owner: guidFromEfi(value.subarray(at, at + GUID_SIZE)),
        isCertificate: SignatureType === X509_SIGNATURE,
        data: value.subarray(at + GUID_SIZE, at + SignatureSize),
      });
    }
    offset = end;
  }
  return entries;
}

/** EFI_TIME in UTC, whole seconds: firmware refuses any smaller unit in a signed variable. */
export function encodeEfiTime(time: Date): Uint8Array {
  return EfiTime.encode({
    Year: time.getUTCFullYear(),
    Month: time.getUTCMonth() + 1,
    Day: time.getUTCDate(),
    Hour: time.getUTCHours(),
    Minute: time.getUTCMinutes(),
    Second: time.getUTCSeconds(),
  });
}

/** What the signature of a signed variable is about (UEFI 2.10, 8.2.2): name, GUID, attributes, time and value. */
export function signedVariableBytes(variable: KeyVariable, time: Date, value: Uint8Array): Uint8Array {
  const { name, vendor } = KEY_VARIABLES[variable];
  const attributes = new Uint8Array(Uint32Array.BYTES_PER_ELEMENT);
  new DataView(attributes.buffer).setUint32(0, KEY_ATTRIBUTES, true);
  return Buffer.concat([Buffer.from(name, "utf16le"), guidToEfi(vendor), attributes, encodeEfiTime(time), value]);
}

/**
 * The content of an .auth file, which SetVariable() takes as it is.
 * @param message SignedData, DER, detached, over `signedVariableBytes`
 */
export function encodeSignedVariable(time: Date, message: Uint8Array, value: Uint8Array): Uint8Array {
  const header = VariableAuthentication.encode({
    TimeStamp: encodeEfiTime(time),
    dwLength: VariableAuthentication.size - EfiTime.size + message.length,
    wRevision: WIN_CERT_REVISION_2,
    wCertificateType: WIN_CERT_TYPE_EFI_GUID,
    CertType: PKCS7_CERTIFICATE,
  });
  return Buffer.concat([header, message, value]);
}
