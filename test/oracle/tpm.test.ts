import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { INITRD_PHASES, predict, readMeasuredImage, signPolicies } from "../../src/attest/index.ts";
import { toHex } from "../../src/bytes/index.ts";
import {
  type Bank,
  EVENT_TYPES,
  encodeEventLog,
  encodePcrSignatures,
  parseEventLog,
  replayEvents,
} from "../../src/formats/tpm/index.ts";
import { policyKey } from "../../src/keys/index.ts";
import { assembleUki } from "../../src/uki/index.ts";
import { kernelFixture } from "../support/fixtures.ts";
import { keyFile, newKeys, STUB } from "../support/secure-boot.ts";
import { startTpmForPrograms } from "../support/swtpm.ts";
import { tempFolder } from "../support/temp.ts";
import { findTool, requireTool, run } from "../support/tools.ts";

const SYSTEMD_MEASURE = "systemd-measure";
const OVMF_LOG = new URL("../golden/ovmf.eventlog", import.meta.url);

const keys = newKeys();
const sections = {
  osRelease: Buffer.from("ID=test\n"),
  commandLine: "quiet root=/dev/sda1",
  pcrPublicKey: keyFile(keys, "pcr.pub"),
  kernel: readFileSync(kernelFixture("6.12-amd64").vmlinuz),
  initrd: Buffer.alloc(123_457, 7),
  splash: Buffer.from("BM"),
  deviceTree: Buffer.from("dtb"),
};

/** systemd-measure's options for the same parts. */
function measureArguments(folder: string): string[] {
  const names = {
    osrel: "osRelease",
    cmdline: "commandLine",
    pcrpkey: "pcrPublicKey",
    linux: "kernel",
    initrd: "initrd",
    splash: "splash",
    dtb: "deviceTree",
  } as const;
  return Object.entries(names).map(([option, key]) => {
    const path = join(folder, option);
    writeFileSync(path, sections[key]);
    return `--${option}=${path}`;
  });
}

const uki = assembleUki({ stub: readFileSync(STUB), sections });

test("systemd-measure calculates the PCR 11 that we predict, for every phase", (context) => {
  const measure = requireTool(context, SYSTEMD_MEASURE);
  const folder = tempFolder();
  const phases = ["", ...INITRD_PHASES, "sysinit", "sysinit:ready"];
  const options = phases.map((phase) => `--phase=${phase === "" ? ":" : phase}`);
  const { stdout } = run(measure, [
    "calculate",
    "--bank=sha256",
    "--json=short",
    ...options,
    ...measureArguments(folder),
  ]);
  const calculated: { sha256: { pcr: number; hash: string }[] } = JSON.parse(stdout);
  const prediction = predict({
    uki: { name: "uki", program: uki },
    loaders: [],
    profile: 0,
    phases,
    secureBoot: false,
    variables: undefined,
    signers: [[]],
    companions: {},
    plan: [],
  });
  const values = prediction.pcrs.find(({ pcr }) => pcr === 11)?.values ?? [];
  expect(calculated.sha256).toEqual(
    values.map(({ value }) => expect.objectContaining({ pcr: 11, hash: toHex(value) })),
  );
});

test("systemd-measure signs the same policies, byte for byte", async (context) => {
  const measure = requireTool(context, SYSTEMD_MEASURE);
  const folder = tempFolder();
  const [privateKey, publicKey] = ["private.pem", "public.pem"].map((name) => join(folder, name));
  writeFileSync(privateKey ?? "", keyFile(keys, "pcr.key"));
  writeFileSync(publicKey ?? "", keyFile(keys, "pcr.pub"));
  const { stdout } = run(measure, [
    ...[
      "sign",
      "--bank=sha256",
      "--json=short",
      `--tpm2-device=${(await startTpmForPrograms()).device}`,
      `--private-key=${privateKey}`,
      `--public-key=${publicKey}`,
    ],
    ...measureArguments(folder),
  ]);
  const ours = signPolicies(readMeasuredImage(uki), 0, INITRD_PHASES, policyKey({ key: keyFile(keys, "pcr.key") }));
  expect(JSON.parse(encodePcrSignatures(ours))).toEqual(JSON.parse(stdout));
});

/** Which value tpm2_eventlog computes of each PCR of a bank. */
function pcrsByTpm2Tools(tool: string, path: string, bank: Bank): Record<string, string> {
  const { stdout } = run(tool, [path]);
  const block = new RegExp(`^  ${bank}:\\n((?:    \\d+ *: 0x[0-9a-f]+\\n)+)`, "m").exec(stdout)?.[1] ?? "";
  return Object.fromEntries([...block.matchAll(/(\d+) *: 0x([0-9a-f]+)/g)].map(([, pcr, value]) => [pcr, value]));
}

test.each(["sha1", "sha256", "sha384", "sha512"] as const)(
  "tpm2_eventlog replays OVMF's log to the same PCRs (%s)",
  (bank) => {
    const tool = findTool("tpm2_eventlog");
    if (tool === undefined) throw new Error("tpm2_eventlog is not installed: run scripts/setup.sh");
    const ours = replayEvents(parseEventLog(readFileSync(OVMF_LOG)).events, bank);
    const theirs = pcrsByTpm2Tools(tool, OVMF_LOG.pathname, bank);
    expect(theirs).toEqual(Object.fromEntries([...ours].map(([pcr, value]) => [String(pcr), toHex(value)])));
  },
);

test("tpm2_eventlog reads a log that we write", (context) => {
  const tool = requireTool(context, "tpm2_eventlog");
  const path = join(tempFolder(), "log");
  const events = ["a", "b"].map((content, index) => ({
    pcr: 8 + index,
    type: EVENT_TYPES.EV_IPL,
    digests: new Map([["sha256", new Uint8Array(32).fill(index)] as const]),
    data: Buffer.from(content),
  }));
  writeFileSync(path, encodeEventLog(["sha256"], events));
  const ours = replayEvents(events, "sha256");
  expect(pcrsByTpm2Tools(tool, path, "sha256")).toEqual(
    Object.fromEntries([...ours].map(([pcr, value]) => [String(pcr), toHex(value)])),
  );
});
