import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, type TestContext, test } from "vitest";
import { MemorySource } from "../../src/bytes/index.ts";
import { describeFat, encodeFat, fatTree, isFat, readFat } from "../../src/formats/fat/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import {
  FAT_IDENTITY,
  FAT16_BYTES,
  FAT32_BYTES,
  fatFacts,
  fatSample,
  fatTrees,
  MIB,
  SAMPLE_TIME,
  sampleVolume,
} from "../support/fat-trees.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

function imageFile(bytes: Uint8Array): string {
  const path = join(tempFolder(), "volume.img");
  writeFileSync(path, bytes);
  return path;
}

/** What fsck.vfat complains about. It says what it looks for, and at the end how much is used. */
function complaintsOfFsck(context: TestContext, image: string): string[] {
  const { stdout, stderr } = run(requireTool(context, "fsck.vfat"), ["-n", image]);
  return `${stdout}${stderr}`
    .split("\n")
    .filter((line) => line !== "" && !/^fsck\.fat \d|: \d+ files, \d+\/\d+ clusters$/.test(line));
}

const sizes = [
  ["FAT16, 3 MiB", FAT16_BYTES, {}],
  ["FAT16, 32 MiB", 32 * MIB, {}],
  ["FAT32, 34 MiB", FAT32_BYTES, {}],
  ["FAT32, 128 MiB, aligned to 1 MiB", 128 * MIB, { alignment: MIB, partitionOffset: MIB }],
  ["FAT32, sectors of 4 KiB", 300 * MIB, { sectorBytes: 4096 }],
] as const;

describe.each(sizes)("%s", (_, sizeBytes, options) => {
  test("fsck.vfat has nothing to complain about", (context) => {
    const image = imageFile(sampleVolume(sizeBytes, options));
    expect(complaintsOfFsck(context, image)).toEqual([]);
  });

  test("mtools read back every file", (context) => {
    const mcopy = requireTool(context, "mcopy");
    const image = imageFile(sampleVolume(sizeBytes, options));
    const folder = join(tempFolder(), "copy");
    mkdirSync(folder);
    // -s: with all below; -m: with times; -n: without questions.
    run("env", ["TZ=UTC", "LC_ALL=C.UTF-8", "MTOOLS_SKIP_CHECK=1", mcopy, "-smn", "-i", image, "::/", folder]);
    for (const { path, node } of fatSample().walk()) {
      // The names of mtools are in the code page of their locale: what it does not have, they replace.
      if (node.kind !== "file" || !/^[\x20-\x7e]*$/.test(path)) continue;
      expect([path, readFileSync(join(folder, path), "latin1")]).toEqual([
        path,
        Buffer.from(node.content.read(0, node.content.size)).toString("latin1"),
      ]);
    }
  });
});

test("fsck.vfat accepts any tree as it was written", (context) => {
  fc.assert(
    fc.property(fatTrees, fc.constantFrom(FAT16_BYTES, FAT32_BYTES), (tree, sizeBytes) => {
      expect(complaintsOfFsck(context, imageFile(encodeFat(tree, { ...FAT_IDENTITY, sizeBytes })))).toEqual([]);
    }),
    { numRuns: 25 },
  );
});

test("mtools show label, serial number and short names", (context) => {
  const image = imageFile(sampleVolume(FAT32_BYTES));
  const { stdout } = run(requireTool(context, "mdir"), ["-i", image, "::/"]);
  expect(stdout).toContain("Volume in drive : is ESP");
  expect(stdout).toContain("Volume Serial Number is 1A2B-3C4D");
  expect(stdout).toMatch(/^PROGRA~2 +\d+ .* Program Files$/m);
  expect(run(requireTool(context, "mtype"), ["-i", image, "::/loader/entries/entry one.CONF"]).stdout).toBe(
    "title one\n",
  );
});

const foreign = [
  ["FAT12", 1 * MIB, ["-F", "12"]],
  ["FAT12", 3 * MIB, ["-F", "12", "-s", "2"]],
  ["FAT16", 16 * MIB, ["-F", "16"]],
  ["FAT16", 64 * MIB, ["-F", "16", "-S", "2048"]],
  ["FAT32", 64 * MIB, ["-F", "32"]],
  ["FAT32", 300 * MIB, ["-F", "32", "-s", "8", "-f", "1"]],
] as const;

