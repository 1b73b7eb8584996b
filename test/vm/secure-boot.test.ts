import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MemorySource } from "../../src/bytes/index.ts";
import { readPe, sectionNamed } from "../../src/formats/pe/index.ts";
import { signProgram } from "../../src/keys/index.ts";
import { assembleUki } from "../../src/uki/index.ts";
import {
  BOOT_LOADER,
  bootFirmware,
  DEFAULT_PROGRAM,
  firmwareVariables,
  keyFile,
  newKeys,
  STUB,
  signerOf,
  withArchive,
} from "../support/secure-boot.ts";
import { imageDisk } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";
import { QUICK_BOOT } from "../support/vm-story.ts";

const KERNEL = "6.12-amd64";
const built = generation({ initrd: "small", kernel: KERNEL });
const disks = [imageDisk(built)];
const keys = newKeys();

const PROBE = smallProbe({
  "command line": "bb cat /proc/cmdline",
  "secure boot": "bb dmesg | bb grep -o 'secureboot: Secure boot .*'",
  lockdown: "bb dmesg | bb grep -o 'Kernel is locked down.*;'",
  root: "bb grep ' / ' /proc/mounts",
});

/** The generation as a unified kernel image whose first stage brings the probe along. */
const uki = assembleUki({
  stub: readFileSync(STUB),
  sections: {
    kernel: readFileSync(built.path("kernel")),
    commandLine: `console=ttyS0 loglevel=7 ${QUICK_BOOT} story=told`,
    osRelease: Buffer.from("ID=lazyrd\nVERSION_ID=1\nPRETTY_NAME=lazyrd\n"),
    initrd: withArchive(readFileSync(built.path("firstStage")), PROBE),
  },
});
const signed = signProgram(uki, signerOf(keys, "db"));

const REFUSED = /failed to (?:load|start) .*: (?:Access Denied|Security Violation)/;

test("a machine with Secure Boot starts a signed image, up to the image's init", async () => {
  const { report } = await bootFirmware({
    esp: { [DEFAULT_PROGRAM]: signed },
    disks,
    variables: firmwareVariables(keys),
  });
  if (report === undefined) throw new Error("The probe in the image did not report");
  expect(section(report, "secure boot")).toEqual(["secureboot: Secure boot enabled"]);
  expect(section(report, "lockdown")).toEqual(["Kernel is locked down from EFI Secure Boot;"]);
  expect(section(report, "command line")).toEqual([expect.stringContaining("story=told")]);
  expect(section(report, "root")).toEqual([expect.stringMatching(/^\S+ \/ /)]);
});

/** Flips a bit in the middle of a section. */
function changed(program: Uint8Array, name: string): Uint8Array {
  const copy = Uint8Array.from(program);
  const found = sectionNamed(readPe(new MemorySource(copy)), name);
  if (found === undefined) throw new Error(`There is no section ${name}`);
  const at = found.rawOffset + Math.floor(found.virtualSize / 2);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

test.each([
  ["that is not signed", uki],
  ["signed by somebody else", signProgram(uki, signerOf(newKeys(), "db"))],
  ["whose command line was changed", changed(signed, ".cmdline")],
  ["whose first stage was changed", changed(signed, ".initrd")],
])("it refuses an image %s", async (_, program) => {
  const { end, report, console } = await bootFirmware({
    esp: { [DEFAULT_PROGRAM]: program },
    disks,
    variables: firmwareVariables(keys),
    until: REFUSED,
  });
  expect(end).toBe("reached");
  expect(report).toBeUndefined();
  expect(console.some((line) => line.includes("Linux version"))).toBe(false);
});

test("without keys in the firmware, an image that is not signed starts", async () => {
  const { report } = await bootFirmware({ esp: { [DEFAULT_PROGRAM]: uki }, disks, variables: firmwareVariables() });
  if (report === undefined) throw new Error("The probe in the image did not report");
  expect(section(report, "secure boot")).toEqual(["secureboot: Secure boot disabled"]);
});

test("systemd-boot enrolls the keys from their .auth files; from then on the firmware checks signatures", async () => {
  const variables = firmwareVariables();
  const auth = (name: string): Record<string, Uint8Array> => ({
    [`loader/keys/auto/${name}.auth`]: keyFile(keys, `${name}.auth`),
  });
  const esp = {
    [DEFAULT_PROGRAM]: signProgram(readFileSync(BOOT_LOADER), signerOf(keys, "db")),
    "EFI/Linux/lazyrd.efi": signed,
    "loader/loader.conf": Buffer.from("timeout 0\nsecure-boot-enroll force\n"),
    ...auth("PK"),
    ...auth("KEK"),
    ...auth("db"),
  };
  // The first boot ends with a reset, at which QEMU ends.
  const first = await bootFirmware({ esp, disks, variables });
  expect(first).toMatchObject({ end: "guest-ended", report: undefined });
  const second = await bootFirmware({ esp, disks, variables });
  if (second.report === undefined) throw new Error("The probe in the image did not report");
  expect(section(second.report, "secure boot")).toEqual(["secureboot: Secure boot enabled"]);
  const third = await bootFirmware({ esp: { [DEFAULT_PROGRAM]: uki }, disks, variables, until: REFUSED });
  expect(third).toMatchObject({ end: "reached", report: undefined });
});
