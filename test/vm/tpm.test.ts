import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { signProgram } from "../../src/keys/index.ts";
import { assembleUki } from "../../src/uki/index.ts";
import { lazyrd } from "../support/cli.ts";
import {
  bootFirmware,
  DEFAULT_PROGRAM,
  firmwareVariables,
  type KeySet,
  keyFile,
  newKeys,
  STUB,
  signerOf,
  withArchive,
} from "../support/secure-boot.ts";
import { tempFolder } from "../support/temp.ts";
import { imageDisk } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";

const built = generation({ initrd: "small", kernel: "6.12-amd64", config: '[measure]\nwhen = "required"\n' });
const keys = newKeys();

const PCRS = [4, 7, 11, 12, 13] as const;
const PROBE = smallProbe({
  mount: "bb mount -t securityfs securityfs /sys/kernel/security",
  firmware: "bb base64 /sys/kernel/security/tpm0/binary_bios_measurements",
  system: "bb base64 /run/log/systemd/tpm2-measure.log",
  pcrs: `cd /sys/class/tpm/tpm0/pcr-sha256; bb cat ${PCRS.join(" ")}`,
  other: "bb cat /sys/class/tpm/tpm0/pcr-sha384/12",
});

const uki = assembleUki({
  stub: readFileSync(STUB),
  sections: {
    kernel: readFileSync(built.path("kernel")),
    commandLine: "console=ttyS0 loglevel=7",
    osRelease: Buffer.from("ID=lazyrd\nPRETTY_NAME=lazyrd\n"),
    pcrPublicKey: keyFile(keys, "pcr.pub"),
    initrd: withArchive(readFileSync(built.path("firstStage")), PROBE),
  },
});

/** What lies beside the image, for PCR 12 and 13. */
const COMPANIONS = {
  "a.cred": Buffer.from("secret"),
  "b.cred": Buffer.from("more"),
  "tool.raw": Buffer.from("extension"),
};

interface Predicted {
  readonly secureBoot: boolean;
  readonly pcrs: readonly { readonly pcr: number; readonly values: readonly { readonly value: string }[] }[];
}

test.each<[string, KeySet | undefined]>([
  ["off", undefined],
  ["on", keys],
])("with Secure Boot %s, the TPM has the predicted PCRs, and the logs lead to them", async (state, enrolled) => {
  const program = enrolled === undefined ? uki : signProgram(uki, signerOf(enrolled, "db"));
  const folder = tempFolder();
  const image = join(folder, "BOOTX64.EFI");
  writeFileSync(image, program);
  mkdirSync(`${image}.extra.d`);
  for (const [name, content] of Object.entries(COMPANIONS)) writeFileSync(join(`${image}.extra.d`, name), content);
  const variables = firmwareVariables(enrolled);
  const beside = Object.entries(COMPANIONS).map(([name, content]) => [`${DEFAULT_PROGRAM}.extra.d/${name}`, content]);
  const { report } = await bootFirmware({
    esp: { [DEFAULT_PROGRAM]: program, ...Object.fromEntries(beside) },
    disks: [imageDisk(built)],
    variables,
    tpm: tempFolder(),
  });
  if (report === undefined) throw new Error("The probe in the image did not report");

  const predicted = lazyrd(["predict", image, "--variables", variables, "--json"]);
  expect(predicted).toMatchObject({ status: 0, stderr: "" });
  const facts: Predicted = JSON.parse(predicted.stdout);
  expect(facts.secureBoot).toBe(state === "on");
  // PCR 11 before the first phase, for nobody measures any here; of the others the last one, with what the first stage adds.
  const values = facts.pcrs.map(({ pcr, values }) => `${pcr} ${values.at(pcr === 11 ? 0 : -1)?.value.toUpperCase()}`);
  const told = section(report, "pcrs").map((value, index) => `${PCRS[index]} ${value}`);
  expect(told).toEqual(values);
  // The first stage has left no bank out.
  expect(section(report, "other")).not.toEqual(["0".repeat(96)]);

  const logs = ["firmware", "system"].map((name) => {
    const path = join(folder, name);
    writeFileSync(path, Buffer.from(section(report, name).join(""), "base64"));
    return path;
  });
  const pcrs = told.flatMap((line) => ["--pcr", line.replace(" ", "=")]);
  const attested = lazyrd(["attest", ...logs, "--against", image, "--variables", variables, ...pcrs]);
  expect(attested).toMatchObject({ status: 0, stderr: "" });
  expect(attested.stdout).toContain("no differences");

  const other = assembleOther(image);
  const differs = lazyrd(["attest", ...logs, "--against", other, "--variables", variables]);
  expect(differs.status).toBe(1);
  expect(differs.stdout).toMatch(
    /^DIFFERENCE: PCR 11, event \d+ of \S+ at offset 0x[0-9a-f]+: expected section \.cmdline/m,
  );
});

/** The same image but for a character of its command line. */
function assembleOther(image: string): string {
  const program = Buffer.from(readFileSync(image));
  const at = program.indexOf("console=ttyS0 loglevel=7");
  program.write("6", at + "console=ttyS0 loglevel=".length);
  const path = `${image}.other`;
  writeFileSync(path, program);
  return path;
}
