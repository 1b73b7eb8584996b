import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes/index.ts";
import { saltWithVersion } from "../../src/formats/verity/index.ts";
import type { CheckRootHash, SimulatedKernel } from "../support/simulated-kernel/index.ts";
import { VERSIONS_IN_ORDER } from "../support/versions.ts";
import {
  callsThatCanFail,
  expectOnlyVerifiedMounts,
  expectPolicy,
  failureOf,
  nextRootOf,
} from "./first-stage/faults.ts";
import { BLOCK, type Image, makeImage, withFlippedBit } from "./first-stage/image.ts";
import { changedPlan, IMAGE, logOf, type Story, tell } from "./first-stage/machine.ts";

const OWN_SALT = new Uint8Array(32).fill(7);
const SIGNATURE_TYPE = "41092b05-9fc8-4523-994f-2def0408b176";
const SIGNATURE_BYTES = 16 * 1024;

/** What stands for PKCS#7 here: who signed which root hash. */
const signatureBy = (who: string) => (rootHash: Uint8Array) => ({ pkcs7: Buffer.from(`${who}: ${toHex(rootHash)}`) });

/** A kernel that trusts one key. */
const checkRootHash: CheckRootHash = (rootHash, signature) => {
  const [who, what] = Buffer.from(signature).toString("latin1").split(": ");
  if (what === undefined) return "EBADMSG";
  if (who !== "owner") return "ENOKEY";
  return what === rootHash ? undefined : "EKEYREJECTED";
};

/** An image of this version, labelled as that one. */
function signedImage(version: string, { label = version, by = "owner" } = {}): Image {
  return makeImage({
    salt: toHex(saltWithVersion(OWN_SALT, version)),
    labels: { "verity-sig": label === "" ? "root-verity-sig" : `lazyrd_${label}_verity-sig` },
    sign: signatureBy(by),
  });
}

const STEP = `signed root type=${SIGNATURE_TYPE} timeout=1s`;

/** A machine with these disks, all there from the start, that is to boot whatever is signed. */
function storyOf(images: readonly Image[], options = "", partitionsAfterMs = 0): Story {
  const plan = changedPlan(IMAGE, (line) =>
    line.startsWith("device") ? [] : line.startsWith("verity") ? `${STEP} ${options}` : line,
  );
  const hardware = (kernel: SimulatedKernel) => {
    for (const [index, { disk }] of images.entries()) {
      kernel.blockDevices.addDisk({ name: `sd${"abc"[index]}`, content: disk, partitionsAfterMs });
    }
  };
  return { plan, hardware, hasDisk: false, checkRootHash };
}

/** The image with something else in the partition for its signature. */
function withSignature(image: Image, content: string | Uint8Array): Image {
  const disk = image.disk.slice();
  const start = image.signatureOffset ?? 0;
  disk.fill(0, start, start + SIGNATURE_BYTES);
  disk.set(Buffer.from(content as string), start);
  return { ...image, disk };
}

const V1 = signedImage("1.0");
const V2 = signedImage("2.0");

