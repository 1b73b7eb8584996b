import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import { MemorySource } from "../../src/bytes/index.ts";
import { withContent } from "../../src/content/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { readDdi } from "../../src/formats/ddi/index.ts";
import { readModuleSignature } from "../../src/formats/elf-module/index.ts";
import { readPe, sectionNamed } from "../../src/formats/pe/index.ts";
import { describeSigner } from "../../src/inspect/signer.ts";
import { createCertificate } from "../../src/keys/create-certificate.ts";
import { checkProgramSignatures, keySigner, signRootHash } from "../../src/keys/index.ts";
import { regularFile } from "../../src/tree/index.ts";
import { sectionText } from "../../src/uki/index.ts";
import { encodeArchive, type SampleInputs, sampleInitrdTree, writeSampleInputs } from "../support/build-inputs.ts";
import { fileContent } from "../support/built-generation.ts";
import { contentsOf, lazyrd } from "../support/cli.ts";
import { sampleBzImage, sampleBzImageOf, sampleModule, sampleVmlinux, signSample } from "../support/kernel-samples.ts";
import { sampleEfiKernel, sampleProgram, sampleStub, text } from "../support/pe-samples.ts";
import { tempFolder } from "../support/temp.ts";

/** A folder with inputs, keys and a place for what is made. */
interface Workshop {
  readonly inputs: SampleInputs;
  readonly keys: string;
  readonly output: string;
  readonly path: (name: string) => string;
}

let shop: Workshop;
/** Made once: they take a second. */
let keyFiles: ReadonlyMap<string, Buffer> | undefined;

beforeEach(async () => {
  const folder = tempFolder();
  const path = (name: string): string => join(folder, name);
  const inputs = await writeSampleInputs(folder);
  writeFileSync(inputs.kernel, sampleEfiKernel());
  writeFileSync(path("stub"), sampleStub());
  const keys = path("keys");
  keyFiles ??= newKeys();
  mkdirSync(keys);
  for (const [name, content] of keyFiles) writeFileSync(join(keys, name), content);
  shop = { inputs, keys, output: path("gen"), path };
});

function newKeys(): Map<string, Buffer> {
  const folder = join(tempFolder(), "keys");
  expect(lazyrd(["keys", "create", folder])).toMatchObject({ status: 0, stderr: "" });
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
}

const key = (name: string): string => join(shop.keys, name);

function build(...more: string[]) {
  const { inputs, output, path } = shop;
  writeFileSync(path("lazyrd.toml"), config);
  const files = ["-k", inputs.kernel, "-i", inputs.initrd, "-m", inputs.modules, "-c", path("lazyrd.toml")];
  return lazyrd(["build", "-q", ...files, "-d", "virtio", "-o", output, ...more]);
}

let config = "";
beforeEach(() => {
  config = '[boot]\ncommand-line = "quiet"\n';
});

/** Signs with one of the keys. In JavaScript, so that no other program is needed. */
function signerCommand(name: string): string {
  const signer = shop.path("signer.mjs");
  writeFileSync(
    signer,
    'import { sign } from "node:crypto"; import { readFileSync } from "node:fs";\n' +
      'process.stdout.write(sign("sha256", readFileSync(0), readFileSync(process.argv[2])));\n',
  );
  return `"${process.execPath}" "${signer}" "${key(`${name}.key`)}"`;
}

/** Another certificate for a key, valid at another time. */
function certificateOf(name: string, validFrom: Date, validTo: Date): Uint8Array {
  const privateKey = createPrivateKey(readFileSync(key(`${name}.key`)));
  return createCertificate({
    commonName: "again",
    publicKey: createPublicKey(privateKey),
    serial: Uint8Array.of(1),
    validFrom,
    validTo,
    sign: (message) => sign("sha256", message, privateKey),
  });
}

function lockedKey(name: string): string | Buffer {
  const privateKey = createPrivateKey(readFileSync(key(`${name}.key`)));
  return privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "word" });
}

const ukiArguments = (): string[] => ["--uki", "--stub", shop.path("stub")];
const uki = (): Buffer => readFileSync(join(shop.output, "lazyrd.efi"));

function textsOf(program: Uint8Array): Record<string, string | undefined> {
  const image = readPe(new MemorySource(program));
  return Object.fromEntries([".osrel", ".cmdline", ".uname"].map((name) => [name, sectionText(program, image, name)]));
}

