import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Generation, readGeneration } from "../../src/build/index.ts";
import { signProgram } from "../../src/keys/index.ts";
import { regularFile } from "../../src/tree/index.ts";
import { assembleAddon, assembleUki } from "../../src/uki/index.ts";
import { encodeArchive } from "../support/build-inputs.ts";
import { lazyrd } from "../support/cli.ts";
import { type KernelFlavour, kernelFixture, systemdFixture } from "../support/fixtures.ts";
import {
  bootFirmware,
  DEFAULT_PROGRAM,
  type FirmwareEnding,
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
import { section, smallProbe } from "../support/vm-probe.ts";
import { smallInitrd } from "../support/vm-programs.ts";

/** Needs no other module and no hardware, and says in /proc/modules that it is there. */
const MODULE = "kernel/drivers/net/dummy.ko";

/** A generation whose modules are signed with these keys' db.key, one of them in the image. */
function resigned(flavour: KernelFlavour, keys: KeySet): Generation {
  const kernel = kernelFixture(flavour);
  const folder = tempFolder();
  const path = (name: string): string => join(folder, name);
  const initrd = smallInitrd();
  const [content, suffix] = moduleFile(join(kernel.modules, MODULE));
  initrd.setWithParents(`usr/lib/modules/${kernel.release}/${MODULE}${suffix}`, regularFile(content));
  writeFileSync(path("initrd"), encodeArchive(initrd));
  for (const name of ["db.key", "db.crt"]) writeFileSync(path(name), keyFile(keys, name));
  const signer = `key = "${path("db.key")}"\ncertificate = "${path("db.crt")}"\n`;
  writeFileSync(path("lazyrd.toml"), `[modules]\nsignatures = "resign"\nunwind = "strip"\n${signer}`);
  const inputs = ["-k", kernel.vmlinuz, "-m", kernel.modules, "-i", path("initrd"), "-c", path("lazyrd.toml")];
  expect(lazyrd(["build", "-q", ...inputs, "-d", "virtio", "-o", path("built")])).toMatchObject({
    status: 0,
    stderr: "",
  });
  return readGeneration(path("built"));
}

/** As the distribution packs it. */
function moduleFile(path: string): [content: Uint8Array, suffix: string] {
  try {
    return [readFileSync(path), ""];
  } catch {
    return [readFileSync(`${path}.xz`), ".xz"];
  }
}

const PROBE = smallProbe({
  "command line": "bb cat /proc/cmdline",
  lockdown: "bb mount -t securityfs none /sys/kernel/security && bb cat /sys/kernel/security/lockdown",
  enforced: "bb cat /sys/module/module/parameters/sig_enforce",
  insmod: `bb insmod /usr/lib/modules/*/${MODULE}`,
  modules: "bb cut -d' ' -f1 /proc/modules",
  tainted: "bb cat /proc/sys/kernel/tainted",
});

const LOCKED_DOWN = "console=ttyS0 loglevel=7 lockdown=integrity module.sig_enforce=1";
const { stub: NEW_STUB, addonStub } = systemdFixture();

/** What differs between the stubs of two versions of systemd: with the newer one, all that the older one does not know. */
const STUBS = {
  old: { stub: STUB, commandLine: LOCKED_DOWN, profiles: [] },
  new: {
    stub: NEW_STUB,
    commandLine: "never=used",
    profiles: [
      { id: "first", sections: { commandLine: LOCKED_DOWN } },
      { id: "second", sections: { commandLine: "never=used" } },
    ],
  },
} as const;

/** Boots it on a machine with Secure Boot whose db has the certificate `db` of these keys. */
function bootLockedDown(
  built: Generation,
  keys: KeySet,
  { version = "old", until }: { readonly version?: keyof typeof STUBS; readonly until?: RegExp } = {},
): Promise<FirmwareEnding> {
  const { stub, commandLine, profiles } = STUBS[version];
  const uki = assembleUki({
    stub: readFileSync(stub),
    sections: {
      kernel: readFileSync(built.path("kernel")),
      commandLine,
      osRelease: Buffer.from("ID=lazyrd\nVERSION_ID=1\nPRETTY_NAME=lazyrd\n"),
      initrd: withArchive(readFileSync(built.path("firstStage")), PROBE),
    },
    profiles,
  });
  const addon = (line: string): Uint8Array => assembleAddon(readFileSync(addonStub), { commandLine: line });
  return bootFirmware({
    esp: {
      [DEFAULT_PROGRAM]: signProgram(uki, signerOf(keys, "db")),
      [`${DEFAULT_PROGRAM}.extra.d/signed.addon.efi`]: signProgram(addon("story=added"), signerOf(keys, "db")),
      [`${DEFAULT_PROGRAM}.extra.d/foreign.addon.efi`]: addon("story=forged"),
    },
    disks: [imageDisk(built)],
    variables: firmwareVariables(keys),
    ...(until === undefined ? {} : { until }),
  });
}

test.each<[KernelFlavour, keyof typeof STUBS]>([
  ["6.12-amd64", "new"],
  ["6.1-amd64", "old"],
])(
  "a locked down %s takes modules that are signed with a key of db, of the first stage and of the image",
  async (flavour, version) => {
    const keys = newKeys();
    const { report } = await bootLockedDown(resigned(flavour, keys), keys, { version });
    if (report === undefined) throw new Error("The probe in the image did not report");
    expect(section(report, "lockdown")).toEqual(["none [integrity] confidentiality"]);
    expect(section(report, "enforced")).toEqual(["Y"]);
    expect(section(report, "insmod")).toEqual([]);
    expect(section(report, "modules")).toEqual(expect.arrayContaining(["erofs", "dm_verity", "dummy"]));
    expect(section(report, "tainted")).toEqual(["0"]);
    // Of the first profile, with what the signed addon adds.
    const [commandLine] = section(report, "command line");
    expect(commandLine?.trim()).toBe(version === "new" ? `${LOCKED_DOWN} story=added` : LOCKED_DOWN);
  },
);

test("it refuses modules that are signed with a foreign key, and lazyrd says so", async () => {
  const ending = await bootLockedDown(resigned("6.12-amd64", newKeys()), newKeys(), { until: /lazyrd: FAILED/ });
  expect(ending).toMatchObject({ end: "reached", report: undefined });
  expect(ending.console.at(-1)).toMatch(
    /FAILED at plan line \d+ \(try-modules\): the kernel refused the module \w+: key was rejected \(EKEYREJECTED\)/,
  );
});
