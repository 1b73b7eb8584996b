import { createHash } from "node:crypto";
import { customGuid, GUID_SIZE, type Guid } from "../bytes/index.ts";
import {
  encodeSignatureLists,
  encodeSignedVariable,
  type KeyVariable,
  signedVariableBytes,
} from "../formats/efi-variables/index.ts";
import type { Certificate } from "./certificate.ts";
import { encodeDer } from "./der.ts";
import { OID } from "./object-identifiers.ts";
import { signedData } from "./signed-data.ts";
import type { Signer } from "./signer.ts";

/** A variable of Secure Boot in the two forms in which firmware takes it. */
export interface Enrolment {
  /** .esl: signature lists, for a machine in setup mode and for virtual ones. */
  readonly lists: Uint8Array;
  /** .auth: the same, signed. */
  readonly signed: Uint8Array;
}

/**
 * What gives a variable of Secure Boot its value.
 * @param signer PK's for PK and KEK, KEK's for db
 * @param time newer than that of the value that is replaced; whole seconds count
 */
export function enrolmentOf(
  variable: KeyVariable,
  certificates: readonly Certificate[],
  owner: Guid,
  signer: Signer,
  time: Date,
): Enrolment {
  const lists = encodeSignatureLists(
    certificates.map(({ der }) => der),
    owner,
  );
  const bytes = signedVariableBytes(variable, time, lists);
  const message = encodeDer(signedData({ bytes, type: OID.data, attributes: false }, signer));
  return { lists, signed: encodeSignedVariable(time, message, lists) };
}

/** Whose keys these are: a GUID that follows from the certificate of the machine's owner. */
export function ownerGuid(certificate: Certificate): Guid {
  return customGuid(
    createHash("sha256").update("lazyrd-owner").update(certificate.der).digest().subarray(0, GUID_SIZE),
  );
}
