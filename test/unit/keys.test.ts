import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { FormatError, type UsageError } from "../../src/bytes/index.ts";
import { withSignatures } from "../../src/formats/pe/index.ts";
import { createCertificate } from "../../src/keys/create-certificate.ts";
import {
  checkProgramSignatures,
  createKeys,
  externalSigner,
  type KeyFileContent,
  keySigner,
  parseCertificates,
  parsePrivateKey,
  type Signer,
  signDetached,
  signProgram,
  signRootHash,
} from "../../src/keys/index.ts";
import { sampleProgram, text } from "../support/pe-samples.ts";

const NOW = new Date("2026-06-01T12:00:00.500Z");
const DAY_MS = 86_400_000;
const program = sampleProgram([{ name: ".text", content: text("code") }]);

let files: ReadonlyMap<string, KeyFileContent>;
const file = (name: string): Uint8Array => {
  const found = files.get(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found.content;
};
const signer = (name = "db"): Signer => keySigner({ key: file(`${name}.key`) }, file(`${name}.crt`), NOW);

const elsewhere = (sign: Signer["sign"]): Pick<Signer, "sign" | "signAside"> => ({
  sign,
  signAside: async (message) => sign(message),
});

beforeAll(() => {
  const keys = createKeys({ bits: 2048, now: NOW, validDays: 30 });
  files = new Map(keys.map((each) => [each.name, each]));
});

describe("a set of keys", () => {
  test("has a private key and a certificate for each purpose, and what firmware enrolls", () => {
    expect([...files.keys()].sort()).toEqual([
      ...["KEK.auth", "KEK.crt", "KEK.esl", "KEK.key"],
      ...["PK.auth", "PK.crt", "PK.esl", "PK.key"],
      ...["db.auth", "db.crt", "db.esl", "db.key"],
      ...["image.crt", "image.key", "pcr.key", "pcr.pub"],
    ]);
    const secrets = [...files.values()].filter(({ secret }) => secret).map(({ name }) => name);
    expect(secrets.sort()).toEqual(["KEK.key", "PK.key", "db.key", "image.key", "pcr.key"]);
  });

  test.each(["PK", "KEK", "db", "image"])("%s: certificate and key belong together", (name) => {
    const certificate = new X509Certificate(file(`${name}.crt`));
    expect(certificate.checkPrivateKey(createPrivateKey(Buffer.from(file(`${name}.key`))))).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.subject).toBe(`CN=lazyrd ${name}`);
    expect(new Date(certificate.validFrom).toISOString()).toBe("2026-06-01T12:00:00.000Z");
    expect(new Date(certificate.validTo).toISOString()).toBe("2026-07-01T12:00:00.000Z");
  });

  test("pcr is a bare pair", () => {
    const publicKey = createPublicKey(Buffer.from(file("pcr.key"))).export({ type: "spki", format: "pem" });
    expect(Buffer.from(file("pcr.pub")).toString()).toBe(publicKey);
  });

  test("db trusts the image's key, too", () => {
    const lists = Buffer.from(file("db.esl"));
    for (const name of ["db", "image"]) {
      const [certificate] = parseCertificates(file(`${name}.crt`));
      expect(lists.includes(Buffer.from(certificate.der))).toBe(true);
    }
  });

  test("a passphrase locks the private keys", () => {
    const locked = createKeys({ bits: 2048, now: NOW, validDays: 1, passphrase: "word" });
    const key = locked.find(({ name }) => name === "db.key")?.content ?? new Uint8Array();
    expect(Buffer.from(key).toString()).toContain("ENCRYPTED PRIVATE KEY");
    expect(parsePrivateKey({ key, passphrase: "word" }).asymmetricKeyType).toBe("rsa");
    expect(() => parsePrivateKey({ key })).toThrow("Cannot read the private key: it is encrypted");
    expect(() => parsePrivateKey({ key, passphrase: "wrong" })).toThrow(/the passphrase is not the right one/);
  });
});

