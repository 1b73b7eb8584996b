import { describe, expect, test } from "vitest";
import { MemorySource } from "../../src/bytes/index.ts";
import { PROFILE_UNIT_BYTES } from "../../src/profile/index.ts";
import { tilePlaces } from "../../src/trace/image-map.ts";
import {
  analyseTrace,
  describeAnalysis,
  describeDisk,
  exactPlan,
  mapImage,
  modulesLoaded,
  type Place,
  planExactImage,
  profileOfReads,
  profileOfTouched,
  suggestionsFor,
  type TraceRead,
  touchedBy,
} from "../../src/trace/index.ts";
import { sampleImage, sampleTrace, sampleTree } from "../support/trace-samples.ts";

const BLOCK = 4096;

/** The first place of an entry's content, or of its inode. */
function placeOf(places: readonly Place[], path: string, kind: Place["kind"]): Place {
  const place = places.find((candidate) => candidate.path === path && candidate.kind === kind);
  if (place === undefined) throw new Error(`No ${kind} at ${path}`);
  return place;
}

const readOf = ({ start, end }: Place, ns = 1): TraceRead => ({ ns, offset: start, length: end - start });

describe("a map of an image", () => {
  test("has each byte of the disk once, in order", async () => {
    const { map, disk } = await sampleImage();
    let at = 0;
    for (const { start, end } of map.places) {
      expect(start).toBe(at);
      expect(end).toBeGreaterThan(start);
      at = end;
    }
    expect(at).toBe(disk.length);
  });

  test("leads from a block to the file whose bytes stand there", async () => {
    const { map, disk } = await sampleImage();
    const place = placeOf(map.places, "usr/lib/big", "file");
    const node = sampleTree().get("usr/lib/big");
    if (node?.kind !== "file" || place.content === undefined) throw new Error("No file");
    const { start, length } = place.content;
    expect(disk.subarray(place.start, place.end)).toEqual(node.content.read(start, length));
  });

  test("knows every kind of place", async () => {
    const kinds = new Set((await sampleImage()).map.places.map(({ kind }) => kind));
    const expected = ["partition-table", "hashes", "file-system", "inode", "directory", "symlink", "file"];
    expect([...kinds].sort()).toEqual(expected.sort());
  });

  test("is refused for another image, naming both", async () => {
    const { disk, rootHash } = await sampleImage();
    const other = "0".repeat(64);
    await expect(mapImage(new MemorySource(disk), other)).rejects.toThrow(
      `expected root hash ${other}, got ${rootHash}`,
    );
  });

  test("gives bytes that two files share to the first one, and to the other what it has beyond it", () => {
    const file = (path: string, start: number, end: number, given: Partial<Place> = {}): Place => {
      return { start, end, kind: "file", path, isPlain: true, content: { start: 0, length: end - start }, ...given };
    };
    const all: Place = { start: 0, end: 100, kind: "partition-table", isPlain: true };
    const packed = { isPlain: false, content: { start: 0, length: 500 } };
    const places = tilePlaces(
      [file("b", 20, 50), file("a", 10, 30), file("c", 12, 18), file("z", 40, 60, packed)],
      [all],
    );
    expect(places).toEqual([
      { ...all, end: 10 },
      file("a", 10, 30),
      { ...file("b", 30, 50), content: { start: 10, length: 20 } },
      { ...file("z", 50, 60), ...packed },
      { ...all, start: 60 },
    ]);
  });

  test("has nothing behind the disk's end", async () => {
    const { map, disk } = await sampleImage();
    expect([...map.placesOf(disk.length, BLOCK)]).toEqual([]);
  });
});

describe("a profile", () => {
  test("of reads names the pages of files and the entries that were read, in order", async () => {
    const { map } = await sampleImage();
    const big = placeOf(map.places, "usr/lib/big", "file");
    const reads = [
      { ns: 1, offset: big.start + 2 * BLOCK, length: BLOCK },
      readOf(placeOf(map.places, "bin", "symlink"), 2),
    ];
    const { entries } = profileOfReads(sampleTrace({ reads }), map);
    expect(entries).toEqual([
      { path: "usr/lib/big", start: 2 * PROFILE_UNIT_BYTES, end: 3 * PROFILE_UNIT_BYTES },
      { path: "bin", start: 0, end: 0 },
    ]);
  });

  test("of what was touched needs no image", () => {
    const touched = [
      { ns: 1, path: "a", start: 0, length: 0 },
      { ns: 2, path: "a", start: 4096, length: 100 },
    ];
    expect(profileOfTouched(sampleTrace({ touched }))?.entries).toEqual([
      { path: "a", start: 0, end: 0 },
      { path: "a", start: 4096, end: 8192 },
    ]);
    expect(profileOfTouched(sampleTrace({ touched: undefined }))).toBeUndefined();
  });
});

