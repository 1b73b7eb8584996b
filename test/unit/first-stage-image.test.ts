import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ByteSource } from "../../src/bytes/index.ts";
import { type Boot, KernelFault } from "../support/simulated-kernel/index.ts";
import { expectOnlyVerifiedMounts, expectPolicy, failureOf } from "./first-stage/faults.ts";
import { BLOCK, type Image, imageTree, makeImage, withFlippedBit } from "./first-stage/image.ts";
import { changedPlan, IMAGE, logOf, planFor, type Story, tell, textOf } from "./first-stage/machine.ts";

const LARGE = makeImage({ blocks: 129 });

function mountsOfErofs(boot: Boot) {
  return boot.calls.filter(({ name, args }) => name === "mount" && args[2] === "erofs");
}

/** Bytes of which one range cannot be read. */
function withBadSector(disk: Uint8Array, bad: number): ByteSource {
  return {
    size: disk.length,
    read(offset, length) {
      if (offset <= bad && bad < offset + length) throw new KernelFault("EIO");
      return disk.subarray(offset, offset + length);
    },
  };
}

describe("the first stage's own hashes agree with another implementation", () => {
  test.each([2, 127, 128, 129, 255, 16384, 16385])("for an image of %i blocks", (blocks) => {
    const image = makeImage({ tree: smallTree(), blocks });
    const boot = tell({ image });
    expect(boot.end).toEqual({ kind: "exec", path: "/init" });
    expectOnlyVerifiedMounts(boot, image.rootHash);
  });

  test("for an image of one block, which has no tree", () => {
    const data = new Uint8Array(BLOCK).fill(7);
    const image = makeImage({ dataOnly: data });
    const salted = createHash("sha256").update(Buffer.from("00ff", "hex")).update(data);
    expect(image.rootHash).toBe(salted.digest("hex"));
    const boot = tell({ image, plan: planFor(image).slice(0, 6) });
    expect(failureOf(boot)).toEqual({ line: undefined, verb: undefined, message: "the plan ends without a switch" });
    expect(logOf(boot).join("\n")).toContain(`verity root is /dev/dm-0, root hash ${image.rootHash}`);
  });

  // Around the limits of SHA-256's own blocks: a part of one, one, and one with the length behind it.
  test.each([0, 1, 32, 55, 56, 63, 64, 65, 119, 120, 128, 256])("with %i bytes of salt", (length) => {
    const salt = Buffer.from(Array.from({ length }, (_, index) => (index * 37) % 256)).toString("hex");
    const image = makeImage({ salt });
    const boot = tell({ image });
    expect(boot.end.kind).toBe("exec");
    expect([...boot.kernel.deviceMapper.devices.values()][0]?.active?.target.target.salt).toBe(salt);
  });

  test("but not with more salt than dm-verity has", () => {
    const plan = changedPlan(IMAGE, (line) => line.replace(/salt=\S+/, `salt=${"00".repeat(257)}`));
    expect(failureOf(tell({ plan })).message).toContain("root hash or salt is not of the form");
  });
});

function smallTree() {
  const tree = imageTree();
  tree.remove("data");
  return tree;
}