describe("lazyrd build --uki", () => {
  test("adds an image with kernel, first stage and command line to the generation", () => {
    expect(build("--json", ...ukiArguments())).toMatchObject({ status: 0, stderr: "" });
    expect(textsOf(uki())).toEqual({ ".osrel": "ID=test\n", ".cmdline": "quiet", ".uname": "6.12.1-test" });
    const source = new MemorySource(uki());
    const section = sectionNamed(readPe(source), ".initrd");
    const firstStage = readFileSync(join(shop.output, "first-stage.cpio"));
    expect(section?.virtualSize).toBe(firstStage.length);
    const { files } = JSON.parse(readFileSync(join(shop.output, "manifest.json"), "utf8"));
    expect(Object.keys(files)).toContain("lazyrd.efi");
    expect(checkProgramSignatures(uki())).toEqual([]);
  });

  test("gives the same bytes again, and replaces its own folder", () => {
    build(...ukiArguments());
    const first = contentsOf(shop.output);
    expect(build(...ukiArguments()).status).toBe(0);
    expect(contentsOf(shop.output)).toEqual(first);
    expect(build().status).toBe(0);
    expect(readdirSync(shop.output)).not.toContain("lazyrd.efi");
  });

  test("is inspected, listed, and found out when it does not match", () => {
    build(...ukiArguments());
    const inspected = lazyrd(["inspect", join(shop.output, "lazyrd.efi")]);
    expect(inspected).toMatchObject({ status: 0, stderr: "" });
    for (const said of ["unified kernel image, kernel 6.12.1-test", "command line  quiet", "signed by     nobody"]) {
      expect(inspected.stdout).toContain(said);
    }
    expect(lazyrd(["ls", join(shop.output, "lazyrd.efi")]).stdout).toBe("init\nlazyrd\n");
    expect(lazyrd(["inspect", shop.output]).status).toBe(0);
    writeFileSync(join(shop.output, "lazyrd.efi"), sampleStub());
    expect(lazyrd(["inspect", shop.output]).stdout).toMatch(/PROBLEM: lazyrd\.efi: expected \d+ bytes/);
  });

  test("signs it when it gets a key", () => {
    const signing = ["--key", key("db.key"), "--certificate", key("db.crt")];
    expect(build("--stub", shop.path("stub"), ...signing)).toMatchObject({ status: 0, stderr: "" });
    expect(checkProgramSignatures(uki())).toMatchObject([
      { certificate: { subject: "CN=lazyrd db" }, fault: undefined },
    ]);
    expect(lazyrd(["inspect", join(shop.output, "lazyrd.efi")]).stdout).toMatch(/signed by +CN=lazyrd db, .*, sound/);
  });

  test("takes profiles and files from the settings", () => {
    writeFileSync(shop.path("os-release"), "ID=mine\n");
    writeFileSync(shop.path("old-initrd"), "old");
    config = [
      "[uki]",
      `stub = "${shop.path("stub")}"`,
      `os-release = "${shop.path("os-release")}"`,
      `microcode = "${shop.path("old-initrd")}"`,
      'profiles = [{ id = "normal" }, { id = "old", title = "Old", command-line = "x", initrd = "$OLD" }]',
    ]
      .join("\n")
      .replace("$OLD", shop.path("old-initrd"));
    expect(build("--uki")).toMatchObject({ status: 0, stderr: "" });
    const { profiles, sections, osRelease } = JSON.parse(
      lazyrd(["inspect", "--json", join(shop.output, "lazyrd.efi")]).stdout,
    );
    expect(osRelease).toBe("ID=mine\n");
    expect(profiles).toEqual([{ id: "normal" }, { id: "old", title: "Old" }]);
    expect(sections.map(({ name }: { name: string }) => name).slice(-4)).toEqual([
      ...[".profile", ".profile", ".cmdline", ".initrd"],
    ]);
  });

  test("refuses what cannot be one, and leaves nothing behind", () => {
    const refused = (why: RegExp, ...more: string[]): void => {
      const { status, stderr, stdout } = build(...more);
      expect([status, stdout]).toEqual([status === 1 ? 1 : 2, ""]);
      expect(stderr).toMatch(why);
      expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
      expect(readdirSync(join(shop.output, ".."))).not.toContain("gen");
    };
    refused(/Cannot read systemd's stub .*nowhere: there is no such file/, "--uki", "--stub", shop.path("nowhere"));
    writeFileSync(shop.path("program"), sampleProgram([{ name: ".text", content: text("x") }]));
    refused(/program: stub: Cannot use this as a stub/, "--uki", "--stub", shop.path("program"));
    refused(
      /expected either a private key or a signer, and its certificate/,
      ...ukiArguments(),
      "--key",
      key("db.key"),
    );
    refused(
      /the key does not belong to the certificate CN=lazyrd db/,
      ...[...ukiArguments(), "--key", key("PK.key"), "--certificate", key("db.crt")],
    );
    writeFileSync(shop.path("expired.crt"), certificateOf("db", new Date("2020-01-01"), new Date("2020-02-01")));
    refused(
      /Cannot sign with the certificate CN=again: it expired on 2020-02-01/,
      ...[...ukiArguments(), "--key", key("db.key"), "--certificate", shop.path("expired.crt")],
    );
    writeFileSync(shop.path("locked.key"), lockedKey("db"));
    refused(
      /Cannot read the private key: it is encrypted\nhint: .*--passphrase-file/,
      ...[...ukiArguments(), "--key", shop.path("locked.key"), "--certificate", key("db.crt")],
    );
    const code = (address: number) => ({ name: `.${address}`, content: text("code"), address });
    writeFileSync(shop.path("overlapping"), sampleStub({ more: [code(0x9000), code(0x9002)] }));
    refused(/sections: section "\.36864" and section "\.36866" overlap/, "--uki", "--stub", shop.path("overlapping"));
    config = `[boot]\ncommand-line = "${"x".repeat(2048)}"\n`;
    refused(/Cannot use a command line of 2048 bytes: the kernel takes 2047/, ...ukiArguments());
    config = `[uki]\nprofiles = [${Array.from({ length: 100 }, (_, number) => `{ id = "p${number}" }`)}]\n`;
    refused(/Cannot write \d+ sections: the header has room for \d+; take another stub/, ...ukiArguments());
    config = `[image-signature]\nkey = "${key("image.key")}"\ncertificate = "${key("db.crt")}"\n`;
    refused(/the key does not belong to the certificate CN=lazyrd db/);
    config = "";
    writeFileSync(shop.inputs.kernel, sampleBzImage());
    refused(/Cannot put this kernel into a unified kernel image/, ...ukiArguments());
  });
});

test("lazyrd build signs the root hash with the image's key", () => {
  config = `[image-signature]\nkey = "${key("image.key")}"\ncertificate = "${key("image.crt")}"\n`;
  expect(build()).toMatchObject({ status: 0, stderr: "" });
  const source = new MemorySource(readFileSync(join(shop.output, "image.raw")));
  const [tree] = readDdi(source).trees;
  const signer = keySigner({ key: readFileSync(key("image.key")) }, readFileSync(key("image.crt")), new Date());
  const rootHash = tree?.verity?.rootHash ?? new Uint8Array();
  expect(tree?.signature?.content).toEqual({ rootHash, ...signRootHash(rootHash, signer) });
  config = `[image-signature]\nkey = "${key("image.key")}"\n`;
  expect(build().stderr).toMatch(/expected either a private key or a signer, .*\nhint: set .* in \[image-signature\]/);
});

describe("lazyrd build with modules that are signed anew", () => {
  const firstStage = async () => {
    const { tree } = treeOfInitramfs(await readInitramfs(readFileSync(join(shop.output, "first-stage.cpio"))));
    return (name: string): Buffer => fileContent(tree.get(`lazyrd/modules/${name}.ko`));
  };
  const moduleSigner = (bytes: Uint8Array): string =>
    describeSigner(readModuleSignature(bytes)?.signatureBytes ?? new Uint8Array()).issuer;
  const settings = (more: string): string => `[modules]\nsignatures = "resign"\nsymbols = "keep"\n${more}`;
  const ownKey = (): string => `key = "${key("image.key")}"\ncertificate = "${key("image.crt")}"\n`;

  beforeEach(() => {
    writeFileSync(shop.inputs.kernel, sampleEfiKernel({ bzImage: sampleBzImageOf(sampleVmlinux()) }));
    config = settings(ownKey());
  });

  test("takes the key of the settings, or else that of the unified kernel image", async () => {
    expect(build()).toMatchObject({ status: 0, stderr: "" });
    expect(moduleSigner((await firstStage())("erofs"))).toBe("CN=lazyrd image");
    const first = contentsOf(shop.output);
    const { inputs } = JSON.parse(readFileSync(join(shop.output, "manifest.json"), "utf8"));
    expect(Object.keys(inputs)).toEqual(["initrd", "module-certificate"]);
    expect(build().status).toBe(0);
    expect(contentsOf(shop.output)).toEqual(first);
    config = settings("");
    expect(build(...ukiArguments(), "--key", key("db.key"), "--certificate", key("db.crt")).stderr).toBe("");
    expect(moduleSigner((await firstStage())("erofs"))).toBe("CN=lazyrd db");
  });

  test("signs what is in the image, too, unpacked; or leaves it there as it is", async () => {
    const tree = sampleInitrdTree();
    const module = signSample(sampleModule(["license=GPL"]), Buffer.from("the distribution's"));
    tree.setWithParents("usr/lib/modules/6.12.1-test/extra.ko.gz", regularFile(gzipSync(module)));
    writeFileSync(shop.inputs.initrd, encodeArchive(tree));
    expect(build()).toMatchObject({ status: 0 });
    await withContent(shop.output, ({ roots: [{ tree }] }) => {
      expect(moduleSigner(fileContent(tree.get("usr/lib/modules/6.12.1-test/extra.ko")))).toBe("CN=lazyrd image");
    });
    const { explanation } = JSON.parse(readFileSync(join(shop.output, "manifest.json"), "utf8"));
    expect(explanation.image[0].purpose).toMatch(/, and signs them anew$/);
    config = `[image]\nmodules = "keep"\n${config}`;
    expect(build()).toMatchObject({ status: 0, stderr: "" });
    await withContent(shop.output, ({ roots: [{ tree }] }) => {
      expect(gunzipSync(fileContent(tree.get("usr/lib/modules/6.12.1-test/extra.ko.gz"))).equals(module)).toBe(true);
    });
  });

  test("asks a signer once for each module, and once for the unified kernel image", async () => {
    const log = shop.path("log");
    const command = `echo >>'${log}'; ${signerCommand("db")}`;
    config = settings("");
    const result = build("--json", ...ukiArguments(), "--signer", command, "--certificate", key("db.crt"));
    expect(result).toMatchObject({ status: 0, stderr: "" });
    const { modules } = JSON.parse(result.stdout).explanation;
    expect(readFileSync(log, "utf8").length).toBe(modules.length + 1);
    expect(checkProgramSignatures(uki())).toMatchObject([{ fault: undefined }]);
  });

  test("refuses before anything is written", () => {
    const refused = (why: RegExp, ...more: string[]): void => {
      const { status, stderr } = build(...more);
      expect([status, stderr]).toEqual([2, expect.stringMatching(why)]);
      expect(readdirSync(join(shop.output, ".."))).not.toContain("gen");
    };
    config = settings("");
    refused(/^lazyrd: Cannot re-sign modules without a key\nhint: set key or signer, and certificate, in \[modules\]/);
    config = settings(`key = "${key("image.key")}"\n`);
    refused(/expected either a private key or a signer, .*\nhint: set .* in \[modules\]/);
    config = settings(`key = "${key("image.key")}"\ncertificate = "${key("db.crt")}"\n`);
    refused(/the key does not belong to the certificate CN=lazyrd db/);
    config = settings(`${ownKey()}keyring = "builtin"\n`);
    refused(
      /^lazyrd: Cannot re-sign modules for kernel 6\.12\.1-test: the certificate CN=lazyrd image is not compiled in/,
    );
    config = '[modules]\nsignatures = "strip"\n[boot]\ncommand-line = "quiet lockdown=integrity"\n';
    refused(/^lazyrd: Cannot strip the signatures of modules: with lockdown=integrity .*\nhint: .*"resign"/);
    config = `[modules]\nsignatures = "strip"\nsymbols = "keep"\n[uki]\nprofiles = [{ id = "a" }, { id = "b", command-line = "module.sig_enforce" }]\n`;
    expect(build()).toMatchObject({ status: 0 });
    rmSync(shop.output, { recursive: true });
    refused(/with module\.sig_enforce the kernel refuses/, ...ukiArguments());
  });
});

describe("lazyrd sign", () => {
  const program = sampleProgram([{ name: ".text", content: text("code") }]);
  const subjects = (path: string) =>
    checkProgramSignatures(readFileSync(path)).map(({ certificate, fault }) => fault ?? certificate?.subject);

  beforeEach(() => {
    writeFileSync(shop.path("program.efi"), program);
  });

  const signed = (...more: string[]) => lazyrd(["sign", shop.path("program.efi"), "-o", shop.path("out.efi"), ...more]);
  const withKey = (name: string): string[] => ["--key", key(`${name}.key`), "--certificate", key(`${name}.crt`)];

  test("adds a signature, in place too, and removes all of them", () => {
    expect(signed(...withKey("db")).stdout).toBe(`${shop.path("out.efi")}: signed by CN=lazyrd db\n`);
    expect(subjects(shop.path("out.efi"))).toEqual(["CN=lazyrd db"]);
    const out = shop.path("out.efi");
    expect(lazyrd(["sign", out, "-o", out, ...withKey("image")]).status).toBe(0);
    expect(subjects(out)).toEqual(["CN=lazyrd db", "CN=lazyrd image"]);
    expect(lazyrd(["sign", out, "-o", out, "--remove"]).stdout).toBe(`${out}: not signed\n`);
    expect(subjects(out)).toEqual([]);
    expect(readdirSync(join(out, "..")).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("asks a program for the signature", () => {
    const command = signerCommand("db");
    expect(signed("--signer", command, "--certificate", key("db.crt")).status).toBe(0);
    const theirs = readFileSync(shop.path("out.efi"));
    signed(...withKey("db"));
    expect(readFileSync(shop.path("out.efi")).equals(theirs)).toBe(true);
    expect(signed("--signer", "exit 3", "--certificate", key("db.crt"))).toMatchObject({
      status: 1,
      stderr: "lazyrd: Cannot run exit 3: exit status 3\n",
    });
    expect(signed("--signer", "cat >/dev/null; echo no", "--certificate", key("db.crt")).stderr).toMatch(
      /the signer does not belong to the certificate/,
    );
  });

  test("unlocks a key with a passphrase from a file or the environment", () => {
    const locked = shop.path("locked");
    writeFileSync(shop.path("word"), "open sesame\n");
    expect(lazyrd(["keys", "create", locked, "--passphrase-file", shop.path("word")]).status).toBe(0);
    const files = ["--key", join(locked, "db.key"), "--certificate", join(locked, "db.crt")];
    expect(signed(...files)).toMatchObject({
      status: 2,
      stderr:
        "lazyrd: Cannot read the private key: it is encrypted\n" +
        "hint: give its passphrase with --passphrase-file FILE or in the environment variable LAZYRD_PASSPHRASE\n",
    });
    expect(signed(...files, "--passphrase-file", shop.path("word")).status).toBe(0);
    const argv = ["sign", shop.path("program.efi"), "-o", shop.path("out.efi"), ...files];
    expect(lazyrd(argv, { env: { LAZYRD_PASSPHRASE: "open sesame" } }).status).toBe(0);
    expect(lazyrd(argv, { env: { LAZYRD_PASSPHRASE: "wrong" } }).stderr).toMatch(/the passphrase is not the right one/);
  });

  test("refuses without a key, and what is no program", () => {
    expect(signed()).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^lazyrd: Cannot sign without a key\nhint: /),
    });
    writeFileSync(shop.path("program.efi"), "text");
    expect(signed(...withKey("db"))).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^lazyrd: \S+program\.efi: .*Cannot read an EFI program/),
    });
  });
});