describe("an exact image", () => {
  async function exact() {
    const image = planExactImage(sampleTree(), "x86-64");
    const disk = new Uint8Array(image.sizeBytes);
    const facts = image.write({ writeAt: (offset, bytes) => disk.set(bytes, offset) });
    return { facts, map: await mapImage(new MemorySource(disk), facts.rootHash) };
  }

  test("has no block that tells of two entries", async () => {
    const { map } = await exact();
    const ofEntries = map.places.filter(({ path }) => path !== undefined);
    const owners = new Map<number, string | undefined>();
    for (const { start, end, path } of ofEntries) {
      for (let block = Math.floor(start / BLOCK); block * BLOCK < end; block++) {
        expect(owners.get(block) ?? path).toBe(path);
        owners.set(block, path);
      }
    }
  });

  test("tells a look-up from a read", async () => {
    const { map } = await exact();
    const reads = [
      { ns: 1, offset: Math.floor(placeOf(map.places, "usr/lib/small", "inode").start / BLOCK) * BLOCK, length: BLOCK },
      { ...readOf(placeOf(map.places, "usr/lib/big", "file"), 2), length: BLOCK },
    ];
    expect(touchedBy([...reads, ...reads], map)).toEqual([
      { ns: 1, path: "usr/lib/small", start: 0, length: 0 },
      { ns: 2, path: "usr/lib/big", start: 0, length: BLOCK },
    ]);
  });

  test("has a plan of its own: its partitions, nothing read ahead, one module a step", async () => {
    const { facts } = await exact();
    const text = [
      ...[
        "lazyrd-plan 1",
        "failure reboot after=30s",
        "try-modules fast",
        "modules a b",
        "device any partuuid=x,w timeout=5s",
        "device data partuuid=x timeout=5s",
      ],
      ...[
        "device hash partuuid=y",
        "device esp partuuid=z",
        "verity root data=data hash=hash root-hash=00 read-ahead=64",
      ],
      "mount root /image erofs prefetch=400",
      "switch /new /init\n",
    ].join("\n");
    const lines = exactPlan(text, facts).split("\n");
    expect(lines.slice(1, 8)).toEqual([
      "failure reboot after=30s",
      "try-modules fast",
      "modules a",
      "modules b",
      `device any timeout=5s partuuid=${facts.dataPartition}`,
      `device data timeout=5s partuuid=${facts.dataPartition}`,
      `device hash partuuid=${facts.hashPartition}`,
    ]);
    expect(lines[8]).toBe("device esp partuuid=z");
    expect(lines[9]).toContain(` root-hash=${facts.rootHash} salt= read-ahead=0`);
    expect(lines[9]).not.toContain("root-hash=00");
    expect(lines.slice(10)).toEqual(["mount root /image erofs", "switch /new /init", ""]);
  });
});

test("modules are known by their init functions, and by the plan where they have none", () => {
  const step = (verb: string, startNs: number, outcome = "1 loaded") => ({
    verb,
    outcome,
    startNs,
    endNs: startNs + 5,
  });
  const plan = "lazyrd-plan 1\ntry-modules fast\nmodules a\nmodules plain\ncoldplug virtio\n";
  const steps = [step("try-modules", 10, "0 loaded"), step("modules", 20), step("modules", 30), step("coldplug", 40)];
  const lines = [
    { ns: 24, text: "[ 0.1] initcall a_init+0x0/0x1000 [a] returned 0 after 2 usecs" },
    { ns: 25, text: "[ 0.1] initcall built_in+0x0/0x10 returned 0 after 7 usecs" },
    { ns: 43, text: "[ 0.1] initcall init+0x0/0x1000 [virtio_blk] returned 0 after 3 usecs" },
    { ns: 99, text: "[ 0.1] initcall init+0x0/0x1000 [btrfs] returned 0 after 4 usecs" },
  ];
  expect(modulesLoaded(lines, plan, steps)).toEqual([
    { ns: 24, name: "a", inFirstStage: true, initNs: 2000, loadNs: 5 },
    { ns: 35, name: "plain", inFirstStage: true, initNs: 0, loadNs: 5 },
    { ns: 43, name: "virtio_blk", inFirstStage: true, initNs: 3000, loadNs: null },
    { ns: 99, name: "btrfs", inFirstStage: false, initNs: 4000, loadNs: null },
  ]);
});

