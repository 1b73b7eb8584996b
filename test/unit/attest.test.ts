import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  type Companions,
  companionEvents,
  firstDifference,
  INITRD_PHASES,
  type LoggedEvent,
  type PredictionInputs,
  predict,
  readMeasuredImage,
  signPolicies,
} from "../../src/attest/index.ts";
import { toHex, UsageError } from "../../src/bytes/index.ts";
import { encodeSignatureLists, parseSignatureLists } from "../../src/formats/efi-variables/index.ts";
import { changeSections } from "../../src/formats/pe/index.ts";
import { EVENT_TYPES } from "../../src/formats/tpm/index.ts";
import { externalPolicyKey, policyKey } from "../../src/keys/index.ts";
import { parsePlan } from "../../src/plan/index.ts";
import { assembleUki, type UkiOptions } from "../../src/uki/index.ts";
import { sampleEfiKernel, sampleProgram, sampleStub, text } from "../support/pe-samples.ts";
import { keyFile, newKeys } from "../support/secure-boot.ts";

const kernel = sampleEfiKernel();
const sections = {
  kernel,
  commandLine: "quiet",
  initrd: text("initrd"),
  osRelease: text("ID=test\n"),
  kernelRelease: "6.12.1",
};

const uki = ({ version = 257, ...given }: Partial<UkiOptions> & { version?: number } = {}): Uint8Array =>
  assembleUki({ stub: sampleStub({ version }), sections, ...given });

const predicted = (program: Uint8Array, given: Partial<PredictionInputs> = {}) =>
  predict({
    uki: { name: "lazyrd.efi", program },
    loaders: [],
    profile: 0,
    phases: [],
    secureBoot: false,
    variables: undefined,
    signers: [[]],
    companions: {},
    plan: [],
    ...given,
  });

const pcrOf = (prediction: ReturnType<typeof predict>, pcr: number) => {
  const found = prediction.pcrs.find((each) => each.pcr === pcr);
  if (found === undefined) throw new Error(`PCR ${pcr} was not predicted`);
  return found;
};
const whats = (prediction: ReturnType<typeof predict>, pcr: number): string[] =>
  pcrOf(prediction, pcr).events.map(({ what }) => what);

/** Written again from the specification: SHA-256 of the old value and the digest. */
function extended(...contents: readonly (string | Uint8Array)[]): string {
  let value: Uint8Array = new Uint8Array(32);
  for (const content of contents) {
    const digest = createHash("sha256").update(content).digest();
    value = createHash("sha256").update(value).update(digest).digest();
  }
  return toHex(value);
}

