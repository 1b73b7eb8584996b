import { FormatError, fromHex, toHex } from "../../bytes/index.ts";
import { BANKS, type Bank } from "./layout.ts";

/** One signed policy: "while these PCRs have those values". The values are in the policy's digest only. */
export interface PcrSignature {
  readonly pcrs: readonly number[];
  /** SHA-256 of the public key as DER: of an RSA key, its RSAPublicKey (PKCS#1). */
  readonly keyFingerprint: Uint8Array;
  readonly policyDigest: Uint8Array;
  readonly signature: Uint8Array;
}

/** Signatures by bank. */
export type PcrSignatures = Partial<Readonly<Record<Bank, readonly PcrSignature[]>>>;

const FORMAT = "pcr-signature";
/** A few hundred bytes each: a dozen phases, banks and keys. */
const MAX_TEXT_BYTES = 1 << 20;

/** The text of a section .pcrsig, as systemd-measure(1) writes it. */
export function encodePcrSignatures(signatures: PcrSignatures): string {
  const banks = Object.entries(signatures).map(([bank, entries]) => [
    bank,
    entries.map(({ pcrs, keyFingerprint, policyDigest, signature }) => ({
      pcrs,
      pkfp: toHex(keyFingerprint),
      pol: toHex(policyDigest),
      sig: Buffer.from(signature).toString("base64"),
    })),
  ]);
  return `${JSON.stringify(Object.fromEntries(banks))}\n`;
}

/** @throws FormatError when the text is not of that form. */
export function parsePcrSignatures(text: string): PcrSignatures {
  if (text.length > MAX_TEXT_BYTES) fail(`expected at most ${MAX_TEXT_BYTES} bytes, got ${text.length}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError("Cannot read the PCR signatures: they are not JSON", { format: FORMAT, cause });
  }
  if (!isRecord(value)) return fail("expected an object of banks");
  return Object.fromEntries(
    Object.entries(value)
      .filter(([bank]) => Object.hasOwn(BANKS, bank))
      .map(([bank, entries]) => {
        if (!Array.isArray(entries)) return fail(`expected a list for bank ${bank}`);
        return [bank, entries.map(parseEntry)];
      }),
  );
}

function parseEntry(entry: unknown): PcrSignature {
  if (!isRecord(entry)) return fail("expected an object for each signature");
  const { pcrs, pkfp, pol, sig } = entry;
  const areNumbers = Array.isArray(pcrs) && pcrs.every((pcr) => Number.isInteger(pcr));
  if (!areNumbers || typeof pkfp !== "string" || typeof pol !== "string" || typeof sig !== "string") {
    return fail("expected pcrs, pkfp, pol and sig of each signature");
  }
  return {
    pcrs,
    keyFingerprint: fromHex(pkfp),
    policyDigest: fromHex(pol),
    signature: new Uint8Array(Buffer.from(sig, "base64")),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fail(reason: string): never {
  throw new FormatError(`Cannot read the PCR signatures: ${reason}`, { format: FORMAT });
}