describe("an analysis", () => {
  async function analysed() {
    const { map } = await sampleImage();
    const big = placeOf(map.places, "usr/lib/big", "file");
    const reads = [
      { ns: 1_000_000_000, offset: big.start, length: 4 * BLOCK },
      { ns: 3_000_000_000, offset: big.start + 4 * BLOCK, length: 2 * BLOCK },
      { ns: 4_000_000_000, offset: big.start, length: BLOCK },
      { ns: 9_000_000_000, offset: big.start + 6 * BLOCK, length: BLOCK },
    ];
    const touched = [
      { ns: 1, path: "usr/lib/big", start: 0, length: 2 * BLOCK },
      { ns: 2, path: "usr/lib/big", start: 0, length: 0 },
    ];
    const trace = sampleTrace({ reads, touched });
    return { trace, map, analysis: analyseTrace(trace, map) };
  }

  test("counts what was read until initrd.target", async () => {
    const { analysis } = await analysed();
    expect(analysis.disk).toEqual({ requests: 3, bytes: 7 * BLOCK, repeatedBytes: BLOCK, runs: 2 });
    expect(analysis.done?.name).toBe("initrd-target");
  });

  test("compares it with the blocks that hold what was touched: superblock, inode, two pages", async () => {
    const { analysis } = await analysed();
    expect(analysis.content?.touchedBytes).toBe(4 * BLOCK);
    expect(analysis.content?.readPerTouched).toBe(7 / 4);
    expect(describeDisk(analysis)).toBe(
      "read 28.7 kB in 3 requests until initrd.target; clusters touched 16.4 kB; ratio 1.75",
    );
  });

  test("divides time and reads by milestones", async () => {
    const { analysis } = await analysed();
    expect(analysis.phases.map(({ name, requests, bytes }) => [name, requests, bytes])).toEqual([
      ["kernel", 1, 4 * BLOCK],
      ["switch", 2, 3 * BLOCK],
      ["initrd-target", 1, BLOCK],
    ]);
  });

  test("names the files that were read, and the largest trees that were not used", async () => {
    const { content } = (await analysed()).analysis;
    expect(
      content?.files.map(({ path, readBytes, touchedBytes, requests }) => ({
        path,
        readBytes,
        touchedBytes,
        requests,
      })),
    ).toEqual([{ path: "usr/lib/big", readBytes: 7 * BLOCK, touchedBytes: 2 * BLOCK, requests: 3 }]);
    expect(content?.unread.slice(0, 1)).toMatchObject([{ path: "usr/share", files: 4 }]);
    expect(content?.unread.map(({ path }) => path)).not.toContain("usr/share/never");
  });

  test("is without content where there is no image", () => {
    expect(analyseTrace(sampleTrace(), undefined).content).toBeUndefined();
  });

  test("suggests only what the figures show", async () => {
    const { analysis } = await analysed();
    const carried = [
      { name: "erofs", sizeBytes: 1000 },
      { name: "nvme-core", sizeBytes: 70_000 },
    ];
    const suggestions = suggestionsFor(analysis, carried);
    expect(suggestions.map(({ kind }) => kind)).toEqual([
      "unused-drivers",
      "slow-signatures",
      "over-read",
      "unused-files",
    ]);
    expect(suggestions[0]?.text).toContain(
      "1 module of the first stage, 70.0 kB, not loaded on this machine: nvme-core",
    );
    expect(suggestions[1]?.ns).toBe(96_000_000);
    expect(suggestionsFor(analyseTrace(sampleTrace({ modules: undefined }), undefined), carried)).toEqual([]);
  });

  test("sees that what is read lies scattered", async () => {
    const { map } = await sampleImage();
    const reads = [readOf(placeOf(map.places, "usr/lib/big", "file"))].map(({ offset }) => ({
      ns: 1,
      offset,
      length: 1,
    }));
    const kinds = suggestionsFor(analyseTrace(sampleTrace({ reads, touched: undefined }), map), undefined);
    expect(kinds.map(({ kind }) => kind)).toContain("scattered");
  });

  test("is shown as text", async () => {
    const { trace, analysis } = await analysed();
    const text = describeAnalysis(trace, analysis, suggestionsFor(analysis, undefined));
    await expect(`${text}\n`).toMatchFileSnapshot("../golden/blame.txt");
  });
});
