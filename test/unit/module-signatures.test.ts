import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { prepareModule } from "../../src/build/first-stage.ts";
import { defaultConfig } from "../../src/build/index.ts";
import { checkModuleConditions, type ModuleConditions, moduleTreatment } from "../../src/build/module-signatures.ts";
import type { Workforce } from "../../src/build/threads/index.ts";
import { UsageError } from "../../src/bytes/index.ts";
import { bzImagePayload } from "../../src/formats/bzimage/index.ts";
import { decompress } from "../../src/formats/compression/index.ts";
import { readModuleSignature, slimModule } from "../../src/formats/elf-module/index.ts";
import { readModuleChecks } from "../../src/kernel/index.ts";
import { createCertificate } from "../../src/keys/create-certificate.ts";
import { createKeys, externalSigner, keySigner, type Signer, signModule } from "../../src/keys/index.ts";
import { isSignedBy, parseSignedMessage } from "../../src/keys/signed-message.ts";
import { moduleWithSymbols } from "../support/elf-samples.ts";
import {
  sampleBzImage,
  sampleBzImageOf,
  sampleModule,
  sampleVmlinux,
  signSample,
  TEXTS_OF_MODULE_CHECKS,
  verifyCall,
} from "../support/kernel-samples.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const files = new Map(createKeys({ bits: 2048, now: NOW, validDays: 30 }).map(({ name, content }) => [name, content]));
const file = (name: string): Uint8Array => files.get(name) ?? new Uint8Array();
const signer = keySigner({ key: file("db.key") }, file("db.crt"), NOW);
const module = sampleModule(["license=GPL"]);

describe("a module that is signed", () => {
  test("carries a message without certificates and attributes, over all of it", async () => {
    const signed = await signModule(module, signer);
    const signature = readModuleSignature(signed);
    expect(signature?.signedLength).toBe(module.length);
    expect(Buffer.compare(signed.subarray(0, module.length), module)).toBe(0);
    const message = parseSignedMessage(signature?.signatureBytes ?? new Uint8Array());
    expect(message).toMatchObject({ contentType: "1.2.840.113549.1.7.1", content: undefined, certificates: [] });
    const [only, ...others] = message.signatures;
    expect(others).toEqual([]);
    expect(only).toMatchObject({ digest: "sha256", attributes: undefined, serial: signer.certificate.serial });
    expect(only && isSignedBy(signer.certificate, only, module)).toBe(true);
    expect(only && isSignedBy(signer.certificate, only, signed)).toBe(false);
  });

  test("has the same bytes each time, wherever its key is", async () => {
    const signed = await signModule(module, signer);
    expect(await signModule(module, signer)).toEqual(signed);
    const external = externalSigner({ sign: signer.sign, signAside: signer.signAside }, file("db.crt"), NOW);
    expect(await signModule(module, external)).toEqual(signed);
  });

  test("loses its old signature, and its symbols where they are not to be kept", async () => {
    const plain = moduleWithSymbols();
    const old = gzipSync(signSample(plain, Buffer.from("signature")));
    const content = async (symbols: "auto" | "keep" | "strip") =>
      (await prepareModule("sample", old, { signatures: "resign", symbols, signer })).content;
    expect(await content("keep")).toEqual(await signModule(plain, signer));
    for (const symbols of ["auto", "strip"] as const) {
      expect(await content(symbols)).toEqual(await signModule(slimModule(plain).content, signer));
    }
  });
});

