import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, MemorySource, UsageError } from "../../src/bytes/index.ts";
import { type Inspection, inspectFile, listingFacts, listingLines } from "../../src/inspect/index.ts";
import { metadata, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { encodeArchive, sampleInitrdTree } from "../support/build-inputs.ts";
import { inspectSamples, sampleDdi, sampleErofs, sampleTwoSegments } from "../support/inspect-samples.ts";
import { sampleModule } from "../support/kernel-samples.ts";
import { rawArchive } from "../support/newc.ts";

function inspect(bytes: Uint8Array): Promise<Inspection> {
  return inspectFile({ path: "some-file", source: new MemorySource(bytes) });
}

const samples = await inspectSamples();

describe("formats are told by their content", () => {
  test.each(Object.entries(samples))("%s", async (_, { format, bytes }) => {
    const inspection = await inspect(bytes);
    expect(inspection.format).toBe(format);
    expect(inspection.problems).toEqual([]);
    expect(inspection.lines.length).toBeGreaterThan(1);
    // Plain values only: nothing is lost on the way through JSON.
    expect(JSON.parse(JSON.stringify(inspection.facts))).toEqual(inspection.facts);
  });

  test("what is unknown is named by its first bytes, with the list of what is known", async () => {
    await expect(inspect(Buffer.from("hello world"))).rejects.toThrow(
      /begins with 0x68656c6c6f20776f; known are .*Disk Image.*EROFS.*initrd.*kernel.*module.*generation/,
    );
    await expect(inspect(new Uint8Array())).rejects.toThrow("it is empty");
    await expect(inspect(new Uint8Array(5000))).rejects.toThrow("begins with 0x0000000000000000");
  });

  test("what is foreign is called by its name", async () => {
    const squashfs = Buffer.alloc(4096);
    squashfs.write("hsqs");
    await expect(inspect(squashfs)).rejects.toThrow("it looks like squashfs");
    const ext4 = Buffer.alloc(4096);
    ext4.writeUInt16LE(0xef53, 0x438);
    await expect(inspect(ext4)).rejects.toThrow("it looks like ext2, ext3 or ext4");
  });
});

describe("initrds", () => {
  test("each segment, and the next stage", async () => {
    const { title, lines, facts } = await inspect(await sampleTwoSegments());
    expect(title).toBe("initrd, 2 segments");
    expect(lines.join("\n")).toMatch(/1 +0x0 +\d+ B +none +\d+ B +5 +early: Intel microcode/);
    expect(lines.join("\n")).toMatch(/2 +0x[0-9a-f]+ .*zstd .*/);
    expect(lines.join("\n")).toContain("/usr/lib/systemd/systemd, systemd");
    expect(facts["segments"]).toMatchObject([
      { offset: 0, compression: "none", early: true, earlyContent: ["Intel microcode"], entries: 5 },
      { compression: "zstd", early: false, entries: 11 },
    ]);
    expect(facts["nextStage"]).toEqual({ kind: "systemd", init: "/usr/lib/systemd/systemd" });
  });

  test("a script as /init, and none", async () => {
    const script = new Tree();
    script.set("init", regularFile(Buffer.from("#!/bin/sh"), { permissions: 0o755 }));
    expect((await inspect(encodeArchive(script))).facts["nextStage"]).toEqual({ kind: "script", init: "/init" });
    const none = new Tree();
    none.set("readme", regularFile(Buffer.from("text")));
    expect((await inspect(encodeArchive(none))).facts["nextStage"]).toEqual({ kind: "none", init: "" });
  });

  test("a first stage of lazyrd shows its plan", async () => {
    const tree = new Tree();
    const plan = "lazyrd-plan 1\nfailure reboot after=30s\nswitch /lazyrd/new /init\n";
    tree.setWithParents("lazyrd/plan", regularFile(Buffer.from(plan)));
    const { title, lines, facts } = await inspect(encodeArchive(tree));
    expect(title).toBe("first stage of lazyrd, 1 segment");
    expect(lines).toContain("    switch /lazyrd/new /init");
    expect(facts["plan"]).toEqual(plan.trimEnd().split("\n"));
  });

  test("a bootconfig at the end", async () => {
    const text = Buffer.from("kernel.quiet\0\0\0\0");
    const footer = Buffer.alloc(8);
    footer.writeUInt32LE(text.length, 0);
    footer.writeUInt32LE(
      text.reduce((sum, byte) => sum + byte, 0),
      4,
    );
    const archive = encodeArchive(sampleInitrdTree());
    const { facts } = await inspect(Buffer.concat([archive, text, footer, Buffer.from("#BOOTCONFIG\n")]));
    expect(facts["bootconfig"]).toEqual({ offset: archive.length, text: "kernel.quiet" });
  });

  test("what the kernel would not unpack is a warning", async () => {
    const { warnings } = await inspect(rawArchive({ name: "no/such/folder/file", data: "x" }));
    expect(warnings).toEqual(["no/such/folder/file: The kernel skips this entry: its directory does not exist"]);
  });
});

describe("listings", () => {
  test("as ls -l, times in UTC", async () => {
    const tree = new Tree();
    tree.set("bin", regularFile(Buffer.alloc(1234), { permissions: 0o4755, uid: 1000, gid: 7, mtime: 1_700_000_000 }));
    tree.set("odd", regularFile(Buffer.alloc(0), { permissions: 0o7000 }));
    tree.set("link\n", symlink("bin"));
    tree.set("null", { kind: "character-device", major: 1, minor: 3, ...metadata(0o644) });
    const [listing] = (await inspect(encodeArchive(tree))).list?.() ?? [];
    expect(listingLines(listing?.entries ?? [])).toEqual([
      "drwxr-xr-x 2 0 0       0 1970-01-01 00:00 .",
      "-rwsr-xr-x 1 1000 7 1234 2023-11-14 22:13 bin",
      "lrwxrwxrwx 1 0 0       3 1970-01-01 00:00 link\\x0a -> bin",
      "crw-r--r-- 1 0 0    1, 3 1970-01-01 00:00 null",
      "---S--S--T 1 0 0       0 1970-01-01 00:00 odd",
    ]);
    expect(listingFacts(listing?.entries ?? [])[1]).toEqual({
      path: "bin",
      kind: "file",
      mode: "4755",
      links: 1,
      uid: 1000,
      gid: 7,
      sizeBytes: 1234,
      mtime: 1_700_000_000,
    });
  });

  test("an archive, an image of it and a disk with that list the same", async () => {
    const names = async (bytes: Uint8Array): Promise<string[]> => {
      const [listing] = (await inspect(bytes)).list?.() ?? [];
      return (listing?.entries ?? []).map(
        ({ path, kind, permissions, target }) => `${path} ${kind} ${permissions} ${target}`,
      );
    };
    const expected = await names(encodeArchive(sampleInitrdTree()));
    expect(expected.length).toBe(11);
    expect((await names(sampleErofs())).sort()).toEqual([...expected].sort());
    expect(await names(sampleDdi())).toEqual(await names(sampleErofs()));
  });
});

describe("disks", () => {
  test("partitions, what they hold, and how they belong together", async () => {
    const { title, lines, facts, dump } = await inspect(sampleDdi());
    expect(title).toBe("Discoverable Disk Image, 2 partitions");
    const [tree] = facts["trees"] as { rootHash: string }[];
    expect(tree).toMatchObject({ designator: "root", dataPartition: 1, verityPartition: 2, signaturePartition: null });
    const partitions = facts["partitions"] as { guid: string; type: string; content: object }[];
    expect(partitions).toMatchObject([
      {
        number: 1,
        type: "root-x86-64",
        attributes: ["read-only"],
        content: { format: "erofs", uuid: expect.any(String) },
      },
      { number: 2, type: "root-x86-64-verity", content: { format: "verity", salt: "01020304" } },
    ]);
    expect(partitions.map(({ guid }) => guid.replaceAll("-", "")).join("")).toBe(tree?.rootHash);
    expect(lines).toContain(`    root hash  ${tree?.rootHash}`);
    expect(dump?.()).toContain("dm-verity hash area");
  });

  test("a signature", async () => {
    const sign = () => ({ pkcs7: Uint8Array.of(1, 2, 3) });
    const { facts, lines } = await inspect(sampleDdi({ sign }));
    expect(facts["trees"]).toMatchObject([{ signaturePartition: 3 }]);
    expect(lines.join("\n")).toContain("partition 3: signature of a root hash");
  });

  test("verified, with progress", async () => {
    const bytes = sampleDdi();
    const done: number[] = [];
    let total = 0;
    const verified = await (await inspect(bytes)).verify?.((_, measure) => {
      if (measure !== undefined) {
        done.push(measure.doneBytes);
        total = measure.totalBytes;
      }
    });
    expect(verified).toHaveLength(1);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(total);
  });

  test("any damaged byte of the data is found by verifying, not by looking", async () => {
    const good = sampleDdi();
    const [partition] = (await inspect(good)).facts["partitions"] as { offsetBytes: number; sizeBytes: number }[];
    const { offsetBytes = 0, sizeBytes = 0 } = partition ?? {};
    const bytes = new Uint8Array(good);
    bytes[offsetBytes + sizeBytes - 1] = (bytes[offsetBytes + sizeBytes - 1] ?? 0) ^ 1;
    const inspection = await inspect(bytes);
    await expect(inspection.verify?.(() => undefined)).rejects.toThrow(/Cannot verify data block \d+: expected 0x/);
  });

  test("a hash tree that belongs to no data is a warning, and cannot be verified", async () => {
    const bytes = new Uint8Array(sampleDdi());
    const [, verity] = (await inspect(bytes)).facts["partitions"] as { offsetBytes: number }[];
    const topBlock = (verity?.offsetBytes ?? 0) + 4096;
    bytes[topBlock] = (bytes[topBlock] ?? 0) ^ 1;
    const { warnings, facts, verify } = await inspect(bytes);
    expect(warnings).toEqual(["Partition 2 (verity) belongs to no data partition"]);
    expect(facts["trees"]).toMatchObject([{ verityPartition: null, rootHash: null }]);
    await expect(verify?.(() => undefined)).rejects.toThrow("Cannot verify partition 1");
  });

  test("a damaged part says so, the others are shown", async () => {
    const bytes = new Uint8Array(sampleDdi());
    const [data] = (await inspect(bytes)).facts["partitions"] as { offsetBytes: number }[];
    const uuid = (data?.offsetBytes ?? 0) + 1024 + 0x30;
    bytes[uuid] = (bytes[uuid] ?? 0) ^ 1;
    const { facts } = await inspect(bytes);
    expect(facts["partitions"]).toMatchObject([
      { content: { format: "damaged", reason: expect.stringContaining("checksum") } },
      { content: { format: "verity" } },
    ]);
  });

  test("the backup table stands in for a damaged primary one", async () => {
    const bytes = new Uint8Array(sampleDdi());
    bytes.fill(0, 512, 1024);
    const { format, warnings } = await inspect(bytes);
    expect(format).toBe("ddi");
    expect(warnings[0]).toContain("the backup is used");
  });
});

test("modules: what they need and who signed them", async () => {
  const module = sampleModule([
    "license=GPL",
    "depends=dm-mod,loop",
    "name=sample",
    "softdep=pre: crc32c",
    "firmware=a.bin",
  ]);
  const { title, facts, lines } = await inspect(module);
  expect(title).toBe("kernel module sample");
  expect(facts).toMatchObject({
    depends: ["dm-mod", "loop"],
    softdeps: ["pre: crc32c"],
    firmware: ["a.bin"],
    signer: null,
  });
  expect(lines.join("\n")).toMatch(/signed by +nobody/);
});

describe("no input makes it fail in another way than by saying so", () => {
  const expectSoundOrRefused = async (bytes: Uint8Array): Promise<void> => {
    try {
      const inspection = await inspect(bytes);
      inspection.list?.();
      inspection.dump?.();
      await inspection.verify?.(() => undefined);
    } catch (error) {
      if (!(error instanceof FormatError) && !(error instanceof UsageError)) throw error;
    }
  };

  test.each(Object.entries(samples))("%s with bytes changed", async (_, { bytes }) => {
    // Where headers and metadata are.
    const place = fc.integer({ min: 0, max: Math.min(bytes.length, 16384) - 1 });
    const change = fc.record({ place, value: fc.integer({ min: 0, max: 255 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const damaged = new Uint8Array(bytes);
        for (const { place, value } of changes) damaged[place] = value;
        await expectSoundOrRefused(damaged);
      }),
      { numRuns: 100 },
    );
  });

  test.each(Object.entries(samples))("%s truncated", async (_, { bytes }) => {
    const lengths = Array.from({ length: 60 }, (_, index) => Math.floor((bytes.length * index) / 60));
    for (const length of [...lengths, 1, 2, 511, 513, 1025, bytes.length - 1]) {
      await expectSoundOrRefused(bytes.subarray(0, Math.min(length, bytes.length)));
    }
  });
});
