import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Generation } from "../../src/build/index.ts";
import { fromHex } from "../../src/bytes/index.ts";
import { encodeVeritySignature } from "../../src/formats/ddi/index.ts";
import { signProgram, signRootHash } from "../../src/keys/index.ts";
import { assembleUki } from "../../src/uki/index.ts";
import type { Disk } from "../../src/vm/index.ts";
import {
  bootFirmware,
  DEFAULT_PROGRAM,
  firmwareVariables,
  keyFile,
  newKeys,
  STUB,
  signerOf,
  withArchive,
} from "../support/secure-boot.ts";
import { imageDisk, relabelledImage, resignedImage } from "../support/vm-disks.ts";
import { generation } from "../support/vm-generations.ts";
import { section, smallProbe } from "../support/vm-probe.ts";

const KERNEL = "6.12-amd64";
const keys = newKeys();
const folder = mkdtempSync(join(tmpdir(), "lazyrd-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ["image.key", "image.crt"]) writeFileSync(join(folder, name), keyFile(keys, name));

/** An image of this version, signed by the machine's owner, and a plan that takes any such image from 2 on. */
function signedGeneration(version: string, more = "", layout: "partition" | "usr" = "partition") {
  const config = `
    layout = "${layout}"
    [boot]
    failure-delay = 1
    timeout = 5
    [image]
    version = "${version}"
    [image-signature]
    key = "${join(folder, "image.key")}"
    certificate = "${join(folder, "image.crt")}"
    ${more}
  `;
  return generation({ kernel: KERNEL, initrd: layout === "usr" ? "system" : "small", config });
}

const current = signedGeneration("2.1", 'required = true\nfloor = "2"');
const old = signedGeneration("1.9");

const PROBE = smallProbe({
  "secure boot": "bb dmesg | bb grep -o 'secureboot: Secure boot .*'",
  table: "bb dmesg | bb grep 'lazyrd: signed'",
  dm: "bb cat /sys/block/dm-*/dm/uuid",
});

/** Signed for Secure Boot: its plan holds no root hash. */
const ukiOf = (built: Generation): Uint8Array =>
  signProgram(
    assembleUki({
      stub: readFileSync(STUB),
      sections: {
        kernel: readFileSync(built.path("kernel")),
        commandLine: "console=ttyS0 loglevel=7",
        osRelease: Buffer.from("ID=lazyrd\nVERSION_ID=1\nPRETTY_NAME=lazyrd\n"),
        initrd: withArchive(readFileSync(built.path("firstStage")), PROBE),
      },
    }),
    signerOf(keys, "db"),
  );

const start = (disks: readonly Disk[], built = current) =>
  bootFirmware({ esp: { [DEFAULT_PROGRAM]: ukiOf(built) }, disks, variables: firmwareVariables(keys) });

/** The same image, signed with a key that this machine's firmware does not know, and labelled as the newest of all. */
function foreignImage(): Disk {
  const rootHash = fromHex(current.manifest.image.rootHash);
  const signature = signRootHash(rootHash, signerOf(newKeys(), "image"));
  return relabelledImage(current, "10", resignedImage(current, encodeVeritySignature({ rootHash, ...signature })));
}

/** Validly signed, and older than the floor, whatever its label says. */
const liar = (): Disk => relabelledImage(old, "9");

const TOO_OLD =
  /lazyrd: \/dev\/vd[a-z]3 \(lazyrd_9_verity-sig\) is passed over: the image is version 1\.9, older than 2, /;
const FOREIGN =
  /\(lazyrd_10_verity-sig\) is passed over: the kernel does not accept the signature of the root hash [0-9a-f]{64}: required key not available \(ENOKEY\)/;
const UNSIGNED =
  /\(lazyrd_2\.1_verity-sig\) is passed over: the signature's partition is not of the form it must have: it is empty/;

test("a machine with Secure Boot boots a signed image that its plan does not know, and passes over all others", async () => {
  const { report, console } = await start([liar(), foreignImage(), imageDisk(current)]);
  if (report === undefined) throw new Error("The probe in the image did not report");
  expect(section(report, "secure boot")).toEqual(["secureboot: Secure boot enabled"]);
  expect(console).toContainEqual(expect.stringMatching(TOO_OLD));
  expect(console).toContainEqual(expect.stringMatching(FOREIGN));
  const { rootHash } = current.manifest.image;
  expect(section(report, "dm")).toEqual([`CRYPT-VERITY-${rootHash.slice(0, 32)}-root`]);
  expect(section(report, "table")).toEqual([expect.stringContaining(`root hash ${rootHash} of lazyrd_2.1_verity-sig`)]);
});

test("a plan for a /usr takes the newest signed one, and not an image for a root, newer as it may be", async () => {
  const [planned, newer] = ["1.0", "1.9"].map((version) => signedGeneration(version, "required = true", "usr"));
  if (planned === undefined || newer === undefined) throw new Error("Nothing was built");
  const { report } = await start([imageDisk(planned), imageDisk(current), imageDisk(newer)], planned);
  if (report === undefined) throw new Error("The probe in the system did not report");
  const { rootHash } = newer.manifest.image;
  expect(section(report, "dm")).toEqual([`CRYPT-VERITY-${rootHash.slice(0, 32)}-root`]);
  expect(section(report, "table")).toEqual([expect.stringContaining(`root hash ${rootHash} of lazyrd_1.9_verity-sig`)]);
});

test("it restarts where there is only an old, a foreign and an unsigned image", async () => {
  const unsigned = resignedImage(current, new Uint8Array());
  const { report, console, end } = await start([liar(), foreignImage(), unsigned, imageDisk(old)]);
  expect(report).toBeUndefined();
  expect(end).toBe("guest-ended");
  for (const reason of [TOO_OLD, FOREIGN, UNSIGNED]) expect(console).toContainEqual(expect.stringMatching(reason));
  const failure =
    /FAILED at plan line \d+ \(signed\): no signed image that may be used after 5 s: 3 passed over, .* 1 labelled as older/;
  expect(console).toContainEqual(expect.stringMatching(failure));
});