describe("an image that is not the one of the plan is refused, in words, and never mounted", () => {
  const exchanged = "it was damaged or exchanged";
  const damaged: Readonly<Record<string, Image>> = {
    "a flipped bit in its first byte": withFlippedBit(LARGE, LARGE.dataOffset),
    "a flipped bit at the end of its first block": withFlippedBit(LARGE, LARGE.dataOffset + BLOCK - 1),
    "a flipped bit in the top of its tree": withFlippedBit(LARGE, LARGE.hashOffset + BLOCK),
    "a flipped bit in an unused part of its tree": withFlippedBit(LARGE, LARGE.hashOffset + 2 * BLOCK - 1),
    "a flipped bit in the first leaf of its tree": withFlippedBit(LARGE, LARGE.hashOffset + 2 * BLOCK),
    "another root hash": { ...LARGE, rootHash: IMAGE.rootHash },
    "another salt": { ...LARGE, salt: "00fe" },
    "another number of blocks, so that the tree has fewer levels": { ...LARGE, blocks: 128 },
  };

  test.each(Object.entries(damaged))("%s", (_name, image) => {
    const boot = tell({ image });
    expect(boot.end).toEqual({ kind: "reboot" });
    expect(failureOf(boot)).toMatchObject({ line: 7, verb: "verity" });
    expect(failureOf(boot).message).toContain(exchanged);
    expect(failureOf(boot).message).toContain(image.rootHash);
    expect(mountsOfErofs(boot)).toEqual([]);
    expectPolicy(boot, 5000);
  });

  test("every bit on the way from the root hash to the first block counts", () => {
    // One bit of each byte of an image's first block and of its tree, in steps that meet every byte of a digest.
    const image = makeImage({ tree: smallTree() });
    for (let offset = 0; offset < BLOCK; offset += 97) {
      for (const start of [image.dataOffset, image.hashOffset + BLOCK]) {
        const boot = tell({ image: withFlippedBit(image, start + offset) });
        expect(boot.end.kind).toBe("reboot");
        expect(mountsOfErofs(boot)).toEqual([]);
      }
    }
  });

  test("an image that is cut off", () => {
    const image = { ...LARGE, blocks: 130 };
    const { line, message } = failureOf(tell({ image }));
    expect(line).toBe(7);
    expect(message).toBe(`the image is cut off: /dev/vda1 has ${129 * BLOCK} bytes instead of ${130 * BLOCK}`);
  });

  test("a disk that is cut off has no partitions", () => {
    const image = { ...LARGE, disk: LARGE.disk.subarray(0, LARGE.hashOffset) };
    const boot = tell({ image });
    expect(failureOf(boot)).toMatchObject({ line: 5, verb: "device" });
    expect(failureOf(boot).message).toContain("disks seen: vda");
  });

  test("a tree that begins behind its partition", () => {
    const plan = changedPlan(IMAGE, (line) => line.replace("hash-start=1 ", "hash-start=999999 "));
    expect(failureOf(tell({ plan })).message).toBe("cannot read block 999999 of the image: input/output error (EIO)");
  });

  test.each([
    ["block 0", IMAGE.dataOffset],
    ["block 1", IMAGE.hashOffset + BLOCK],
  ])("a disk that cannot read %s", (block, bad) => {
    const boot = tell({ disk: { content: withBadSector(IMAGE.disk, bad) } });
    expect(failureOf(boot)).toMatchObject({ verb: "verity" });
    expect(failureOf(boot).message).toBe(`cannot read ${block} of the image: input/output error (EIO)`);
  });

  test.each([
    ["a root hash that is too short", (line: string) => line.replace(/root-hash=\S/, "root-hash=")],
    ["a root hash that is no number", (line: string) => line.replace(/root-hash=\S/, "root-hash=g")],
    ["a salt of half a byte", (line: string) => line.replace("salt=", "salt=0")],
  ])("a plan with %s", (_name, change) => {
    const boot = tell({ plan: changedPlan(IMAGE, change) });
    expect(failureOf(boot).message).toContain("not of the form that sha256 needs");
  });

  test.each(["data", "hash", "data-blocks", "root-hash", "salt", "hash-start"])("a plan without %s=", (key) => {
    const plan = changedPlan(IMAGE, (line) => line.replace(new RegExp(` ${key}=\\S+`), ""));
    expect(failureOf(tell({ plan }))).toMatchObject({ verb: "verity", line: 7 });
    expect(failureOf(tell({ plan })).message).toContain("lacks an option");
  });
});

describe("corruption behind the first block is left to the kernel", () => {
  const corrupted = withFlippedBit(IMAGE, IMAGE.dataOffset + BLOCK);

  test("which panics, and reboots, because the first stage asked for that", () => {
    const boot = tell({ image: corrupted });
    expect(boot.end).toEqual({ kind: "panic", reason: "dm-verity: data block 1 is corrupted" });
    expect(boot.kernel.panicTimeout).toBe(5);
  });

  test("which restarts with on-corruption=reboot", () => {
    const plan = changedPlan(corrupted, (line) => line.replace("on-corruption=panic", "on-corruption=reboot"));
    expect(tell({ image: corrupted, plan }).end).toEqual({ kind: "reboot" });
  });

  test("which fails the read with on-corruption=error, and that is reported", () => {
    const plan = changedPlan(corrupted, (line) => line.replace("on-corruption=panic", "on-corruption=error"));
    const boot = tell({ image: corrupted, plan });
    expect(failureOf(boot)).toEqual({
      line: 8,
      verb: "mount",
      message: "cannot mount /dev/dm-0 as erofs: input/output error (EIO)",
    });
  });

  test.each(["", " on-corruption=ignore"])("which panics with%s, too: nothing makes it go on", (option) => {
    const plan = changedPlan(corrupted, (line) => line.replace(" on-corruption=panic", option));
    expect(tell({ image: corrupted, plan }).end.kind).toBe("panic");
  });
});