describe("an image whose root hash the plan does not know", () => {
  test("boots when its signature is one that the kernel accepts", () => {
    const boot = tell(storyOf([V2]));
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expectOnlyVerifiedMounts(boot, V2.rootHash);
    expect([...boot.kernel.deviceMapper.devices.values()][0]?.active?.target.target).toMatchObject({ isSigned: true });
    expect(logOf(boot).join("\n")).toContain(
      `signed root is /dev/dm-0, root hash ${V2.rootHash} of lazyrd_2.0_verity-sig`,
    );
  });

  test.each([
    ["a foreign key", signedImage("2.0", { by: "somebody" }), "required key not available (ENOKEY)"],
    [
      "for another image",
      withSignature(
        V2,
        `{"rootHash":"${V2.rootHash}","signature":"${Buffer.from(`owner: ${V1.rootHash}`).toString("base64")}"}`,
      ),
      "key was rejected (EKEYREJECTED)",
    ],
    [
      "that is none",
      withSignature(V2, `{"rootHash":"${V2.rootHash}","signature":"QUJD"}`),
      "not a valid signature (EBADMSG)",
    ],
  ])("is refused with a signature by or %s", (_, image, reason) => {
    const boot = tell(storyOf([image]));
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(logOf(boot)).toContain(
      `/dev/sda3 (lazyrd_2.0_verity-sig) is passed over: the kernel does not accept the signature of the root hash ${V2.rootHash}: ${reason}`,
    );
    expect(failureOf(boot)).toEqual({
      line: 5,
      verb: "signed",
      message:
        "no signed image that may be used after 1 s: 1 passed over, 0 without data or hashes, 0 labelled as older than the floor; disks seen: sda",
    });
    expectOnlyVerifiedMounts(boot);
    expect(boot.kernel.deviceMapper.devices.size).toBe(0);
    expectPolicy(boot, 5000);
  });

  test("is refused without a signature", () => {
    expect(failureOf(tell(storyOf([makeImage({})]))).message).toMatch(/: 0 passed over, .*disks seen: sda$/);
  });

  test("is refused by a kernel that checks no signatures", () => {
    const boot = tell({ ...storyOf([V2]), checkRootHash: undefined as never });
    expect(logOf(boot).join("\n")).toContain("does not accept the signature");
    expectOnlyVerifiedMounts(boot);
  });

  test.each([
    ["the first block", V2.dataOffset + 1024],
    ["the top of the tree", V2.hashOffset + BLOCK],
    ["the salt", V2.hashOffset + 88],
  ])("is refused with a flipped bit in %s, though its signature is good", (_, offset) => {
    const boot = tell(storyOf([withFlippedBit(V2, offset)]));
    expect(logOf(boot).join("\n")).toMatch(/is passed over: the image is not the one with the root hash/);
    expectOnlyVerifiedMounts(boot);
  });

  test("does not boot when fewer blocks are claimed: its file system is longer", () => {
    const boot = tell(storyOf([withFlippedBit(V2, V2.hashOffset + 72)]));
    expect(failureOf(boot)).toMatchObject({ verb: "mount" });
    expectOnlyVerifiedMounts(boot);
  });

  test("is waited for, until its data is there, too", () => {
    const story = storyOf([V2], "", 800);
    expect(tell(story).end.kind).toBe("exec");
    const others = makeImage({ salt: "aa" });
    const boot = tell(storyOf([{ ...V2, disk: withGuidOf(V2, others) }]));
    expect(failureOf(boot).message).toContain("0 passed over, 1 without data or hashes");
  });
});

/** Of the first partition in a table, 1024 bytes from the disk's start. */
const FIRST_GUID = 1024 + 16;

/** A disk whose data partition has another GUID in its table. */
function withGuidOf(image: Image, other: Image): Uint8Array {
  const disk = image.disk.slice();
  disk.set(other.disk.subarray(FIRST_GUID, FIRST_GUID + 16), FIRST_GUID);
  return disk;
}

describe("of several images", () => {
  test.each([
    ["sda", [V2, V1]],
    ["sdb", [V1, V2]],
  ])("the newest one boots, here on %s", (_, images) => {
    const boot = tell(storyOf(images));
    expect(boot.end.kind).toBe("exec");
    expectOnlyVerifiedMounts(boot, V2.rootHash);
  });

  test("the next one boots where the newest one is damaged", () => {
    const boot = tell(storyOf([V1, withFlippedBit(V2, V2.dataOffset)]));
    expect(boot.end.kind).toBe("exec");
    expectOnlyVerifiedMounts(boot, V1.rootHash);
    expect(logOf(boot).filter((line) => line.includes("passed over"))).toEqual([
      expect.stringMatching(/^\/dev\/sdb3 \(lazyrd_2.0_verity-sig\) is passed over: the image is not the one/),
    ]);
    expect(boot.kernel.deviceMapper.devices.size).toBe(1);
  });

  test("those of the same version are both tried, and one without a version last", () => {
    const unnamed = signedImage("9", { label: "" });
    const damaged = [withFlippedBit(V2, V2.dataOffset), withFlippedBit(V2, V2.hashOffset + BLOCK)];
    const boot = tell(storyOf([unnamed, ...damaged]));
    expect(logOf(boot).filter((line) => line.includes("passed over"))).toHaveLength(2);
    expectOnlyVerifiedMounts(boot, unnamed.rootHash);
  });

  test("only those with the label of the plan count", () => {
    expect(tell(storyOf([V2], "label=lazyrd")).end.kind).toBe("exec");
    expect(failureOf(tell(storyOf([V2], "label=other"))).message).toContain("0 passed over");
    expect(failureOf(tell(storyOf([signedImage("2", { label: "" })], "label=lazyrd"))).message).toContain(
      "0 passed over",
    );
  });
});

