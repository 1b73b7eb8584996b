import { X509Certificate } from "node:crypto";
import { type Guid, guidToEfi } from "../bytes/index.ts";
import {
  GLOBAL_VARIABLE,
  IMAGE_SECURITY_DATABASE,
  parseSignatureLists,
  type SignatureEntry,
} from "../formats/efi-variables/index.ts";
import { EVENT_TYPES, VariableData } from "../formats/tpm/index.ts";
import { type ExpectedEvent, measured, separator } from "./expected.ts";

/** The PCR of the state of Secure Boot. */
export const SECURE_BOOT_PCR = 7;

/** The values of the variables of Secure Boot; what is not enrolled is left out. */
export interface SecureBootVariables {
  readonly PK?: Uint8Array | undefined;
  readonly KEK?: Uint8Array | undefined;
  readonly db?: Uint8Array | undefined;
  readonly dbx?: Uint8Array | undefined;
}

/** In the order in which they are measured (TCG PFP 1.05, 3.3.4.8); one without value is measured, too. */
const VARIABLES = [
  { name: "PK", vendor: GLOBAL_VARIABLE },
  { name: "KEK", vendor: GLOBAL_VARIABLE },
  { name: "db", vendor: IMAGE_SECURITY_DATABASE },
  { name: "dbx", vendor: IMAGE_SECURITY_DATABASE },
] as const;

/**
 * What firmware measures of Secure Boot: whether it is on, the keys, and, each once, the entries of db by which programs were
 * accepted.
 * @param signers of each program that is started, in order, the certificates it is signed by (DER)
 */
export function secureBootEvents(
  variables: SecureBootVariables,
  secureBoot: boolean,
  signers: readonly (readonly Uint8Array[])[],
): ExpectedEvent[] {
  const driverConfig = (name: string, vendor: Guid, value: Uint8Array, state?: string): ExpectedEvent => {
    const what = `variable ${name}, ${state ?? (value.length === 0 ? "not set" : `${value.length} bytes`)}`;
    return measured(
      SECURE_BOOT_PCR,
      EVENT_TYPES.EV_EFI_VARIABLE_DRIVER_CONFIG,
      encodeVariable(name, vendor, value),
      what,
    );
  };
  return [
    driverConfig("SecureBoot", GLOBAL_VARIABLE, Uint8Array.of(secureBoot ? 1 : 0), secureBoot ? "on" : "off"),
    ...VARIABLES.map(({ name, vendor }) => driverConfig(name, vendor, variables[name] ?? new Uint8Array())),
    separator(SECURE_BOOT_PCR),
    ...(secureBoot ? authorities(variables.db, signers).map(authorityEvent) : []),
  ];
}

function authorities(db: Uint8Array | undefined, signers: readonly (readonly Uint8Array[])[]): SignatureEntry[] {
  const trusted = db === undefined ? [] : parseSignatureLists(db).filter(({ isCertificate }) => isCertificate);
  const found = signers.flatMap((certificates) => {
    const entry = certificates.map((signer) => trusted.find(({ data }) => vouchesFor(data, signer))).find(Boolean);
    return entry === undefined ? [] : [entry];
  });
  return [...new Set(found)];
}

/** Whether firmware that trusts one certificate accepts what was signed with the other one. */
function vouchesFor(trusted: Uint8Array, signer: Uint8Array): boolean {
  if (Buffer.compare(trusted, signer) === 0) return true;
  return new X509Certificate(signer).checkIssued(new X509Certificate(trusted));
}

function authorityEvent({ owner, data }: SignatureEntry): ExpectedEvent {
  const content = encodeVariable("db", IMAGE_SECURITY_DATABASE, Buffer.concat([guidToEfi(owner), data]));
  const { subject } = new X509Certificate(data);
  const what = `entry of db that vouches for a program: ${subject.replaceAll("\n", ", ")}`;
  return measured(SECURE_BOOT_PCR, EVENT_TYPES.EV_EFI_VARIABLE_AUTHORITY, content, what);
}

function encodeVariable(name: string, vendor: Guid, value: Uint8Array): Uint8Array {
  const header = VariableData.encode({
    VariableName: guidToEfi(vendor),
    UnicodeNameLength: name.length,
    VariableDataLength: value.length,
  });
  return Buffer.concat([header, Buffer.from(name, "utf16le"), value]);
}