describe("PCR 11", () => {
  test("consists of the sections' names and contents, in the stub's order, then of the phases", () => {
    const prediction = predicted(uki({ version: 252 }), { phases: INITRD_PHASES });
    const contents = [".linux\0", kernel, ".osrel\0", "ID=test\n", ".cmdline\0", "quiet", ".initrd\0", "initrd"];
    expect(pcrOf(prediction, 11).values.map(({ phase, value }) => [phase, toHex(value)])).toEqual([
      ["", extended(...contents)],
      ["enter-initrd", extended(...contents, "enter-initrd")],
      ["enter-initrd:leave-initrd", extended(...contents, "enter-initrd", "leave-initrd")],
      ["enter-initrd:leave-initrd:sysinit", extended(...contents, "enter-initrd", "leave-initrd", "sysinit")],
      [
        "enter-initrd:leave-initrd:sysinit:ready",
        extended(...contents, "enter-initrd", "leave-initrd", "sysinit", "ready"),
      ],
    ]);
  });

  test.each([
    [252, []],
    [254, [".uname", ".sbat"]],
    [257, [".uname", ".sbat"]],
  ])("with the stub of systemd %i, of these besides: %s", (version, more) => {
    const names = whats(predicted(uki({ version })), 11).flatMap(
      (what) => /^name of section (.*)/.exec(what)?.[1] ?? [],
    );
    expect(names).toEqual([".linux", ".osrel", ".cmdline", ".initrd", ...more]);
  });

  test("does not depend on signed policies", () => {
    const value = (program: Uint8Array) => toHex(pcrOf(predicted(program), 11).values[0]?.value ?? new Uint8Array());
    expect(value(uki({ sections: { ...sections, pcrSignature: text("{}") } }))).toBe(value(uki()));
    expect(value(uki({ sections: { ...sections, commandLine: "quiet!" } }))).not.toBe(value(uki()));
  });

  test("of a profile: its own sections, and the image's others; its number is in PCR 12", () => {
    const program = uki({
      profiles: [
        { id: "a", sections: {} },
        { id: "b", sections: { commandLine: "rescue" } },
      ],
    });
    const second = predicted(program, { profile: 1 });
    expect(whats(second, 11)).toContain("section .cmdline, 6 bytes");
    expect(whats(second, 11).at(-1)).toBe("section .profile, 5 bytes");
    expect(toHex(pcrOf(second, 12).values[0]?.value ?? new Uint8Array())).toBe(extended(Buffer.from("1\0", "utf16le")));
    expect(whats(predicted(program), 11)).toContain("section .cmdline, 5 bytes");
    expect(whats(predicted(program), 12)).toEqual([]);
    expect(() => predicted(program, { profile: 2 })).toThrow(UsageError);
  });

  test.each([
    ["without a mark of the stub", sampleProgram([{ name: ".linux", content: kernel }]), /no mark of systemd-stub/],
    ["whose stub does not measure", uki({ version: 251 }), /systemd 251's stub does not measure/],
    [
      "with a section that the machine chooses",
      changeSections(uki(), { add: [{ name: ".dtbauto", content: text("x"), kind: "data" }] }),
      /\.dtbauto counts, the machine decides/,
    ],
  ])("cannot be predicted for an image %s", (_, program, message) => {
    expect(() => predicted(program)).toThrow(message);
  });
});

describe("PCR 4", () => {
  const loader = { name: "BOOTX64.EFI", program: sampleStub({ kind: "addon" }) };

  test.each([
    [257, false, ["program BOOTX64.EFI", "program lazyrd.efi", "program the kernel in lazyrd.efi"]],
    [257, true, ["program BOOTX64.EFI", "program lazyrd.efi"]],
    [258, false, ["program BOOTX64.EFI", "program lazyrd.efi"]],
  ])("with the stub of systemd %i, Secure Boot %s: %s", (version, secureBoot, names) => {
    const prediction = predicted(uki({ version }), { loaders: [loader], secureBoot });
    expect(whats(prediction, 4)).toEqual(["a boot option is started", "separator", ...names]);
  });
});

test("PCR 7 names the entry of db that vouches for the programs, once", () => {
  const keys = newKeys();
  const [db, image] = parseSignatureLists(keyFile(keys, "db.esl"));
  if (db === undefined || image === undefined) throw new Error("db has no two entries");
  const variables = { PK: keyFile(keys, "PK.esl"), KEK: keyFile(keys, "KEK.esl"), db: keyFile(keys, "db.esl") };
  const both = predicted(uki(), { secureBoot: true, variables, signers: [[db.data], [db.data], []] });
  expect(whats(both, 7)).toEqual([
    "variable SecureBoot, on",
    expect.stringMatching(/^variable PK, \d+ bytes$/),
    expect.stringMatching(/^variable KEK, \d+ bytes$/),
    expect.stringMatching(/^variable db, \d+ bytes$/),
    "variable dbx, not set",
    "separator",
    "entry of db that vouches for a program: CN=lazyrd db",
  ]);
  const different = predicted(uki(), { secureBoot: true, variables, signers: [[image.data], [db.data]] });
  expect(whats(different, 7).slice(-2)).toEqual([
    "entry of db that vouches for a program: CN=lazyrd image",
    "entry of db that vouches for a program: CN=lazyrd db",
  ]);
});

test("signature lists that are not sound are refused", () => {
  const sound = encodeSignatureLists([text("certificate")], "00000000-0000-0000-0000-000000000000");
  for (let length = 1; length < sound.length; length++) {
    expect(() => parseSignatureLists(sound.subarray(0, length))).toThrow(/Cannot read/);
  }
  const tooLong = Uint8Array.from(sound);
  tooLong[24] = 200;
  expect(() => parseSignatureLists(tooLong)).toThrow("Cannot read a signature list");
});

describe("PCRs 12 and 13", () => {
  const facts = { profile: 0, secureBoot: false, hasCommandLine: true };
  const file = (name: string, content: string) => ({ name, content: text(content) });
  const companions: Companions = {
    addonCommandLines: ["addon_global=1\n", " addon_local=1"],
    credentials: [file("x.cred", "CREDDATA")],
    globalCredentials: [file("g.cred", "GLOB")],
    configurationExtensions: [file("c.confext.raw", "CONFEXT")],
    systemExtensions: [file("s.sysext.raw", "RAWSYSEXTDATA")],
  };

  // Computed apart from this code, and found in a TPM after a boot with these files.
  test("are what a TPM had after a boot with addons, credentials and extensions", () => {
    const digests = (pcr: number): string[] =>
      companionEvents(companions, facts).flatMap((event) => (event.pcr === pcr ? [toHex(event.digest)] : []));
    expect(digests(12)).toMatchInlineSnapshot(`
      [
        "48543690b2081dd04fe7e92663d5c9997affaf3c39adeaea91d5c35fbfab2d90",
        "298a0ca48eb93c64c19899eed335bf18f61cf5bafcd6f65c3e3b0496dece212b",
        "b7965c937784b1efeed5b3b8e20de76970b8ac29ab90131ff5a050a71eb05ab2",
        "58cea93e5f3145db98ed547f0cdbed9c0964544ec348a3adde6add6ce61d6a29",
      ]
    `);
    expect(digests(13)).toMatchInlineSnapshot(`
      [
        "d97cf2a4192547c00ce17cc9e3e4bb11899af22c15259af2a5670a9b31814956",
      ]
    `);
  });

  test.each([
    ["is measured, as it replaces the image's", {}, 1],
    ["does not count where Secure Boot protects the image's", { secureBoot: true }, 0],
    ["counts with Secure Boot, where the image has none", { secureBoot: true, hasCommandLine: false }, 1],
  ])("the boot loader's command line %s", (_, given, count) => {
    expect(companionEvents({ loadOptions: "debug" }, { ...facts, ...given })).toHaveLength(count);
  });
});

describe("what the first stage measures", () => {
  const plan = (...lines: string[]) => parsePlan(`lazyrd-plan 1\n${lines.join("\n")}\n`);
  const valuesOf = (prediction: ReturnType<typeof predict>, pcr: number) =>
    pcrOf(prediction, pcr).values.map(({ phase, value }) => [phase, toHex(value)]);

  test("is in the PCR that the plan says, with the root hash of what was opened", () => {
    const prediction = predicted(uki(), {
      plan: plan("verity root root-hash=1db0 salt=", "measure text=hello root pcr=12", "measure root pcr=15"),
    });
    expect(valuesOf(prediction, 12)).toEqual([
      ["", "0".repeat(64)],
      ["first stage", extended("lazyrd:hello root=1db0")],
    ]);
    expect(valuesOf(prediction, 15).at(-1)).toEqual(["first stage", extended("lazyrd:root=1db0")]);
  });

  test("depends on the candidate", () => {
    const prediction = predicted(uki(), {
      plan: plan(
        ...["candidate new", "verity root root-hash=11", "measure text=candidate:new root"],
        ...["candidate old", "verity root root-hash=22", "measure text=candidate:old root", "end"],
      ),
    });
    expect(valuesOf(prediction, 12)).toEqual([
      ["", "0".repeat(64)],
      ["first stage:candidate new", extended("lazyrd:candidate:new root=11")],
      ["first stage:candidate old", extended("lazyrd:candidate:old root=22")],
    ]);
  });

  test("is not predicted where only the machine knows it", () => {
    const prediction = predicted(uki(), { plan: plan("signed root type=x", "measure root") });
    expect(prediction.pcrs.map(({ pcr }) => pcr)).toEqual([4, 11, 13]);
    expect(prediction.warnings).toEqual([
      "PCR 12 is not predicted: only the machine knows what it measures with line 3 of the plan, root",
    ]);
  });
});

describe("the first difference to a log", () => {
  const pcr11 = pcrOf(predicted(uki({ version: 252 }), { phases: INITRD_PHASES }), 11);
  const logged: LoggedEvent[] = [...pcr11.events, ...(pcr11.values.at(-1)?.events ?? [])].map((event, index) => ({
    pcr: 11,
    type: event.type,
    digests: new Map([["sha256", event.digest]]),
    data: Buffer.from(/(\.\w+)/.exec(event.what)?.[1] ?? event.what, "utf8"),
    offset: index * 100,
    log: "",
    number: index + 1,
  }));
  const withEvent = (index: number, change: Partial<LoggedEvent>): LoggedEvent[] =>
    logged.map((event, each) => (each === index ? { ...event, ...change } : event));
  const other = { digests: new Map([["sha256", new Uint8Array(32)]] as const) };

  test("is none where all is as expected, at whatever phase the log ends", () => {
    for (let length = pcr11.events.length; length <= logged.length; length++) {
      expect(firstDifference(pcr11, logged.slice(0, length))).toBeUndefined();
    }
  });

  test("names the section", () => {
    expect(firstDifference(pcr11, withEvent(5, other))).toMatch(
      /^PCR 11, event 6 at offset 0x1f4: expected section \.cmdline, 5 bytes, digest [0-9a-f]{64}, got EV_IPL "\.cmdline", digest 0{64}$/,
    );
  });

  test("names the phase, and the log of several", () => {
    expect(firstDifference(pcr11, withEvent(8, { ...other, log: "tpm2-measure.log" }))).toMatch(
      /^PCR 11, event 9 of tpm2-measure\.log at offset 0x320: expected phase enter-initrd/,
    );
  });

  test("tells what is missing, and what was not expected", () => {
    expect(firstDifference(pcr11, logged.slice(0, 3))).toMatch(
      /^PCR 11: the log ends where section \.osrel, 8 bytes was/,
    );
    const more = { ...logged[0], data: text("shutdown"), number: 13 } as LoggedEvent;
    expect(firstDifference(pcr11, [...logged, more])).toMatch(
      /event 13 .*: nothing more was expected, got EV_IPL "shutdown"/,
    );
  });

  test("leaves out what frames the programs, which is up to the firmware", () => {
    const pcr4 = pcrOf(predicted(uki()), 4);
    const event = (type: number, digest: Uint8Array): LoggedEvent =>
      ({ ...logged[0], pcr: 4, type, digests: new Map([["sha256", digest]]) }) as LoggedEvent;
    const programs = pcr4.events.slice(2).map(({ type, digest }) => event(type, digest));
    const framed = [event(EVENT_TYPES.EV_EFI_ACTION, new Uint8Array(32)), ...programs];
    expect(firstDifference(pcr4, framed)).toBeUndefined();
    expect(firstDifference(pcr4, framed.slice(0, -1))).toMatch(/^PCR 4: the log ends where program the kernel/);
  });
});

describe("policies", () => {
  const keys = newKeys();
  const key = policyKey({ key: keyFile(keys, "pcr.key") });

  test("are the same by a key in a file and by a signer", () => {
    const external = externalPolicyKey(key.sign, keyFile(keys, "pcr.pub"));
    const image = readMeasuredImage(uki());
    expect(signPolicies(image, 0, INITRD_PHASES, external)).toEqual(signPolicies(image, 0, INITRD_PHASES, key));
  });

  test("are refused from a signer that does not have the public key's own", () => {
    const other = policyKey({ key: keyFile(newKeys(), "pcr.key") });
    const mixed = externalPolicyKey(other.sign, keyFile(keys, "pcr.pub"));
    expect(() => signPolicies(readMeasuredImage(uki()), 0, [""], mixed)).toThrow(/does not belong to the public key/);
  });

  test("are refused with a key that systemd does not take", () => {
    const ecPem = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
`;
    expect(() => externalPolicyKey(key.sign, text(ecPem))).toThrow(/Cannot sign PCR policies with this key: it is ec/);
    expect(() => externalPolicyKey(key.sign, text("no key"))).toThrow(/Cannot read the public key: expected PEM/);
  });
});