describe("the floor", () => {
  test("is a version like any other", () => {
    for (const [index, version] of VERSIONS_IN_ORDER.entries()) {
      const image = signedImage(version);
      expect(tell(storyOf([image], `floor=${version}`)).end.kind, version).toBe("exec");
      const newer = VERSIONS_IN_ORDER[index + 1];
      if (newer !== undefined)
        expect(tell(storyOf([image], `floor=${newer}`)).end.kind, `${version} < ${newer}`).toBe("reboot");
    }
  });

  test("refuses an older image by its label", () => {
    const message = failureOf(tell(storyOf([V1], "floor=1.1"))).message;
    expect(message).toContain("1 labelled as older than the floor");
  });

  test("refuses an older image whose label lies, and one that names no version", () => {
    const liar = signedImage("1.0", { label: "9" });
    const old = tell(storyOf([liar], "floor=1.1"));
    expect(logOf(old).join("\n")).toContain(
      "/dev/sda3 (lazyrd_9_verity-sig) is passed over: the image is version 1.0, older than 1.1, the plan's floor",
    );
    expectOnlyVerifiedMounts(old);
    const nameless = makeImage({ labels: { "verity-sig": "lazyrd_9_verity-sig" }, sign: signatureBy("owner") });
    const boot = tell(storyOf([nameless], "floor=1.1"));
    expect(logOf(boot).join("\n")).toContain(
      "passed over: the image names no version, and the plan wants at least 1.1",
    );
    expectOnlyVerifiedMounts(boot);
    // The next one is tried all the same.
    expectOnlyVerifiedMounts(tell(storyOf([liar, V2], "floor=1.1")), V2.rootHash);
  });

  test("a version that was written over the one in the salt does not open", () => {
    const disk = V1.disk.slice();
    disk.set(Buffer.from("9"), V1.hashOffset + 88 + 32 + "version=".length);
    const boot = tell(storyOf([{ ...V1, disk }], "floor=1.0"));
    expect(logOf(boot).join("\n")).toContain("the image is not the one with the root hash");
    expectOnlyVerifiedMounts(boot);
  });
});

