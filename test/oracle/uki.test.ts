import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, type TestContext, test } from "vitest";
import { encodeSignatureLists, readVariables } from "../../src/formats/efi-variables/index.ts";
import { readModuleSignature } from "../../src/formats/elf-module/index.ts";
import { authenticodeDigest, withSignatures } from "../../src/formats/pe/index.ts";
import {
  checkProgramSignatures,
  keySigner,
  parseCertificates,
  signDetached,
  signModule,
  signProgram,
} from "../../src/keys/index.ts";
import { assembleAddon, assembleUki } from "../../src/uki/index.ts";
import { sampleInitrd } from "../support/build-inputs.ts";
import { lazyrd } from "../support/cli.ts";
import { kernelFixture, systemdFixture } from "../support/fixtures.ts";
import { BOOT_LOADER, type KeySet, keyFile, newKeys, STUB, signerOf } from "../support/secure-boot.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

let keys: KeySet;
beforeAll(() => {
  keys = newKeys();
});

const kernel = readFileSync(kernelFixture("6.12-amd64").vmlinuz);
const parts = {
  ".osrel": Buffer.from("ID=test\nPRETTY_NAME=Test\n"),
  ".cmdline": Buffer.from("quiet root=/dev/sda1"),
  ".uname": Buffer.from("6.12-test"),
  ".pcrpkey": Buffer.from("key"),
  ".linux": kernel,
  ".initrd": Buffer.alloc(123_457, 7),
  ".pcrsig": Buffer.from("{}"),
};
const sections = {
  osRelease: parts[".osrel"],
  commandLine: "quiet root=/dev/sda1",
  kernelRelease: "6.12-test",
  pcrPublicKey: parts[".pcrpkey"],
  kernel,
  initrd: parts[".initrd"],
  pcrSignature: parts[".pcrsig"],
};
const uki = assembleUki({ stub: readFileSync(STUB), sections });

/** Writes files into a new folder and returns their paths. */
function written(files: Readonly<Record<string, Uint8Array>>): string[] {
  const folder = tempFolder();
  return Object.entries(files).map(([name, content]) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  });
}

const keyFiles = (name: string): Record<string, Uint8Array> => ({
  "key.pem": keyFile(keys, `${name}.key`),
  "cert.pem": keyFile(keys, `${name}.crt`),
});

describe("binutils read our image", () => {
  test("objdump lists the sections", (context) => {
    const [path = ""] = written({ "uki.efi": uki });
    const listed = run(requireTool(context, "objdump"), ["-h", path]).stdout;
    const found = [...listed.matchAll(/^ +\d+ (\.\w+) +([0-9a-f]+) +([0-9a-f]+)/gm)];
    const sizes = new Map(found.map(([, name = "", size = "0"]) => [name, Number.parseInt(size, 16)]));
    for (const [name, content] of Object.entries(parts))
      expect([name, sizes.get(name)]).toEqual([name, content.length]);
    const addresses = found.map(([, , , address = "0"]) => Number.parseInt(address, 16));
    expect([...addresses].sort((a, b) => a - b)).toEqual(addresses);
  });

  test("objcopy takes them out again", (context) => {
    const [path = ""] = written({ "uki.efi": uki });
    const folder = tempFolder();
    const dumps = Object.keys(parts).flatMap((name) => ["--dump-section", `${name}=${join(folder, name)}`]);
    run(requireTool(context, "objcopy"), [...dumps, path, join(folder, "copy.efi")]);
    for (const [name, content] of Object.entries(parts)) {
      // A PE section's content is padded in the file.
      expect(readFileSync(join(folder, name)).subarray(0, content.length).equals(content)).toBe(true);
    }
  });
});