describe("a signer elsewhere", () => {
  function watched(answer: Signer["sign"] = signer.sign) {
    let asked = 0;
    let atOnce = 0;
    let mostAtOnce = 0;
    const signAside = async (message: Uint8Array): Promise<Uint8Array> => {
      asked++;
      mostAtOnce = Math.max(mostAtOnce, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce--;
      return answer(message);
    };
    const external = externalSigner({ sign: answer, signAside }, file("db.crt"), NOW);
    return { external, counts: () => ({ asked, mostAtOnce }) };
  }

  test("is asked for one signature at a time, and once for each module", async () => {
    const { external, counts } = watched();
    const modules = ["a", "b", "a", "c", "b"].map((name) => sampleModule([`name=${name}`]));
    const signed = await Promise.all(modules.map((each) => signModule(each, external)));
    expect(signed[0]).toEqual(signed[2]);
    expect(counts()).toEqual({ asked: 3, mostAtOnce: 1 });
  });

  test("is not asked again when it did wrong", async () => {
    const { external, counts } = watched(() => Buffer.from("no signature"));
    const modules = ["a", "b", "c"].map((name) => sampleModule([`name=${name}`]));
    const ends = await Promise.allSettled(modules.map((each) => signModule(each, external)));
    expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(counts().asked).toBe(1);
  });
});

describe("what a kernel tells of how it checks modules", () => {
  const { der } = signer.certificate;

  test("is found inside of it", async () => {
    const vmlinux = sampleVmlinux([1, 2], [...TEXTS_OF_MODULE_CHECKS, der]);
    const { output } = await decompress(bzImagePayload(sampleBzImageOf(vmlinux)));
    expect(Buffer.compare(output, vmlinux)).toBe(0);
    const checks = readModuleChecks(output);
    expect(checks).toMatchObject({
      checksSignatures: true,
      trustsPlatform: true,
      trustsMachine: true,
      locksDownBySecureBoot: true,
    });
    expect(checks.holds(der)).toBe(true);
    expect(readModuleChecks(sampleVmlinux()).holds(der)).toBe(false);
  });

  test("each by a text of its own", () => {
    const without = (text: string) => readModuleChecks(sampleVmlinux([1, 2], textsWithout(text)));
    expect(without("module with unavailable key").checksSignatures).toBe(false);
    expect(without("UEFI:db").trustsPlatform).toBe(false);
    expect(without("Machine keyring initialized").trustsMachine).toBe(false);
    expect(without("EFI Secure Boot").locksDownBySecureBoot).toBe(false);
  });

  test("only a check of modules against .platform counts, not any use of that keyring", () => {
    expect(readModuleChecks(sampleVmlinux([1])).trustsPlatform).toBe(false);
    expect(readModuleChecks(sampleVmlinux([2])).trustsPlatform).toBe(false);
    // Two calls of two functions.
    const elsewhere = Buffer.concat([sampleVmlinux([1]), verifyCall(2, 1234), new Uint8Array(2000)]);
    expect(readModuleChecks(elsewhere).trustsPlatform).toBe(false);
    // The usage is another one: r9 is not cleared.
    const other = sampleVmlinux();
    const bytes = Buffer.from(other);
    bytes.fill(0x90, bytes.lastIndexOf(Buffer.of(0x45, 0x31, 0xc9)), bytes.lastIndexOf(Buffer.of(0x41, 0xb8)));
    expect(readModuleChecks(bytes).trustsPlatform).toBe(false);
  });

  test("nothing, where the image does not say where the kernel is", () => {
    expect(() => bzImagePayload(sampleBzImage())).toThrow(/does not say where the compressed part is/);
    expect(() => bzImagePayload(sampleBzImage(undefined, { payload_length: 1 << 30 }))).toThrow(/compressed part/);
  });
});

const textsWithout = (left: string): string[] => TEXTS_OF_MODULE_CHECKS.filter((text) => text !== left);

describe("before a build", () => {
  const unpackHere = { run: async (_: string, { input }: { input: Uint8Array }) => decompress(input) };
  function check(
    modules: Partial<ModuleConditions["modules"]>,
    given: Partial<Omit<ModuleConditions, "modules" | "kernel">> & { readonly vmlinux?: Uint8Array } = {},
  ): Promise<string[]> {
    const { vmlinux = sampleVmlinux(), ...conditions } = given;
    return checkModuleConditions(
      {
        modules: { ...defaultConfig().modules, ...modules },
        certificate: signer.certificate,
        kernel: { path: "vmlinuz", bytes: sampleBzImageOf(vmlinux), release: "6.12.1-test" },
        commandLines: [""],
        forSecureBoot: false,
        ...conditions,
      },
      unpackHere as unknown as Workforce,
    );
  }

  test.each([
    "lockdown=integrity",
    "lockdown=confidentiality",
    "module.sig_enforce",
    "module.sig-enforce=1",
    "module.sig_enforce=Y",
  ])("modules without signatures are refused with %s on a command line", async (word) => {
    for (const commandLines of [[`quiet ${word} splash`], ["", word]]) {
      const refused = check({ signatures: "strip" }, { commandLines });
      await expect(refused).rejects.toThrow(`Cannot strip the signatures of modules: with ${word} the kernel refuses`);
      await expect(refused).rejects.toMatchObject({ hint: expect.stringContaining('"resign"') });
    }
    expect(await check({ signatures: "keep" }, { commandLines: [word] })).toEqual([]);
    expect(await check({ signatures: "resign" }, { commandLines: [word] })).toEqual([]);
  });

  test.each(["lockdown=none", "module.sig_enforce=0", "xlockdown=integrity", "-- lockdown=integrity"])(
    "but not with %s",
    async (word) => {
      expect(await check({ signatures: "strip" }, { commandLines: [`a ${word}`] })).toEqual([]);
    },
  );

  test("a person hears where Secure Boot would have them refused", async () => {
    const warned = [expect.stringMatching(/^where Secure Boot is on, kernel 6\.12\.1-test refuses modules without/)];
    expect(await check({ signatures: "strip" }, { forSecureBoot: true })).toEqual(warned);
    const harmless = sampleVmlinux([1, 2], textsWithout("EFI Secure Boot"));
    expect(await check({ signatures: "strip" }, { forSecureBoot: true, vmlinux: harmless })).toEqual([]);
  });

  test("a key is needed, and one that the kernel can use", async () => {
    await expect(check({ signatures: "resign" }, { certificate: undefined })).rejects.toThrow(UsageError);
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2560 });
    const der = createCertificate({
      commonName: "odd",
      publicKey,
      serial: Uint8Array.of(1),
      validFrom: NOW,
      validTo: new Date(NOW.getTime() + 1000),
      sign: (message) => sign("sha256", message, privateKey),
    });
    const { certificate } = keySigner({ key: privateKeyPem(privateKey) }, der, NOW);
    await expect(check({ signatures: "resign" }, { certificate })).rejects.toThrow(
      "Cannot sign modules with the certificate CN=odd: its key has 2560 bits",
    );
  });

  test("a kernel that does not trust the key is refused, by the keyring that is meant", async () => {
    const refused = (keyring: "platform" | "machine" | "builtin", vmlinux: Uint8Array) =>
      expect(check({ signatures: "resign", keyring }, { vmlinux })).rejects.toThrow;
    await refused(
      "platform",
      sampleVmlinux([1]),
    )("Cannot re-sign modules for kernel 6.12.1-test: it does not look for signers of modules in .platform");
    await refused(
      "machine",
      sampleVmlinux([1, 2], textsWithout("Machine keyring initialized")),
    )("it has no keyring .machine");
    await refused("builtin", sampleVmlinux())("the certificate CN=lazyrd db is not compiled in");
    const upstream = sampleVmlinux([1], [...TEXTS_OF_MODULE_CHECKS, signer.certificate.der]);
    expect(await check({ signatures: "resign", keyring: "machine" }, { vmlinux: upstream })).toEqual([]);
    expect(await check({ signatures: "resign", keyring: "builtin" }, { vmlinux: upstream })).toEqual([]);
  });

  test("a kernel that checks nothing takes them, and a person hears that it is for nothing", async () => {
    const vmlinux = sampleVmlinux([], textsWithout("module with unavailable key"));
    expect(await check({ signatures: "resign" }, { vmlinux })).toEqual([expect.stringContaining('"strip" would do')]);
  });

  test("a signer for other purposes signs no modules", () => {
    const { modules } = defaultConfig();
    expect(moduleTreatment(modules, signer).signer).toBeUndefined();
    expect(moduleTreatment({ ...modules, signatures: "resign" }, signer).signer).toBe(signer);
  });
});

function privateKeyPem(key: KeyObject): Uint8Array {
  return Buffer.from(key.export({ type: "pkcs8", format: "pem" }));
}
