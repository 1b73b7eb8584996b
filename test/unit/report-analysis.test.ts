import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { directoriesOf } from "../../src/report/directories.ts";
import { firstReads } from "../../src/report/first-reads.ts";
import { gridOf } from "../../src/report/grid.ts";
import { analyseTraces, parseScaling, reportFacts } from "../../src/report/index.ts";
import { readCurve } from "../../src/report/read-curve.ts";
import type { BootReport, DirectoryUse, EntryUse, ReportedTrace } from "../../src/report/types.ts";
import { HOSTILE_NAME, manyReads, sampleMap, sampleTrace } from "../support/sample-traces.ts";

const BLOCK = 4096;
const MS = 1e6;

function reported(changes: Partial<ReportedTrace> = {}): ReportedTrace {
  return { name: "boot.trace", trace: sampleTrace(), map: sampleMap(), ...changes };
}

function analysed(changes: Partial<ReportedTrace> = {}): BootReport {
  return analyseTraces([reported(changes)], []).boots[0] as BootReport;
}

function figure(report: BootReport, name: string): number | undefined {
  return report.figures.find((one) => one.name === name)?.value;
}

function entriesOf({ image: { content } }: BootReport): readonly EntryUse[] {
  if ("missing" in content) throw new Error(content.missing);
  return content.entries;
}

describe("first reads", () => {
  const read = fc.record({ ns: fc.nat(1000), offset: fc.nat(200), length: fc.nat(60) });

  test("are, byte for byte, those of the first request that holds the byte", () => {
    fc.assert(
      fc.property(fc.array(read, { maxLength: 30 }), fc.nat(250), (reads, size) => {
        const expected = Array.from({ length: size }, (_, at) => {
          return reads.find(({ offset, length }) => at >= offset && at < offset + length)?.ns;
        });
        const actual = Array.from<number | undefined>({ length: size });
        let last = 0;
        for (const { start, end, ns } of firstReads(reads, size)) {
          expect(start).toBeGreaterThanOrEqual(last);
          last = end;
          actual.fill(ns, start, end);
        }
        expect(actual).toEqual(expected);
      }),
    );
  });

  test("of what lies behind the image are none", () => {
    expect(firstReads([{ ns: 1, offset: 2 ** 52, length: 2 ** 52 }], 100)).toEqual([]);
    expect(firstReads([{ ns: 1, offset: 50, length: 2 ** 52 }], 100)).toEqual([{ start: 50, end: 100, ns: 1 }]);
  });
});

describe("the grid", () => {
  test.each([0, 1, BLOCK, 92_422_144, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER])("of %d bytes has few cells", (size) => {
    const { cellBytes, cells } = gridOf(size, [{ start: 0, end: Math.min(size, 5000), ns: 7 }], undefined);
    expect(cells.length).toBeLessThanOrEqual(8192);
    expect(cells.length * cellBytes).toBeGreaterThanOrEqual(size);
    expect(cells.reduce((sum, { readBytes }) => sum + readBytes, 0)).toBe(Math.min(size, 5000));
    expect(cells.map(({ firstNs }) => firstNs).filter((ns) => ns !== undefined)).toEqual(
      Array.from({ length: Math.ceil(Math.min(size, 5000) / cellBytes) }, () => 7),
    );
  });

  test("names what lies in a cell, as text", () => {
    const { cells } = gridOf(sampleMap().sizeBytes, [], sampleMap());
    expect(cells.map(({ names }) => names[0]).slice(0, 5)).toEqual([
      "partition table",
      "file system's own data",
      "/init",
      "/etc/passwd",
      `/usr/lib/</script><img src=x onerror=alert(1)>"'&\\x01`,
    ]);
  });
});

