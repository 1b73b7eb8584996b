import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { FormatError, fromText, MemorySource } from "../../src/bytes/index.ts";
import {
  BootSector,
  BootSector16,
  BootSector32,
  DirectoryEntry,
  describeFat,
  dumpFat,
  encodeFat,
  type FatOptions,
  FsInfo,
  fatTree,
  isFat,
  LongNameEntry,
  planFat,
  readFat,
} from "../../src/formats/fat/index.ts";
import { type Directory, directory, type Node, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import {
  FAT_IDENTITY,
  FAT16_BYTES,
  FAT32_BYTES,
  fatFacts,
  fatSample,
  MIB,
  sampleVolume,
} from "../support/fat-trees.ts";

const read = (bytes: Uint8Array) => readFat(new MemorySource(bytes));

function treeOf(entries: Record<string, Node>): Tree {
  const tree = new Tree();
  for (const [path, node] of Object.entries(entries)) tree.setWithParents(fromText(path), node);
  return tree;
}

const file = (content = "content"): Node => regularFile(Buffer.from(content));

/** The short name of each entry of the root directory, by its name. */
function shortNames(names: readonly string[]): Record<string, string> {
  const tree = treeOf(Object.fromEntries(names.map((name) => [name, file()])));
  const { entries } = read(encodeFat(tree, { ...FAT_IDENTITY, sizeBytes: FAT32_BYTES }));
  return Object.fromEntries(
    entries.slice(1).map(({ path, shortName }) => [Buffer.from(path, "latin1").toString(), shortName]),
  );
}

test("structs have the sizes that Microsoft's specification gives", () => {
  expect(
    [BootSector, BootSector16, BootSector32, FsInfo, DirectoryEntry, LongNameEntry].map(({ size }) => size),
  ).toEqual([36, 62, 90, 512, 32, 32]);
});

describe.each([
  ["FAT16", FAT16_BYTES],
  ["FAT32", FAT32_BYTES],
] as const)("%s", (type, sizeBytes) => {
  test("everything that is written is read", () => {
    const bytes = sampleVolume(sizeBytes);
    const content = read(bytes);
    expect(bytes).toHaveLength(sizeBytes);
    expect(content.warnings).toEqual([]);
    expect(fatFacts(fatTree(content))).toEqual(fatFacts(withFatTimes(fatSample())));
    expect(describeFat(content)).toMatchObject({ type, sizeBytes, volumeId: "1A2B-3C4D", label: "ESP", fragmented: 0 });
  });

  test("the plan knows beforehand how large and how full the volume is", () => {
    const plan = planFat(fatSample(), { ...FAT_IDENTITY, sizeBytes });
    const { volume, usedClusters } = read(sampleVolume(sizeBytes));
    expect(plan).toMatchObject({ type: volume.geometry.type, sizeBytes });
    expect(plan.freeBytes).toBe((volume.geometry.clusterCount - usedClusters) * plan.clusterBytes);
    if (type === "FAT32") expect(volume.freeClusters).toBe(plan.freeBytes / plan.clusterBytes);
  });

  test("clusters begin at multiples of 4 KiB, or of what is asked for", () => {
    const offset = (options: Partial<FatOptions>) => read(sampleVolume(sizeBytes, options)).volume.geometry.dataOffset;
    expect(offset({}) % 4096).toBe(0);
    expect(offset({ alignment: MIB / 2 }) % (MIB / 2)).toBe(0);
  });

  test("the boot sector says where the partition starts", () => {
    expect(read(sampleVolume(sizeBytes, { partitionOffset: 5 * MIB })).volume.hiddenSectors).toBe((5 * MIB) / 512);
  });

  test("sectors may have 4 KiB", () => {
    const bytes = sampleVolume(sizeBytes * 8, { sectorBytes: 4096 });
    expect(read(bytes).volume.geometry).toMatchObject({ sectorBytes: 4096, type: Number(type.slice(3)) });
    expect(fatFacts(fatTree(read(bytes)))).toEqual(fatFacts(withFatTimes(fatSample())));
  });
});

/** What has no time of its own is from FAT's first second. */
function withFatTimes(tree: Tree): Tree {
  for (const { node } of tree.walk()) node.mtime = Math.max(node.mtime, Date.UTC(1980, 0, 1) / 1000);
  return tree;
}

test("the same tree gives the same bytes, whatever the order of its entries", () => {
  const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const reversed = (node: Directory): Directory => {
    const entries = [...node.entries].reverse();
    node.entries.clear();
    for (const [name, child] of entries) node.entries.set(name, child.kind === "directory" ? reversed(child) : child);
    return node;
  };
  const other = encodeFat(new Tree(reversed(fatSample().root)), { ...FAT_IDENTITY, sizeBytes: FAT16_BYTES });
  expect(digest(other)).toBe(digest(sampleVolume(FAT16_BYTES)));
  expect([FAT16_BYTES, FAT32_BYTES].map((size) => digest(sampleVolume(size)))).toMatchInlineSnapshot(`
    [
      "f16779e9eca2b563c5a271578982295a016410b5ff59f1873c480104fe98adff",
      "e4ceb3c9cbd12f00cb7dc21b27bc224f0faea0f6cf2aff7bc814c7cd406e85f3",
    ]
  `);
});

test("the dump accounts for every byte", async () => {
  const tree = treeOf({
    "EFI/BOOT/BOOTX64.EFI": file("x".repeat(1000)),
    "loader/loader.conf": file("timeout 3\n"),
    "empty file": file(""),
  });
  const dump = [FAT16_BYTES, FAT32_BYTES].map((sizeBytes) => {
    return dumpFat(new MemorySource(encodeFat(tree, { ...FAT_IDENTITY, sizeBytes })));
  });
  await expect(dump.join("\n")).toMatchFileSnapshot("../golden/fat-small.txt");
});

describe("sizes", () => {
  test.each([
    [3 * MIB, 16, 512],
    [16 * MIB, 16, 2048],
    [32 * MIB, 16, 4096],
    [34 * MIB, 32, 512],
    [100 * MIB, 32, 1024],
    [256 * MIB, 32, 2048],
    [512 * MIB, 32, 4096],
    [8192 * MIB, 32, 4096],
    [16384 * MIB, 32, 8192],
    [1024 * 1024 * MIB, 32, 32768],
  ])("a volume of %i bytes is FAT%i with clusters of %i", (sizeBytes, type, clusterBytes) => {
    expect(planFat(new Tree(), { ...FAT_IDENTITY, sizeBytes })).toMatchObject({ type, clusterBytes });
  });

  test("no volume comes close to a limit between types", () => {
    for (let sizeBytes = 32 * MIB; sizeBytes < 34 * MIB; sizeBytes += 4096) {
      const { type, clusterBytes } = planFat(new Tree(), { ...FAT_IDENTITY, sizeBytes });
      const clusters = sizeBytes / clusterBytes;
      expect(type === 32 ? clusters >= 65525 + 16 : clusters <= 65525 - 16 && clusters >= 4085 + 16).toBe(true);
    }
  });

  test.each([
    [{ sizeBytes: MIB }, "room for 4101 to"],
    [{ sizeBytes: FAT32_BYTES + 1 }, "whole sectors of 512"],
    [{ sizeBytes: 4096 * 1024 * 1024 * MIB }, "at most 4294967295 whole sectors"],
    [{ sizeBytes: FAT32_BYTES, sectorBytes: 256 }, "expected one of 512, 1024, 2048, 4096"],
    [{ sizeBytes: FAT32_BYTES, clusterBytes: 1000 }, "a power of two from 512 to 32768"],
    [{ sizeBytes: 512 * MIB, clusterBytes: 65536 }, "a power of two from 512 to 32768"],
    [{ sizeBytes: 512 * MIB, clusterBytes: 512 * 16 }, undefined],
    [{ sizeBytes: FAT32_BYTES, alignment: 3000 }, "a power of two, at least the sector size 512"],
    [{ sizeBytes: FAT32_BYTES, label: "lower" }, 'Cannot label a volume "lower"'],
    [{ sizeBytes: FAT32_BYTES, label: "TWELVE CHARS" }, "at most 11"],
  ])("options %j: %s", (options, message) => {
    const plan = () => planFat(new Tree(), { ...FAT_IDENTITY, ...options });
    if (message === undefined) expect(plan().clusterBytes).toBe(options.clusterBytes);
    else expect(plan).toThrow(message);
  });

  test("a tree that does not fit is refused before anything is written", () => {
    const tree = treeOf({ large: regularFile(new Uint8Array(3 * MIB)) });
    expect(() => planFat(tree, { ...FAT_IDENTITY, sizeBytes: FAT16_BYTES })).toThrow(
      /^fat: Cannot write the tree: it takes 3145728 bytes, and the volume has room for \d+$/,
    );
  });

  test("FAT16's root directory has a fixed size", () => {
    const names = Array.from({ length: 512 }, (_, index) => [`N${index}`, file("")]);
    const tree = treeOf(Object.fromEntries(names));
    expect(() => planFat(tree, { ...FAT_IDENTITY, sizeBytes: FAT16_BYTES })).toThrow("its entries take 513 places");
    expect(planFat(tree, { ...FAT_IDENTITY, label: undefined, sizeBytes: FAT16_BYTES }).type).toBe(16);
  });

  test("a directory has at most 65,536 entries", () => {
    const tree = treeOf({});
    for (let number = 0; number < 65_536; number++) tree.root.entries.set(`N${number}`, file(""));
    expect(() => planFat(tree, { ...FAT_IDENTITY, sizeBytes: FAT32_BYTES })).toThrow("at most 2097152");
  });
});

describe("names", () => {
  test("a long name gets a short one by the specification's rules", () => {
    expect(
      shortNames([
        "README.TXT",
        "readme.md",
        "Long File Name.text",
        "Long File Name2.text",
        ".profile",
        "a.b.c",
        "x+y=z",
        "Ü",
      ]),
    ).toEqual({
      "README.TXT": "README.TXT",
      "readme.md": "README.MD",
      "Long File Name.text": "LONGFI~1.TEX",
      "Long File Name2.text": "LONGFI~2.TEX",
      ".profile": "PROFIL~1",
      "a.b.c": "AB~1.C",
      "x+y=z": "X_Y_Z~1",
      Ü: "_~1",
    });
  });

  test("a short name that stands in the directory is not given to another file", () => {
    expect(shortNames(["Long File Name.txt", "longfi~1.txt", "LONGFI~2.TXT"])["Long File Name.txt"]).toBe(
      "LONGFI~3.TXT",
    );
  });

  test("tails grow into the name", () => {
    const names = Array.from({ length: 1200 }, (_, index) => `the same beginning ${index}`);
    const given = Object.values(shortNames(names));
    expect(new Set(given).size).toBe(1200);
    expect(given).toContain("THESAM~9");
    expect(given).toContain("THES~999");
    expect(given).toContain("THE~1200");
  });

  test("255 units are the limit, whatever they take in UTF-8", () => {
    const longest = "ü".repeat(255);
    expect(Object.keys(shortNames([longest]))).toEqual([longest]);
    expect(() => shortNames([`${longest}ü`])).toThrow("1 to 255 UTF-16 units, and it has 256");
  });

  test.each([
    ["a:b", 'cannot have ":"'],
    ["what?", 'cannot have "?"'],
    ["back\\slash", 'cannot have "\\\\"'],
    ["line\nbreak", 'cannot have "\\n"'],
    ["trailing.", "cannot end with a dot or a space"],
    ["trailing ", "cannot end with a dot or a space"],
  ])("%j is refused", (name, message) => {
    expect(() => shortNames([name])).toThrow(message);
  });

  test("names that differ in case only are refused", () => {
    const tree = treeOf({ "EFI/Größe": file(), "EFI/GRÖSSE": file(), "EFI/grÖßE": file() });
    expect(() => planFat(tree, { ...FAT_IDENTITY, sizeBytes: FAT32_BYTES })).toThrow(
      "fat: Cannot write /EFI/grÖßE: for FAT, it has the same name as Größe",
    );
  });

  test("names that are not UTF-8 are refused", () => {
    const tree = new Tree();
    tree.set("\xff", file());
    expect(() => planFat(tree, { ...FAT_IDENTITY, sizeBytes: FAT32_BYTES })).toThrow("it is not UTF-8");
  });
});

describe("what FAT cannot hold is refused with its path", () => {
  const shared = file();
  test.each<[string, Record<string, Node>, string]>([
    [
      "a symlink",
      { "a/link": symlink("x") },
      "Cannot write /a/link: FAT holds files and directories only, and it is a symlink",
    ],
    [
      "a device",
      { "dev/null": { ...directory(), kind: "character-device", major: 1, minor: 3 } as unknown as Node },
      "/dev/null: FAT holds files and directories only, and it is a character-device",
    ],
    [
      "a hard link",
      { "a/one": shared, "b/two": shared },
      "Cannot write /b/two: FAT knows no hard links, and it is also /a/one",
    ],
    [
      "4 GiB",
      { "big.img": regularFile({ size: 2 ** 32, read: () => new Uint8Array() }) },
      "Cannot write /big.img: a file on FAT has at most 4294967295 bytes, and it has 4294967296",
    ],
  ])("%s", (_, entries, message) => {
    expect(() => planFat(treeOf(entries), { ...FAT_IDENTITY, sizeBytes: FAT32_BYTES })).toThrow(message);
  });
});

test.each([
  ["1970", 0, Date.UTC(1980, 0, 1)],
  ["FAT's first second", Date.UTC(1980, 0, 1), Date.UTC(1980, 0, 1)],
  ["an odd second", Date.UTC(2001, 8, 9, 1, 46, 41), Date.UTC(2001, 8, 9, 1, 46, 40)],
  ["a leap day", Date.UTC(2024, 1, 29, 23, 59, 58), Date.UTC(2024, 1, 29, 23, 59, 58)],
  ["FAT's last second", Date.UTC(2107, 11, 31, 23, 59, 59), Date.UTC(2107, 11, 31, 23, 59, 58)],
  ["2200", Date.UTC(2200, 0, 1), Date.UTC(2107, 11, 31, 23, 59, 58)],
])("of the time %s remains what FAT can hold", (_, ms, expected) => {
  const tree = treeOf({ a: regularFile(new Uint8Array(), { mtime: ms / 1000 }) });
  const content = read(encodeFat(tree, { ...FAT_IDENTITY, sizeBytes: FAT16_BYTES }));
  expect((fatTree(content).get("a")?.mtime ?? 0) * 1000).toBe(expected);
});

describe("a damaged volume", () => {
  const sample = sampleVolume(FAT16_BYTES);
  const { volume, entries } = read(sample);
  const fatEntry = (cluster: number) => volume.geometry.fatOffset + cluster * 2;
  const program = entries.find(({ path }) => path === "EFI/BOOT/BOOTX64.EFI")?.runs[0]?.cluster ?? 0;
  const numbered = entries.find(({ path }) => path === "numbered")?.runs[0]?.cluster ?? 0;

  test.each<[string, (view: DataView) => void, string]>([
    ["a chain to a free cluster", (view) => view.setUint16(fatEntry(program), 0, true), "to 0x0: expected 2 to"],
    [
      "a chain that leaves the volume",
      (view) => view.setUint16(fatEntry(program), 0xfff0, true),
      "to 0xfff0: expected 2 to",
    ],
    ["a chain to a bad cluster", (view) => view.setUint16(fatEntry(program), 0xfff7, true), "it leads to a bad one"],
    [
      "a chain that never ends",
      (view) => view.setUint16(fatEntry(program), program, true),
      "two chains lead to it, or one does twice",
    ],
    [
      "two chains that meet",
      (view) => view.setUint16(fatEntry(numbered), program, true),
      "two chains lead to it, or one does twice",
    ],
    [
      "a chain that is too short",
      (view) => view.setUint16(fatEntry(program), 0xffff, true),
      "it has 1 clusters, expected 157",
    ],
    [
      "no signature",
      (view) => view.setUint16(510, 0, true),
      "Cannot find a boot sector: expected the signature 0xaa55 at offset 0x1fe",
    ],
    ["odd sectors", (view) => view.setUint16(11, 500, true), "Cannot use the value 500: expected one of 512"],
    [
      "odd clusters",
      (view) => view.setUint8(13, 3),
      "Cannot use the value 3: expected a power of two (BPB_SecPerClus)",
    ],
    ["no FAT", (view) => view.setUint8(16, 0), "expected at least 1 (BPB_NumFATs)"],
    ["a FAT that is too small", (view) => view.setUint16(22, 1, true), "Cannot use a FAT of 512 bytes"],
    ["more sectors than there are", (view) => view.setUint16(19, 0xffff, true), "the input ends after 3145728"],
    ["tables that fill it", (view) => view.setUint16(22, 0xffff, true), "nothing is left for clusters"],
  ])("%s", (_, change, message) => {
    const bytes = sample.slice();
    change(new DataView(bytes.buffer));
    expect(() => read(bytes)).toThrow(message);
    expect(() => read(bytes)).toThrow(FormatError);
  });

  test("names that lead elsewhere are refused", () => {
    const bytes = sample.slice();
    const at = Buffer.from(bytes.buffer).indexOf("A~B        ", volume.geometry.rootOffset, "latin1");
    bytes.set(Buffer.from("A/B"), at);
    expect(() => read(bytes)).toThrow(`Cannot use the name "A/B": no file can have it at offset 0x${at.toString(16)}`);
  });

  test("a long name without its file is passed over with a warning", () => {
    const bytes = sample.slice();
    const at = Buffer.from(bytes.buffer).indexOf("PROGRA~2   ", volume.geometry.rootOffset, "latin1");
    bytes.set(Buffer.from("OTHER   "), at);
    const content = read(bytes);
    expect(content.warnings).toEqual(["/: a long name does not belong to the file behind it and is passed over"]);
    expect(fatTree(content).get("OTHER")).toBeDefined();
  });

  test("clusters behind the end of a file are a warning", () => {
    const bytes = sample.slice();
    const at = Buffer.from(bytes.buffer).indexOf("BOOTX64 EFI", volume.geometry.dataOffset, "latin1");
    DirectoryEntry.write(bytes, at, { DIR_FileSize: 1000 });
    expect(read(bytes).warnings).toEqual(["/EFI/BOOT/BOOTX64.EFI: 155 of its clusters lie behind its end"]);
  });
});

test("only a boot sector of FAT is taken for one", () => {
  expect([FAT16_BYTES, FAT32_BYTES].map((size) => isFat(sampleVolume(size).subarray(0, 512)))).toEqual([true, true]);
  expect(isFat(new Uint8Array(512))).toBe(false);
  expect(isFat(new Uint8Array(100))).toBe(false);
  const masterBootRecord = new Uint8Array(512);
  masterBootRecord.set([0xeb, 0x63, 0x90]);
  masterBootRecord.set([0x55, 0xaa], 510);
  expect(isFat(masterBootRecord)).toBe(false);
});