describe.each(foreign)("%s of %i bytes by mkfs.vfat %j", (type, sizeBytes, options) => {
  test("is read", (context) => {
    const [mkfs, mcopy, mmd] = [
      requireTool(context, "mkfs.vfat"),
      requireTool(context, "mcopy"),
      requireTool(context, "mmd"),
    ];
    const image = imageFile(new Uint8Array());
    truncateSync(image, sizeBytes);
    run(mkfs, [...options, "-i", "cafe0001", "-n", "FOREIGN", image]);
    const tree = fatSample();
    const folder = tempFolder();
    for (const { path, node } of tree.walk()) {
      if (!isPlain(path)) tree.remove(path);
      else if (node.kind === "directory" && path !== "") run("env", ["TZ=UTC", mmd, "-i", image, `::/${path}`]);
      else if (node.kind === "file") {
        const source = join(folder, path);
        mkdirSync(dirname(source), { recursive: true });
        writeFileSync(source, node.content.read(0, node.content.size));
        utimesSync(source, SAMPLE_TIME, SAMPLE_TIME);
        run("env", ["TZ=UTC", mcopy, "-m", "-i", image, source, `::/${path}`]);
      }
    }
    const content = readFat(new MemorySource(readFileSync(image)));
    expect(describeFat(content)).toMatchObject({ type, volumeId: "CAFE-0001", label: "FOREIGN", madeBy: "mkfs.fat" });
    expect(content.warnings).toEqual([]);
    expect(filesOf(fatTree(content))).toEqual(filesOf(tree));
    expect(isFat(readFileSync(image).subarray(0, 512))).toBe(true);
  });
});

/** mtools replace what is not in the code page of their locale. */
function isPlain(path: string): boolean {
  return /^[\x20-\x7e]*$/.test(path);
}

/** Without the time of directories, which mtools take from the clock, and read-only bits, which they do not copy. */
function filesOf(tree: Tree): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fatFacts(tree)).map(([path, facts]) => {
      const { kind, content, mtime } = facts as { kind: string; content: string; mtime: number };
      return [
        path,
        { kind, digest: createHash("sha256").update(content).digest("hex"), mtime: kind === "file" ? mtime : 0 },
      ];
    }),
  );
}

test("FAT32 with fewer clusters than it should have is read with a warning, as Linux does", (context) => {
  const image = imageFile(new Uint8Array());
  truncateSync(image, 8 * MIB);
  run(requireTool(context, "mkfs.vfat"), ["-F", "32", image]);
  const { volume, entries, warnings } = readFat(new MemorySource(readFileSync(image)));
  expect([volume.geometry.type, entries.length]).toEqual([32, 1]);
  expect(warnings).toEqual([expect.stringContaining("strictly it is no FAT32")]);
});

test("a file that mtools wrote in pieces is read", (context) => {
  const [mcopy, mdel] = [requireTool(context, "mcopy"), requireTool(context, "mdel")];
  const image = imageFile(encodeFat(fatSample(), { ...FAT_IDENTITY, sizeBytes: FAT16_BYTES }));
  const content = Buffer.from(Array.from({ length: 1_400_000 }, (_, index) => index % 251));
  const copy = (name: string, bytes: number): void => {
    const source = join(tempFolder(), name);
    writeFileSync(source, content.subarray(0, bytes));
    run(mcopy, ["-i", image, source, `::/${name}`]);
  };
  copy("first", 1_000_000);
  copy("second", 1_000_000);
  run(mdel, ["-i", image, "::/first"]);
  // Larger than any hole that is left.
  copy("pieces", content.length);
  const read = readFat(new MemorySource(readFileSync(image)));
  const found = fatTree(read).get("pieces");
  expect(describeFat(read).fragmented).toBe(1);
  expect(found?.kind === "file" && content.equals(found.content.read(0, found.content.size))).toBe(true);
  expect(found?.kind === "file" && content.subarray(999_000, 1_001_000).equals(found.content.read(999_000, 2000))).toBe(
    true,
  );
});