describe("sbsigntool and lazyrd agree", () => {
  beforeEach((context) => {
    for (const tool of ["sbsign", "sbverify"]) requireTool(context, tool);
  });

  const programs = { "our image": uki, "the stub": readFileSync(STUB), systemdBoot: readFileSync(BOOT_LOADER), kernel };

  test.each(Object.entries(programs))("sbverify accepts our signature of %s", (_, program) => {
    verify(signProgram(program, signerOf(keys, "db")));
  });

  test.each(Object.entries(programs))("sbsign's signature of %s is sound for us", (_, program) => {
    const [path = "", key = "", certificate = ""] = written({
      "program.efi": withSignatures(program, []),
      ...keyFiles("db"),
    });
    run("sbsign", ["--key", key, "--cert", certificate, "--output", `${path}.signed`, path]);
    const theirs = readFileSync(`${path}.signed`);
    expect(checkProgramSignatures(theirs)).toMatchObject([
      { certificate: { subject: "CN=lazyrd db" }, fault: undefined },
    ]);
    expect(authenticodeDigest(theirs)).toEqual(authenticodeDigest(program));
    // And ours beside theirs: two signers of one program.
    verify(signProgram(theirs, signerOf(keys, "image")), "image");
  });

  test("sbverify refuses an image that was changed after it was signed", () => {
    const signed = signProgram(uki, signerOf(keys, "db"));
    signed[uki.length - 100_000] = 1;
    expect(() => verify(signed)).toThrow(/exited with 1/);
  });

  test("sbverify finds nothing left of a signature that was removed", (context) => {
    const removed = withSignatures(signProgram(uki, signerOf(keys, "db")), []);
    expect(Buffer.compare(removed, uki)).toBe(0);
    const [path = ""] = written({ "uki.efi": removed });
    expect(run(requireTool(context, "sbverify"), ["--list", path], { expectFailure: true }).stderr).toMatch(
      /No signature table present/,
    );
  });

  function verify(program: Uint8Array, key = "db"): void {
    const [path = "", certificate = ""] = written({ "signed.efi": program, "cert.pem": keyFile(keys, `${key}.crt`) });
    expect(run("sbverify", ["--cert", certificate, path]).stdout).toBe("Signature verification OK\n");
  }
});

describe("openssl and lazyrd agree", () => {
  test("a detached signature is the same, byte for byte", (context) => {
    const openssl = requireTool(context, "openssl");
    const message = Buffer.from("5f".repeat(32));
    const [path = "", key = "", certificate = ""] = written({ message, ...keyFiles("image") });
    run(openssl, [
      ...["smime", "-sign", "-noattr", "-binary", "-outform", "der"],
      ...["-in", path, "-inkey", key, "-signer", certificate, "-out", `${path}.p7s`],
    ]);
    expect(Buffer.compare(signDetached(message, signerOf(keys, "image")), readFileSync(`${path}.p7s`))).toBe(0);
  });

  test("its signature of a module, without certificates, is the same, too", async (context) => {
    const openssl = requireTool(context, "openssl");
    const module = Buffer.from("\x7fELF, as far as openssl is concerned");
    const [path = "", key = "", certificate = ""] = written({ module, ...keyFiles("db") });
    run(openssl, [
      ...["smime", "-sign", "-noattr", "-nocerts", "-binary", "-outform", "der"],
      ...["-in", path, "-inkey", key, "-signer", certificate, "-out", `${path}.p7s`],
    ]);
    const signature = readModuleSignature(await signModule(module, signerOf(keys, "db")));
    expect(Buffer.compare(signature?.signatureBytes ?? module, readFileSync(`${path}.p7s`))).toBe(0);
  });

  test("openssl verifies our certificates and reads our locked keys", (context) => {
    const openssl = requireTool(context, "openssl");
    for (const name of ["PK", "KEK", "db", "image"]) {
      const [, certificate = ""] = written(keyFiles(name));
      run(openssl, ["verify", "-x509_strict", "-check_ss_sig", "-CAfile", certificate, certificate]);
    }
  });

  test("we sign with keys and certificates that openssl made", (context) => {
    requireTool(context, "sbverify");
    const openssl = requireTool(context, "openssl");
    const folder = tempFolder();
    const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    run(openssl, [
      ...["req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-passout", "pass:word", "-out", certificate],
      ...["-subj", "/O=Ünicode & Söhne/CN=signer", "-utf8", "-days", "3"],
    ]);
    const signer = keySigner({ key: readFileSync(key), passphrase: "word" }, readFileSync(certificate), new Date());
    const [path = ""] = written({ "signed.efi": signProgram(uki, signer) });
    expect(run("sbverify", ["--cert", certificate, path]).stdout).toBe("Signature verification OK\n");
  });
});