test("a verified image that is no EROFS is reported", () => {
  const image = makeImage({ dataOnly: new Uint8Array(4 * BLOCK).fill(1) });
  expect(failureOf(tell({ image }))).toMatchObject({ verb: "mount", line: 8 });
});

test.each([512, 4096])("a disk with sectors of %i bytes", (sectorSize) => {
  const image = makeImage({ sectorSize });
  expect(tell({ image }).end.kind).toBe("exec");
});

test("reads around what is asked for as far as the plan says, and goes on where the kernel refuses", () => {
  const withReadAhead = (kibibytes: string) => {
    const plan = changedPlan(IMAGE, (line) => line.replace(/^verity .*/, `$& read-ahead=${kibibytes}`));
    const { end, kernel } = tell({ plan });
    expect(end.kind).toBe("exec");
    return kernel.blockDevices.get({ major: 253, minor: 0 }).readAheadKib;
  };
  expect(withReadAhead("32")).toBe(32);
  expect(withReadAhead("much")).toBe(128);
});

describe("the start of an image that is worth having in memory", () => {
  const mounted = (image: Image, prefetch: string, story: Story = {}) => {
    return tell({
      image,
      plan: changedPlan(image, (line) => line.replace(/^mount .*/, `$& prefetch=${prefetch}`)),
      ...story,
    });
  };
  const prefetched = (boot: Boot) =>
    boot.calls.filter(({ name }) => name === "readahead").map(({ args }) => args.slice(1));

  test("is asked for once it is mounted, in pieces that every disk takes", () => {
    const boot = mounted(IMAGE, "300");
    expect(boot.end.kind).toBe("exec");
    expect(prefetched(boot)).toEqual([
      [0n, 131_072],
      [131_072n, 131_072],
      [262_144n, 45_056],
    ]);
    const [mount, first] = ["mount", "readahead"].map(
      (name) =>
        boot.calls.find((call) => {
          return call.name === name && (name === "readahead" || call.args[2] === "erofs");
        })?.index,
    );
    expect(first).toBeGreaterThan(mount ?? Number.NaN);
    expect(textOf(boot)).toContain("mount /dev/dm-0 at /lazyrd/image, 300 KiB prefetched");
  });

  test("may be nothing", () => {
    const boot = mounted(IMAGE, "0");
    expect([boot.end.kind, prefetched(boot)]).toEqual(["exec", []]);
  });

  test.each(["", "much", "-1", "65537"])(
    "is refused before anything is mounted where the plan says %j",
    (kibibytes) => {
      const boot = mounted(IMAGE, kibibytes);
      const message = "prefetch= is not a number of KiB up to 65536";
      expect(failureOf(boot)).toEqual({ line: 8, verb: "mount", message });
      expect(mountsOfErofs(boot)).toEqual([]);
    },
  );

  test("is left to those who use it where the kernel refuses", () => {
    const boot = mounted(IMAGE, "300", { faults: [{ call: "readahead", errno: "EINVAL" }] });
    expect([boot.end.kind, prefetched(boot).length]).toEqual(["exec", 1]);
    expect(textOf(boot)).toContain("mount /dev/dm-0 at /lazyrd/image, not prefetched: invalid argument (EINVAL)");
  });

  test("is verified like all of it", () => {
    const image = makeImage({ blocks: 40 });
    const corrupted = { ...withFlippedBit(image, image.dataOffset + 30 * BLOCK), rootHash: image.rootHash };
    expect(mounted(corrupted, "100").end.kind).toBe("exec");
    expect(mounted(corrupted, "160").end.kind).toBe("panic");
  });
});