describe("a boot", () => {
  test("has the figures that its trace tells", () => {
    const report = analysed();
    expect(Object.fromEntries(report.figures.map(({ name, value }) => [name, value]))).toEqual({
      init: 700 * MS,
      "initrd-target": 1500 * MS,
      "root-wanted": undefined,
      "first-stage": 300 * MS,
      loaded: 600_000,
      read: 11 * BLOCK,
      requests: 4,
      used: undefined,
      share: 10 / 32,
    });
  });

  test("that was recorded exactly tells the clusters it touched", () => {
    const touched = [
      { ns: 1, path: "init", start: 100, length: 10 },
      { ns: 2, path: "init", start: 5 * BLOCK, length: 1 },
    ];
    // The superblock's block; the inode's; a page; a whole cluster.
    expect(figure(analysed({ trace: sampleTrace({ touched }) }), "used")).toBe((1 + 1 + 1 + 2) * BLOCK);
  });

  test("is judged until its image has done its work", () => {
    const { trace } = reported();
    const late = { ns: 2000 * MS, offset: 20 * BLOCK, length: BLOCK };
    const report = analysed({ trace: { ...trace, reads: [...trace.reads, late] } });
    expect(figure(report, "requests")).toBe(4);
    expect(report.image.laterRequests).toBe(1);
    expect(report.endNs).toBe(2000 * MS);
  });

  test("of a real machine, or a classic one, has no figures of reads", () => {
    const machine = sampleTrace({ boot: { source: "machine", imageBytes: null, loadedBytes: null }, reads: [] });
    const classic = sampleTrace({ boot: { way: "classic", imageBytes: 0 }, reads: [] });
    for (const trace of [machine, classic]) {
      const report = analysed({ trace, map: { missing: "no reads" } });
      for (const name of ["read", "requests", "share", "used"]) expect(figure(report, name)).toBeUndefined();
      expect(report.image.grid.cells).toEqual([]);
    }
  });

  test("tells of each entry what was read of it, and of each kind", () => {
    const report = analysed();
    const read = entriesOf(report).filter(({ readContentBytes }) => readContentBytes > 0);
    expect(
      read.map(({ path, readContentBytes, contentBytes, firstNs }) => [path, readContentBytes, contentBytes, firstNs]),
    ).toEqual([
      ["init", 6 * BLOCK, 6 * BLOCK, 600 * MS],
      [HOSTILE_NAME, 2 * BLOCK, 6 * BLOCK, 800 * MS],
    ]);
    const { content, imageBytes, readBytes } = report.image;
    const kinds = "kinds" in content ? content.kinds : [];
    expect(kinds.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(imageBytes);
    expect(kinds.reduce((sum, use) => sum + use.readBytes, 0)).toBe(readBytes);
  });

  test("names its stages, the first one of a classic boot otherwise", () => {
    expect(analysed().stages.map(({ title }) => title)).toEqual([
      "Kernel starts",
      "First stage",
      "Image's init is loaded",
      "Initrd's own init",
    ]);
    expect(analysed({ trace: sampleTrace({ boot: { way: "classic" } }) }).stages[1]?.title).toBe(
      "Initrd's init is loaded",
    );
  });
});

test("a curve begins with nothing, ends with everything, and is short however many reads there were", () => {
  const curve = readCurve(manyReads(100_001, 1 << 30));
  expect(curve.length).toBeLessThanOrEqual(602);
  expect(curve[0]).toMatchObject({ requests: 0, bytes: 0 });
  expect(curve.at(-1)).toMatchObject({ requests: 100_001, bytes: 100_001 * BLOCK });
});

describe("directories", () => {
  const entry = (path: string, bytes: number): EntryUse => {
    return {
      path,
      offset: 0,
      bytes,
      readBytes: bytes / 2,
      contentBytes: bytes,
      readContentBytes: 0,
      firstNs: undefined,
    };
  };
  const leavesOf = (use: DirectoryUse): DirectoryUse[] =>
    use.parts.length === 0 ? [use] : use.parts.flatMap(leavesOf);

  test("are taken apart where they are large, and add up", () => {
    const entries = [
      entry("init", 10),
      entry("usr/bin/a", 100),
      entry("usr/bin/b", 100),
      entry("usr/lib/c", 700),
      entry("etc/d", 1),
    ];
    const root = directoriesOf(entries);
    expect(leavesOf(root).map(({ path, bytes, files }) => [path, bytes, files])).toEqual([
      ["usr/lib", 700, 1],
      ["usr/bin", 200, 2],
      ["*", 10, 1],
      ["etc", 1, 1],
    ]);
    expect(root).toMatchObject({ bytes: 911, readBytes: 455.5, files: 5 });
  });

  test("stay few and shallow, however many and deep the folders are", () => {
    const deep = Array.from({ length: 5000 }, (_, index) => entry(`${"d/".repeat(index)}file`, 1));
    expect(leavesOf(directoriesOf(deep)).reduce((sum, { bytes }) => sum + bytes, 0)).toBe(5000);
    const wide = Array.from({ length: 200 }, (_, index) => entry(`a${index % 40}/b${index}/file`, 1));
    const shown = leavesOf(directoriesOf(wide));
    expect(shown.map(({ path }) => path).filter((path) => !path.startsWith("a"))).toEqual(["..."]);
    expect(shown.length).toBeLessThan(100);
    expect(shown.reduce((sum, { files }) => sum + files, 0)).toBe(200);
  });
});

describe("two boots", () => {
  test("differ in stages, steps and what they read", () => {
    const faster = sampleTrace({
      boot: { rootHash: "cd".repeat(32) },
      steps: [
        { verb: "modules", outcome: "8 loaded", startNs: 201 * MS, endNs: 250 * MS },
        { verb: "device", outcome: "data is /dev/vda1", startNs: 300 * MS, endNs: 310 * MS },
        { verb: "verity", outcome: "root", startNs: 320 * MS, endNs: 321 * MS },
      ],
      reads: [{ ns: 600 * MS, offset: 12 * BLOCK, length: 10 * BLOCK }],
    });
    const { differences } = analyseTraces([reported(), reported({ trace: faster })], []);
    expect(differences).toHaveLength(1);
    expect(differences[0]).toMatchObject({ before: "A", after: "B", sameImage: false, sameKernel: true });
    expect(differences[0]?.steps).toEqual([
      { name: "modules", beforeNs: 99 * MS, afterNs: 49 * MS },
      { name: "device (2)", beforeNs: 5 * MS, afterNs: undefined },
      { name: "verity", beforeNs: undefined, afterNs: 1 * MS },
      { name: "device", beforeNs: 10 * MS, afterNs: 10 * MS },
    ]);
    expect(differences[0]?.entries?.onlyBefore.map(({ path }) => path)).toEqual(["init"]);
    expect(differences[0]?.entries?.onlyAfter.map(({ path }) => path)).toEqual(["etc/passwd"]);
  });

  test("of which one has no image do not tell about files", () => {
    const { differences } = analyseTraces([reported(), reported({ map: { missing: "gone" } })], []);
    expect(differences[0]?.entries).toBeUndefined();
  });
});

test("the facts are JSON, with paths as text", () => {
  const facts = JSON.parse(JSON.stringify(reportFacts(analyseTraces([reported(), reported()], []))));
  expect(facts.boots[0].figures.init).toBe(700 * MS);
  expect(facts.boots[0].image.entries[1].path).toBe(`/usr/lib/</script><img src=x onerror=alert(1)>"'&\\x01`);
  expect(facts.differences[0]).toMatchObject({ onlyBefore: [], onlyAfter: [] });
});

describe("a scaling series", () => {
  const point = { variant: "classic", contentBytes: 2000, guestNs: 3 };

  test("is sorted by variant and size", () => {
    const text = JSON.stringify([
      point,
      { ...point, contentBytes: 1000 },
      { ...point, variant: "lazy", more: "is passed over" },
    ]);
    expect(parseScaling(text)).toEqual([
      {
        variant: "classic",
        points: [
          { contentBytes: 1000, guestNs: 3 },
          { contentBytes: 2000, guestNs: 3 },
        ],
      },
      { variant: "lazy", points: [{ contentBytes: 2000, guestNs: 3 }] },
    ]);
  });

  test.each([
    ["no JSON", "{", "it is not JSON"],
    ["nothing", "[]", "expected [{variant, contentBytes, guestNs}, ...]"],
    ["another type", '[{"variant": "a", "contentBytes": "1", "guestNs": 1}]', "Invalid input"],
    [
      "too many variants",
      JSON.stringify(Array.from({ length: 9 }, (_, index) => ({ ...point, variant: `v${index}` }))),
      "at most 8",
    ],
  ])("is refused: %s", (_, text, reason) => {
    expect(() => parseScaling(text)).toThrow(reason);
  });
});