describe("lazyrd addon", () => {
  const addon = (...more: string[]) => {
    writeFileSync(shop.path("addon.stub"), sampleStub({ kind: "addon" }));
    return lazyrd(["addon", "--stub", shop.path("addon.stub"), "-o", shop.path("x.addon.efi"), ...more]);
  };

  test("writes a program with the sections that are given, signed where there is a key", () => {
    writeFileSync(shop.path("ucode"), "microcode");
    const given = ["--command-line", "debug", "--microcode", shop.path("ucode"), "--uname", "6.12.1-test"];
    expect(addon(...given)).toMatchObject({
      status: 0,
      stderr: "",
      stdout: expect.stringMatching(/addon, not signed\n$/),
    });
    const program = readFileSync(shop.path("x.addon.efi"));
    const { sections } = readPe(new MemorySource(program));
    expect(sections.map(({ name }) => name)).toEqual([".text", ".sdmagic", ".sbat", ".cmdline", ".uname", ".ucode"]);
    expect(addon(...given, "--key", key("db.key"), "--certificate", key("db.crt")).stdout).toContain(
      "signed by CN=lazyrd db",
    );
    expect(checkProgramSignatures(readFileSync(shop.path("x.addon.efi")))).toMatchObject([{ fault: undefined }]);
    expect(lazyrd(["inspect", shop.path("x.addon.efi")])).toMatchObject({ status: 0, stderr: "" });
  });

  test("refuses one without content, a stub for images, and half a signer, and writes nothing", () => {
    const refused = (why: RegExp, ...more: string[]): void => {
      expect(addon(...more)).toMatchObject({ stdout: "", stderr: expect.stringMatching(why) });
      expect(existsSync(shop.path("x.addon.efi"))).toBe(false);
    };
    refused(/Cannot make an addon without content/);
    refused(/no mark of systemd-addon/, "--command-line", "x", "--stub", shop.path("stub"));
    refused(/expected either a private key or a signer/, "--command-line", "x", "--key", key("db.key"));
    refused(/Cannot use a command line of 2048 bytes/, "--command-line", "x".repeat(2048));
    refused(/Cannot read the initrd .*nowhere: there is no such file/, "--initrd", shop.path("nowhere"));
  });
});