describe("signing a program", () => {
  test("gives the same bytes each time, and a sound signature", () => {
    const signed = signProgram(program, signer());
    expect(signProgram(program, signer())).toEqual(signed);
    expect(checkProgramSignatures(signed)).toEqual([
      { certificate: expect.objectContaining({ subject: "CN=lazyrd db" }), fault: undefined },
    ]);
    expect(checkProgramSignatures(program)).toEqual([]);
  });

  test("again with the same certificate replaces its signature, others stay", () => {
    const once = signProgram(program, signer());
    expect(signProgram(once, signer())).toEqual(once);
    const twice = signProgram(once, signer("image"));
    const subjects = (bytes: Uint8Array) =>
      checkProgramSignatures(bytes).map(({ certificate }) => certificate?.subject);
    expect(subjects(twice)).toEqual(["CN=lazyrd db", "CN=lazyrd image"]);
    expect(subjects(signProgram(twice, signer()))).toEqual(["CN=lazyrd image", "CN=lazyrd db"]);
    expect(checkProgramSignatures(twice).every(({ fault }) => fault === undefined)).toBe(true);
  });

  test("certificates between signer and root go along", () => {
    const chain = keySigner({ key: file("db.key") }, Buffer.concat([file("db.crt"), file("KEK.crt")]), NOW);
    const [kek] = parseCertificates(file("KEK.crt"));
    expect(Buffer.from(signProgram(program, chain)).includes(Buffer.from(kek.der))).toBe(true);
    expect(checkProgramSignatures(signProgram(program, chain))).toMatchObject([{ fault: undefined }]);
  });

  test("elsewhere gives the same bytes as with the key at hand", () => {
    const privateKey = createPrivateKey(Buffer.from(file("db.key")));
    const external = externalSigner(
      elsewhere((message) => sign("sha256", message, privateKey)),
      file("db.crt"),
      NOW,
    );
    expect(signProgram(program, external)).toEqual(signProgram(program, signer()));
  });
});

describe("checking signatures", () => {
  test("a program that was changed", () => {
    const signed = signProgram(program, signer());
    signed[1024] = 0;
    expect(checkProgramSignatures(signed)).toMatchObject([
      { fault: expect.stringMatching(/^it is for other content: digest [0-9a-f]{64}, got [0-9a-f]{64}$/) },
    ]);
  });

  test("a signature that was changed", () => {
    const signed = signProgram(program, signer());
    // Near the end of the table: the last bytes of the RSA signature.
    const at = signed.length - 20;
    signed[at] = (signed[at] ?? 0) ^ 1;
    expect(checkProgramSignatures(signed)).toMatchObject([
      { fault: "it was not made with the key of its certificate" },
    ]);
  });

  test("something that is no signature of a program", () => {
    const faults = (signature: Uint8Array) =>
      checkProgramSignatures(withSignatures(program, [signature])).map(({ fault }) => fault);
    expect(faults(text("garbage"))).toEqual([expect.stringMatching(/Cannot read the signature/)]);
    expect(faults(signDetached(text("other"), signer()))).toEqual(["it is not about an EFI program"]);
  });
});

describe("who cannot sign", () => {
  test("a certificate that is not valid now", () => {
    const at = (time: number) => () => keySigner({ key: file("db.key") }, file("db.crt"), new Date(time));
    expect(at(NOW.getTime() + 31 * DAY_MS)).toThrow(
      "Cannot sign with the certificate CN=lazyrd db: it expired on 2026-07-01",
    );
    expect(at(NOW.getTime() - DAY_MS)).toThrow("it is valid from 2026-06-01 on");
  });

  test("a key of another certificate", () => {
    expect(() => keySigner({ key: file("KEK.key") }, file("db.crt"), NOW)).toThrow(
      "Cannot sign: the key does not belong to the certificate CN=lazyrd db",
    );
    const liar = externalSigner(
      elsewhere(() => text("signature")),
      file("db.crt"),
      NOW,
    );
    expect(() => signProgram(program, liar)).toThrow(/the signer does not belong to the certificate/);
  });

  test("what is no key and no certificate", () => {
    expect(() => keySigner({ key: text("no key") }, file("db.crt"), NOW).sign(text("x"))).toThrow(FormatError);
    expect(() => keySigner({ key: file("db.key") }, text("no certificate"), NOW)).toThrow(
      "x509: Cannot read the certificate: expected X.509, in PEM or DER",
    );
  });

  test("keys that firmware does not take", () => {
    const certified = ({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }): Uint8Array =>
      createCertificate({
        commonName: "weak",
        publicKey,
        serial: Uint8Array.of(1),
        validFrom: NOW,
        validTo: new Date("2060-01-01T00:00:00Z"),
        sign: (message) => sign("sha256", message, privateKey),
      });
    const weak = certified(generateKeyPairSync("rsa", { modulusLength: 1024 }));
    expect(() => keySigner({ key: file("db.key") }, weak, new Date("2055-01-01"))).toThrow(
      "Cannot sign with the certificate CN=weak: its key is RSA with 1024 bits",
    );
    expect(new X509Certificate(weak).validTo).toContain("2060");
  });
});

test("a root hash is signed as its text, and says by whom", () => {
  const rootHash = new Uint8Array(32).fill(0xab);
  const { pkcs7, certificateFingerprint } = signRootHash(rootHash, signer("image"));
  expect(pkcs7).toEqual(signDetached(text("ab".repeat(32)), signer("image")));
  expect(certificateFingerprint).toEqual(parseCertificates(file("image.crt"))[0].fingerprint);
});

test("faults of people have a way out", () => {
  try {
    parsePrivateKey({ key: text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n") });
  } catch (error) {
    expect((error as UsageError).hint).toContain("--passphrase-file");
    return;
  }
  throw new Error("It was not refused");
});