describe("ukify of Debian 13", () => {
  const { stub, addonStub, ukify, pythonPath } = systemdFixture();

  /** What `ukify inspect` says of each section, by name; of several that are called the same, of the last one. */
  function inspect(
    context: TestContext,
    program: Uint8Array,
  ): Record<string, { size: number; sha256: string; text?: string }> {
    const [path = ""] = written({ "program.efi": program });
    const python = requireTool(context, "python3");
    const env = ["-i", `PATH=${process.env["PATH"]}`, `PYTHONPATH=${pythonPath}`, "PYTHONDONTWRITEBYTECODE=1"];
    return JSON.parse(run("env", [...env, python, ukify, "--json=short", "inspect", path]).stdout);
  }

  const digest = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

  test("finds all sections of an image as they were put in, with the stub of either Debian", (context) => {
    for (const path of [STUB, stub]) {
      const found = inspect(context, assembleUki({ stub: readFileSync(path), sections }));
      for (const [name, content] of Object.entries(parts)) {
        expect([name, found[name]]).toEqual([
          name,
          expect.objectContaining({ size: content.length, sha256: digest(content) }),
        ]);
      }
    }
  });

  test("reads profiles, microcode and SBAT entries, which take the newer stub", (context) => {
    const microcode = Buffer.from("microcode");
    const image = assembleUki({
      stub: readFileSync(stub),
      sections: { ...sections, microcode },
      profiles: [
        { id: "normal", sections: {} },
        { id: "rescue", title: "Rescue", sections: { commandLine: "rescue" } },
      ],
      sbat: "mine,1,Me,lazyrd,1,x",
    });
    const found = inspect(context, image);
    expect(found[".ucode"]).toMatchObject({ size: microcode.length, sha256: digest(microcode) });
    expect(found[".profile"]?.text).toBe('ID=rescue\nTITLE="Rescue"\n');
    const components = found[".sbat"]?.text?.split("\n").map((line) => line.split(",", 1)[0]);
    expect(components).toEqual(["sbat", "systemd-stub", "systemd-stub.debian", "mine", "uki", ""]);
  });

  test("reads an addon", (context) => {
    const addon = assembleAddon(readFileSync(addonStub), { commandLine: "debug", kernelRelease: "6.12-test" });
    expect(inspect(context, addon)).toMatchObject({ ".cmdline": { text: "debug" }, ".uname": { text: "6.12-test" } });
    const [path = "", , certificate = ""] = written({
      "x.addon.efi": signProgram(addon, signerOf(keys, "db")),
      ...keyFiles("db"),
    });
    requireTool(context, "sbverify");
    expect(run("sbverify", ["--cert", certificate, path]).stdout).toBe("Signature verification OK\n");
  });
});

test("a unified kernel image is little larger than its kernel", async () => {
  const folder = tempFolder();
  const { vmlinuz, modules } = kernelFixture("6.12-amd64");
  writeFileSync(join(folder, "initrd"), await sampleInitrd());
  const built = (drivers: string): number => {
    const inputs = ["-k", vmlinuz, "-m", modules, "-i", join(folder, "initrd"), "-c", "/dev/null"];
    const output = join(folder, drivers);
    expect(lazyrd(["build", "-q", ...inputs, "-d", drivers, "--uki", "--stub", STUB, "-o", output]).stderr).toBe("");
    return statSync(join(output, "lazyrd.efi")).size - kernel.length;
  };
  const MIB = 2 ** 20;
  expect(built("virtio")).toBeLessThan(MIB);
  expect(built("generic")).toBeLessThan(5 * MIB);
});

describe("keys for firmware", () => {
  const OWNER = "77fa9abd-0359-4d32-bd60-28f4e78f784b";

  test("sbsiglist makes the same list of a certificate", (context) => {
    const [{ der }] = parseCertificates(keyFile(keys, "db.crt"));
    const [path = ""] = written({ "cert.der": der });
    run(requireTool(context, "sbsiglist"), ["--owner", OWNER, "--type", "x509", "--output", `${path}.esl`, path]);
    expect(Buffer.compare(readFileSync(`${path}.esl`), encodeSignatureLists([der], OWNER))).toBe(0);
  });

  test("sbvarsign makes a file of the same form", (context) => {
    const [lists = "", key = "", certificate = ""] = written({ "PK.esl": keyFile(keys, "PK.esl"), ...keyFiles("PK") });
    const auth = `${lists}.auth`;
    run(requireTool(context, "sbvarsign"), [
      ...["--key", key, "--cert", certificate, "--output", auth],
      ...[
        "--attrs",
        "NON_VOLATILE,BOOTSERVICE_ACCESS,RUNTIME_ACCESS,TIME_BASED_AUTHENTICATED_WRITE_ACCESS",
        "PK",
        lists,
      ],
    ]);
    const [ours, theirs] = [Buffer.from(keyFile(keys, "PK.auth")), readFileSync(auth)];
    const header = (file: Buffer): string => file.subarray(20, 40).toString("hex");
    expect(header(ours)).toBe(header(theirs));
    const value = (file: Buffer): Buffer => file.subarray(16 + file.readUInt32LE(16));
    expect(value(ours).equals(value(theirs))).toBe(true);
  });

  test("the keys in a store that Debian's OVMF filled are read", () => {
    const variables = readVariables(readFileSync("/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"));
    const names = variables.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["PK", "KEK", "db", "dbx", "SecureBootEnable"]));
    expect(new Set(names).size).toBe(names.length);
  });
});