describe("lazyrd keys create", () => {
  test("writes secrets that only their owner can read, and replaces nothing", () => {
    const folder = shop.path("new");
    expect(lazyrd(["keys", "create", folder], { shellPrefix: "umask 0" })).toMatchObject({ status: 0, stderr: "" });
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    expect(mode(folder)).toBe("700");
    for (const name of readdirSync(folder)) {
      expect([name, mode(join(folder, name))]).toEqual([name, name.endsWith(".key") ? "600" : "644"]);
    }
    const before = contentsOf(folder);
    expect(lazyrd(["keys", "create", folder])).toMatchObject({
      status: 2,
      stderr: `lazyrd: Cannot make the folder ${folder}: it exists and is not empty\nhint: give a new folder\n`,
    });
    expect(contentsOf(folder)).toEqual(before);
  });

  test("refuses lengths and times that make no sense", () => {
    expect(lazyrd(["keys", "create", shop.path("new"), "--bits", "512"]).status).toBe(2);
    expect(lazyrd(["keys", "create", shop.path("new"), "--days", "0"]).status).toBe(2);
    expect(lazyrd(["keys", "burn", shop.path("new")]).stderr).toMatch(/Allowed choices are create/);
  });
});

describe("PCR policies", () => {
  const pcrsigOf = (path: string): string => {
    const program = readFileSync(path);
    return sectionText(program, readPe(new MemorySource(program)), ".pcrsig") ?? "";
  };
  const built = (): string => join(shop.output, "lazyrd.efi");
  /** The JSON of `lazyrd predict`: which values of PCR 11 have a signed policy. */
  const signedPhases = (): string[] => {
    const { stdout, stderr, status } = lazyrd(["predict", shop.output, "--json"]);
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    const facts: { pcrs: { pcr: number; values: { phase: string; signed: boolean }[] }[] } = JSON.parse(stdout);
    const values = facts.pcrs.find(({ pcr }) => pcr === 11)?.values ?? [];
    return values.flatMap(({ phase, signed }) => (signed ? [phase] : []));
  };

  test("are signed for the phases that a boot through this initrd has", () => {
    const result = build(...ukiArguments(), "--pcr-key", key("pcr.key"));
    expect(result.status).toBe(0);
    expect(result.stderr).toMatch(/^warning: the initrd does not measure the phases of the boot .*\n$/);
    expect(signedPhases()).toEqual(["", "sysinit", "sysinit:ready"]);
    const program = readFileSync(built());
    expect(sectionText(program, readPe(new MemorySource(program)), ".pcrpkey")).toBe(
      readFileSync(key("pcr.pub"), "utf8"),
    );
  });

  test("are signed for the phases that the settings name, and by a program as by a key", () => {
    config += `[uki]\npcr-key = "${key("pcr.key")}"\npcr-phases = ["enter-initrd"]\n`;
    expect(build(...ukiArguments())).toMatchObject({ status: 0, stderr: "" });
    expect(signedPhases()).toEqual(["enter-initrd"]);
    const byKey = pcrsigOf(built());
    const signer = `openssl dgst -sha256 -sign ${key("pcr.key")}`;
    const arguments_ = ["--pcr-signer", signer, "--pcr-public-key", key("pcr.pub")];
    expect(build(...ukiArguments(), ...arguments_)).toMatchObject({ status: 0, stderr: "" });
    expect(pcrsigOf(built())).toBe(byKey);
  });

  test("do not count where their signature is not the image's own key's", () => {
    expect(build(...ukiArguments(), "--pcr-key", key("pcr.key")).status).toBe(0);
    const program = readFileSync(built());
    const at = program.indexOf('"sig":"') + '"sig":"'.length + 20;
    program.write(program.toString("latin1", at, at + 1) === "A" ? "B" : "A", at, "latin1");
    writeFileSync(built(), program);
    expect(signedPhases()).toEqual(["sysinit", "sysinit:ready"]);
  });

  test("are not built beside a shell, which would make them worthless", () => {
    config += `[first-stage]\nshell = ${JSON.stringify(key("pcr.pub"))}\n`;
    const result = build(...ukiArguments(), "--pcr-key", key("pcr.key"));
    expect(result).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("could then unlock what the TPM guards"),
    });
  });

  test("each profile has its own", () => {
    config += `[uki]\nprofiles = [{ id = "a" }, { id = "b", command-line = "rescue" }]\n`;
    expect(build(...ukiArguments(), "--pcr-key", key("pcr.key")).status).toBe(0);
    const program = readFileSync(built());
    const policies = readPe(new MemorySource(program)).sections.filter(({ name }) => name === ".pcrsig");
    expect(policies).toHaveLength(2);
    for (const profile of ["0", "1"]) {
      const { stdout } = lazyrd(["predict", built(), "--profile", profile]);
      expect(stdout.match(/policy signed/g)).toHaveLength(3);
    }
  });

  test.each([
    [["--pcr-signer", "true"], "Cannot sign PCR policies: the public key is missing"],
    [["--pcr-key", "pcr.pub"], "Cannot read the private key: expected PEM"],
    [["--pcr-key", "pcr.key", "--pcr-public-key", "db.crt"], "is not the public key of"],
    [["--pcr-signer", "echo no", "--pcr-public-key", "pcr.pub"], "the signer does not belong to the public key"],
  ])("are refused with %j", (given, message) => {
    const options = given.map((word) => (word.startsWith("pcr.") || word === "db.crt" ? key(word) : word));
    const result = build(...ukiArguments(), ...options);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain(message);
  });
});