describe("the content of the signature's partition", () => {
  const good = `"rootHash":"${V2.rootHash}"`;
  const signature = `"signature":"${Buffer.from(`owner: ${V2.rootHash}`).toString("base64")}"`;

  test.each([
    ["in another order", `{${signature},${good}}`],
    ["with blanks", ` \n{ ${good} ,\t${signature}\r\n}\n`],
    ["with a fingerprint and others", `{"certificateFingerprint":"00","x":"",${good},${signature}}`],
    ["up to the last byte but one", `{${good},${signature}}`.padEnd(SIGNATURE_BYTES - 1)],
    ["up to the last byte", `{${good},${signature}}`.padEnd(SIGNATURE_BYTES)],
  ])("may be %s", (_, content) => {
    expect(tell(storyOf([withSignature(V2, content)])).end.kind).toBe("exec");
  });

  const upper = `"rootHash":"${V2.rootHash.toUpperCase()}"`;
  test.each([
    ["empty", "", "it is empty"],
    ["garbage", "\x7fELF", "it is no JSON object of texts"],
    ["a list", `[${good}]`, "it is no JSON object"],
    ["cut off", `{${good},${signature}`, "it is no JSON object"],
    ["followed by text", `{${good},${signature}}x`, "it is no JSON object"],
    ["followed by bytes behind the end", `{${good},${signature}}\0x`, "something stands behind its end"],
    ["with a number", `{${good},${signature},"x":1}`, "it is no JSON object"],
    ["with an object inside", `{${good},${signature},"x":{}}`, "it is no JSON object"],
    ["with an escape", `{${good},${signature},"x":"\\u0041"}`, "it is no JSON object"],
    ["with a comma too many", `{${good},${signature},}`, "it is no JSON object"],
    ["without a root hash", `{${signature}}`, "it has no rootHash"],
    ["with a root hash in capitals", `{${upper},${signature}}`, "it has no rootHash"],
    ["with half a root hash", `{"rootHash":"${V2.rootHash.slice(32)}",${signature}}`, "it has no rootHash"],
    ["with two root hashes", `{${good},${good},${signature}}`, "it has no rootHash"],
    ["without a signature", `{${good}}`, "it has no signature"],
    ["with an empty signature", `{${good},"signature":""}`, "it has no signature"],
    ["with two signatures", `{${good},${signature},${signature}}`, "it has no signature"],
    ["with base64 that is cut off", `{${good},"signature":"QUJDR"}`, "it has no signature"],
    ["with base64 that has spare bits", `{${good},"signature":"QUJDRH=="}`, "it has no signature"],
    ["with base64 that has three paddings", `{${good},"signature":"Q==="}`, "it has no signature"],
    ["with the base64 of addresses", `{${good},"signature":"QUJ_"}`, "it has no signature"],
  ])("may not be %s", (_, content, why) => {
    const boot = tell(storyOf([withSignature(V2, content)]));
    expect(logOf(boot).join("\n")).toContain(`the signature's partition is not of the form it must have: ${why}`);
    expectOnlyVerifiedMounts(boot);
  });

  test("may not be longer than a key can hold", () => {
    const huge = `{${good},"signature":"${"QUJD".repeat(11_000)}"}`;
    const image = { ...V2, disk: Uint8Array.from([...V2.disk, ...new Uint8Array(64 * 1024)]) };
    const sized = withSignature(image, huge.slice(0, SIGNATURE_BYTES - 1));
    expect(logOf(tell(storyOf([sized]))).join("\n")).toContain("it is no JSON object");
  });

  test("whatever it is, the first stage ends by itself and mounts nothing that is not verified", () => {
    const parts = fc.constantFrom(
      "{",
      "}",
      '"',
      ":",
      ",",
      good,
      signature,
      '"rootHash"',
      '"signature"',
      "\0",
      " ",
      "QUJD",
      "=",
      "\\",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(parts, fc.string({ maxLength: 8 })), { maxLength: 12 }), (content) => {
        const boot = tell(storyOf([withSignature(V2, content.join(""))]));
        expect(["reboot", "exec"]).toContain(boot.end.kind);
        expectOnlyVerifiedMounts(boot, V2.rootHash);
      }),
      { numRuns: 150, seed: 1 },
    );
  });
});

describe("each system call of a boot from a signed image fails once", () => {
  const story = storyOf([V1, withFlippedBit(V2, V2.dataOffset)], "floor=1.0");
  const good = tell(story);

  test("and the same root is reached, or the policy is carried out", () => {
    const ends = { exec: 0, reboot: 0 };
    const complaints: string[] = [];
    for (const call of callsThatCanFail(good)) {
      const boot = tell({ ...story, faults: [{ index: call.index, errno: "EIO" }] });
      try {
        expectOnlyVerifiedMounts(boot, V1.rootHash);
        expect(boot.kernel.deviceMapper.everMade.every(({ active }) => active?.target.target.isSigned ?? true)).toBe(
          true,
        );
        if (boot.end.kind === "exec") {
          ends.exec++;
          expect(nextRootOf(boot)).toEqual(nextRootOf(good));
          expect(boot.kernel.descriptors.count).toBe(0);
        } else {
          ends.reboot++;
          expect(boot.end.kind).toBe("reboot");
          expectPolicy(boot, failureOf(boot).line === undefined ? 30_000 : 5000);
        }
      } catch (error) {
        complaints.push(`${call.index} ${call.name}(${call.args.join(", ")}): ${(error as Error).message}`);
      }
    }
    expect(complaints).toEqual([]);
    expect(Math.min(ends.exec, ends.reboot)).toBeGreaterThan(20);
  });
});

test.each(["signed", "signed root", "signed root type=nothing"])("%s lacks something", (line) => {
  expect(failureOf(tell({ plan: [line] })).message).toBe("the plan's line lacks a name or a valid type=");
});
