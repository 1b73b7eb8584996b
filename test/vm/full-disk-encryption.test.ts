import { readFileSync } from "node:fs";
import { getuid } from "node:process";
import { expect, test } from "vitest";
import { INITRD_PHASES, predict, readMeasuredImage, signPolicies } from "../../src/attest/index.ts";
import { toHex } from "../../src/bytes/index.ts";
import { encodePcrSignatures } from "../../src/formats/tpm/index.ts";
import { policyKey } from "../../src/keys/index.ts";
import { regularFile } from "../../src/tree/index.ts";
import { assembleUki, type UkiSections } from "../../src/uki/index.ts";
import {
  bootFirmware,
  DEFAULT_PROGRAM,
  type FirmwareEnding,
  firmwareVariables,
  keyFile,
  newKeys,
  STUB,
  withArchive,
} from "../support/secure-boot.ts";
import { requireTool } from "../support/tools.ts";
import { imageDisk } from "../support/vm-disks.ts";
import { type EncryptedRoot, encryptedRoot, initrdWithPhases } from "../support/vm-encrypted-root.ts";
import { changedFirstStage, generation } from "../support/vm-generations.ts";
import { section } from "../support/vm-probe.ts";

const built = generation({ initrd: "dracut", kernel: "6.12-amd64" });
const keys = newKeys();
const key = policyKey({ key: keyFile(keys, "pcr.key") });

/** What takes an initrd's time and has nothing to do with encryption. */
const QUICKLY = "rd.lvm=0 rd.md=0 rd.dm=0 rd.multipath=0 rd.iscsi=0 plymouth.enable=0 fsck.mode=skip";

interface Image {
  readonly kernel: Uint8Array;
  readonly commandLine: string;
  readonly osRelease: Uint8Array;
  readonly pcrPublicKey: Uint8Array;
  readonly initrd: Uint8Array;
}

const assemble = (sections: UkiSections & Image): Uint8Array => assembleUki({ stub: readFileSync(STUB), sections });

/** The policies for an image's phases, as `lazyrd build --pcr-key` puts them into it. */
function policiesFor(image: Image): Uint8Array {
  const signatures = signPolicies(readMeasuredImage(assemble(image)), 0, INITRD_PHASES, key);
  return Buffer.from(encodePcrSignatures(signatures), "utf8");
}

const RELEASE = ["ID=lazyrd-test"];
const LOCKED = /Failed to start .*Setup for luks-root/;

test("a disk is unlocked by an image with signed policies, and after its update, but not by a changed image", async (context) => {
  if (getuid?.() !== 0) context.skip("cryptsetup's locks need root");
  const tools = {
    mke2fs: requireTool(context, "mke2fs"),
    cryptsetup: requireTool(context, "cryptsetup"),
    cryptenroll: requireTool(context, "systemd-cryptenroll"),
  };
  const sections = { release: "bb cat /etc/os-release", pcr: "bb cat /sys/class/tpm/tpm0/pcr-sha256/11" };
  const root = await encryptedRoot(tools, sections, keyFile(keys, "pcr.pub"));
  const initrdOf = (firstStage: Uint8Array): Uint8Array => withArchive(firstStage, initrdWithPhases());
  const image: Image = {
    kernel: readFileSync(built.path("kernel")),
    commandLine: `console=ttyS0 loglevel=7 ${QUICKLY} ${root.commandLine}`,
    osRelease: Buffer.from("ID=lazyrd\n"),
    pcrPublicKey: keyFile(keys, "pcr.pub"),
    initrd: initrdOf(readFileSync(built.path("firstStage"))),
  };
  const policies = policiesFor(image);

  const first = await start(root, assemble({ ...image, pcrSignature: policies }));
  if (first.report === undefined) throw new Error(`The encrypted root was not reached: ${first.end}`);
  expect(section(first.report, "release")).toEqual(RELEASE);
  expect(section(first.report, "pcr")).toEqual([valueOfPcr11(assemble(image), "enter-initrd:leave-initrd")]);

  const update: Image = { ...image, commandLine: `${image.commandLine} updated=1` };
  const second = await start(root, assemble({ ...update, pcrSignature: policiesFor(update) }));
  if (second.report === undefined)
    throw new Error(`The encrypted root was not reached after the update: ${second.end}`);
  expect(section(second.report, "release")).toEqual(RELEASE);

  const plan = await changedFirstStage(built, (tree) => {
    const text = readFileSync(built.path("plan"), "utf8").replace("after=30s", "after=31s");
    tree.set("lazyrd/plan", regularFile(Buffer.from(text)));
  });
  const changed: readonly Image[] = [{ ...image, initrd: initrdOf(plan) }, update];
  for (const other of changed) {
    const { end, report, console } = await start(root, assemble({ ...other, pcrSignature: policies }));
    expect(end).toBe("reached");
    expect(report).toBeUndefined();
    expect(console.some((line) => LOCKED.test(line))).toBe(true);
  }
});

function start({ disk, tpm }: EncryptedRoot, program: Uint8Array): Promise<FirmwareEnding> {
  return bootFirmware({
    esp: { [DEFAULT_PROGRAM]: program },
    disks: [imageDisk(built), disk],
    variables: firmwareVariables(),
    tpm,
    // Without "erms": emulated, a kernel that clears pages byte by byte can stand still for minutes.
    cpuModel: "max,-erms,-fsrm",
    timeoutSeconds: TIMEOUT_SECONDS,
    until: LOCKED,
  });
}

const TIMEOUT_SECONDS = 900;

function valueOfPcr11(program: Uint8Array, phase: string): string {
  const prediction = predict({
    uki: { name: "lazyrd.efi", program },
    loaders: [],
    profile: 0,
    phases: [phase],
    secureBoot: false,
    variables: undefined,
    signers: [[]],
    companions: {},
    plan: [],
  });
  const value = prediction.pcrs.find(({ pcr }) => pcr === 11)?.values.at(-1)?.value;
  return toHex(value ?? new Uint8Array()).toUpperCase();
}