describe("lazyrd attest", () => {
  const log = fileURLToPath(new URL("../golden/ovmf.eventlog", import.meta.url));
  const PCR_11 = "7254900b5d577a762f524d8fe330c81b41cef14a841a315434e7a747db2d5954";

  test("prints the PCRs that a log leads to, and compares them with the TPM's", () => {
    const same = lazyrd(["attest", log, "--pcr", `11=${PCR_11}`]);
    expect(same).toMatchObject({ status: 0, stderr: "" });
    expect(same.stdout).toContain(`  PCR 11  ${PCR_11}  as expected\n`);
    const other = lazyrd(["attest", log, "--pcr", `11=${"0".repeat(64)}`, "--json"]);
    expect(other.status).toBe(1);
    expect(JSON.parse(other.stdout)).toMatchObject({
      pcrs: { 11: PCR_11 },
      differences: [expect.stringMatching(/^PCR 11: the TPM says 0{64}, but the log leads to 7254/)],
    });
  });

  test("names the first section that is not the image's", () => {
    expect(build(...ukiArguments())).toMatchObject({ status: 0 });
    const { status, stdout } = lazyrd(["attest", log, "--against", shop.output]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/DIFFERENCE: PCR 11, event \d+ at offset 0x[0-9a-f]+: expected section \.linux, \d+ bytes/);
  });

  test.each([
    [["--pcr", "24=00"], "expected the number of a PCR"],
    [["--bank", "sha1", "--against", "x"], "predictions are for sha256"],
  ])("refuses %j", (given, message) => {
    const { status, stderr } = lazyrd(["attest", log, ...given]);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  test("says what is wrong with a log", () => {
    const path = shop.path("log");
    writeFileSync(path, readFileSync(log).subarray(0, 100));
    const { status, stderr } = lazyrd(["attest", path]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^lazyrd: \S+log: tpm-event-log: Cannot read the event log: it is cut off: .* at offset 0x/);
  });
});
