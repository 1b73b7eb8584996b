import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { createCertificate } from "./create-certificate.ts";
import { type Enrolment, enrolmentOf, ownerGuid } from "./enrolment.ts";
import { keySigner, type Signer } from "./signer.ts";

export interface KeyOptions {
  /** Of RSA: 2048, 3072 or 4096. */
  readonly bits: number;
  /** From when on the certificates are valid. */
  readonly now: Date;
  readonly validDays: number;
  /** Encrypts the private keys. */
  readonly passphrase?: string | undefined;
}

/** A file of a set of keys. */
export interface KeyFileContent {
  readonly name: string;
  readonly content: Uint8Array;
  readonly secret: boolean;
}

interface KeyPair {
  readonly privatePem: string;
  readonly publicKey: KeyObject;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

const CERTIFIED = ["PK", "KEK", "db", "image"] as const;
const DAY_MS = 24 * 60 * 60 * 1000;
const SERIAL_BYTES = 16;
const CIPHER = "aes-256-cbc";

/**
 * Makes all keys that a verified boot needs, each with a certificate of its own: PK, KEK and db for Secure Boot, `image` for root
 * hashes, and `pcr` for PCR policies, which has no certificate. db trusts `image` as well, because that is where the kernel's
 * keyring .platform comes from.
 */
export function createKeys({ bits, now, validDays, passphrase }: KeyOptions): KeyFileContent[] {
  // Certificates count in whole seconds.
  const validFrom = new Date(Math.floor(now.getTime() / 1000) * 1000);
  const validTo = new Date(validFrom.getTime() + validDays * DAY_MS);
  const files: KeyFileContent[] = [];
  const add = (name: string, content: string | Uint8Array, secret = false): void => {
    files.push({ name, content: Buffer.from(content), secret });
  };
  const certified = (name: string): Signer => {
    const pair = createKeyPair(bits, passphrase);
    const { publicKey } = pair;
    const serial = randomBytes(SERIAL_BYTES);
    const der = createCertificate({
      commonName: `lazyrd ${name}`,
      publicKey,
      serial,
      validFrom,
      validTo,
      sign: pair.sign,
    });
    const pem = toPem(der);
    add(`${name}.key`, pair.privatePem, true);
    add(`${name}.crt`, pem);
    return keySigner({ key: Buffer.from(pair.privatePem), passphrase }, Buffer.from(pem), validFrom);
  };
  const [PK, KEK, db, image] = CERTIFIED.map(certified) as [Signer, Signer, Signer, Signer];

  const owner = ownerGuid(PK.certificate);
  const enroll = (name: string, { lists, signed }: Enrolment): void => {
    add(`${name}.esl`, lists);
    add(`${name}.auth`, signed);
  };
  enroll("PK", enrolmentOf("PK", [PK.certificate], owner, PK, validFrom));
  enroll("KEK", enrolmentOf("KEK", [KEK.certificate], owner, PK, validFrom));
  enroll("db", enrolmentOf("db", [db.certificate, image.certificate], owner, KEK, validFrom));

  const pcr = createKeyPair(bits, passphrase);
  add("pcr.key", pcr.privatePem, true);
  add("pcr.pub", pcr.publicKey.export({ type: "spki", format: "pem" }));
  return files;
}

function createKeyPair(bits: number, passphrase: string | undefined): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  const lock = passphrase === undefined ? {} : { cipher: CIPHER, passphrase };
  return {
    privatePem: privateKey.export({ type: "pkcs8", format: "pem", ...lock }).toString(),
    publicKey,
    sign: (message) => sign("sha256", message, privateKey),
  };
}

/** Characters of base64 in a line (RFC 7468, 2). */
const PEM_LINE = /.{1,64}/g;

function toPem(der: Uint8Array): string {
  const lines = Buffer.from(der).toString("base64").match(PEM_LINE) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
