import { describe, expect, test } from "vitest";
import { defaultConfig, parseConfig, withSettings } from "../../src/build/index.ts";
import { UsageError } from "../../src/bytes/index.ts";
import { compress } from "../../src/formats/compression/index.ts";
import {
  addContent,
  contentBytesOf,
  describeMeasurements,
  isStable,
  type Measurement,
  parseVariants,
  type Run,
  repeatUntilStable,
  type Subject,
  scalingPoints,
  summarise,
  VARIANT_NAMES,
} from "../../src/measure/index.ts";
import { parseScaling } from "../../src/report/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";

const MS = 1_000_000;
const SUBJECT: Subject = { variant: "classic", contentBytes: 5000, addedBytes: 0, loadedBytes: 3000, imageBytes: 0 };

function boot(milliseconds: number, given: Partial<Run> = {}): Run {
  return {
    milestones: [
      { name: "kernel", title: "kernel starts", ns: 0, memoryBytes: null },
      { name: "first-stage", title: "kernel starts /init", ns: 100 * MS, memoryBytes: null },
      { name: "next-stage", title: "the initrd's own init runs", ns: milliseconds * MS, memoryBytes: null },
    ],
    reads: { requests: milliseconds, bytes: 1000 * milliseconds },
    initrdMemoryBytes: null,
    loader: null,
    failure: null,
    ...given,
  };
}

function measured(given: Partial<Subject>, runs: readonly Run[]): Measurement {
  return summarise({ ...SUBJECT, ...given }, runs);
}

describe("times are stable", () => {
  test.each([
    [[], false],
    [[1000], false],
    [[1000, 1005], true],
    [[1000, 1006], false],
    [[1010, 1300, 1200, 1012], true],
    [[0, 0], true],
  ])("%j: %s", (times, expected) => {
    expect(isStable(times)).toBe(expected);
  });

  test("so nothing is repeated any more", async () => {
    const times = [1300, 1100, 1200, 1101, 1000];
    const run = async (number: number) => times[number - 1] ?? 0;
    expect(await repeatUntilStable(run, (time) => time, 9)).toEqual([1300, 1100, 1200, 1101]);
    expect(await repeatUntilStable(run, (time) => time, 3)).toEqual([1300, 1100, 1200]);
  });

  test("or never, where a run fails: that is the last", async () => {
    const runs = await repeatUntilStable(
      async (number) => number,
      (number) => (number === 2 ? undefined : number),
      9,
    );
    expect(runs).toEqual([1, 2]);
  });
});

describe("a summary of boots", () => {
  test("is of the fastest, with the range of all", () => {
    const summary = measured({}, [boot(1300), boot(1000), boot(1200)]);
    expect(summary).toMatchObject({ runs: 3, stable: false, reads: { requests: 1000 }, failure: null });
    expect(summary.milestones.at(-1)).toMatchObject({ ns: 1000 * MS, minNs: 1000 * MS, maxNs: 1300 * MS });
    expect(summary.milestones[1]).toMatchObject({ ns: 100 * MS, minNs: 100 * MS, maxNs: 100 * MS });
  });

  test("shows the one that failed", () => {
    const broken = boot(5, { milestones: boot(5).milestones.slice(0, 2), failure: "Kernel panic" });
    expect(measured({}, [boot(1000), broken])).toMatchObject({ stable: false, failure: "Kernel panic" });
  });

  test("makes points that a report takes, of what came up and has content", () => {
    const points = scalingPoints([
      measured({ variant: "floor", contentBytes: null }, [boot(1)]),
      measured({ variant: "broken" }, [boot(2, { failure: "Kernel panic" })]),
      measured({}, [boot(4), boot(3)]),
    ]);
    expect(points).toEqual([{ variant: "classic", contentBytes: 5000, guestNs: 3 * MS }]);
    expect(parseScaling(JSON.stringify(points))).toHaveLength(1);
  });

  test("as a table: columns that would be empty are left out, what went wrong stands below", () => {
    const text = describeMeasurements([
      measured({}, [boot(1234), boot(1238)]),
      measured({ variant: "lazy-lz4", addedBytes: 25_000_000, imageBytes: 9_000_000 }, [boot(1000), boot(1100)]),
      measured({ variant: "lazy-zstd" }, [boot(1, { milestones: [], failure: "the machine stopped, panic" })]),
    ]);
    expect(text.split("\n")).toEqual([
      "  variant      added  loaded   image  /init  next init   spread    read  requests  boots",
      "  classic          -  3.0 kB       -  0.100      1.234    +4 ms  1.2 MB      1234      2",
      "  lazy-lz4   25.0 MB  3.0 kB  9.0 MB  0.100      1.000  +100 ms  1.0 MB      1000      2",
      "  lazy-zstd        -  3.0 kB       -      -          -        -  1.0 kB         1      1",
      "lazy-lz4 with 25.0 MB more: the fastest of 2 boots differ by more than 0.5 %",
      "lazy-zstd did not come up: the machine stopped, panic",
    ]);
  });

  test("with what came before the kernel, memory, and what was left out, where there is any", () => {
    const loader = { requests: 7, bytes: 86_000_000, ns: 2500 * MS };
    const remembered = (milliseconds: number, memoryBytes: number) => {
      const { milestones, ...others } = boot(milliseconds, { loader });
      return { ...others, milestones: milestones.map((milestone) => ({ ...milestone, memoryBytes })) };
    };
    const text = describeMeasurements(
      [measured({ variant: "uki-classic" }, [remembered(1000, 300_000_000)]), measured({}, [boot(1200)])],
      [{ variant: "classic-lzo", reason: "Cannot pack: there is no lzop" }],
    );
    expect(text.split("\n")).toEqual([
      "  variant      loaded  image  loader reads  before kernel  /init  next init  spread    read  requests  boots",
      "  uki-classic  3.0 kB      -       86.0 MB          2.500  0.100      1.000       -  1.0 MB      1000      1",
      "  classic      3.0 kB      -             -              -  0.100      1.200       -  1.2 MB      1200      1",
      "classic-lzo was left out: Cannot pack: there is no lzop",
      "",
      "Memory in use (of the machine's, what is not free)",
      "  variant         /init  next init",
      "  uki-classic  300.0 MB   300.0 MB",
      "  classic             -          -",
    ]);
  });
});

describe("variants", () => {
  test("have names that say what they are", () => {
    expect(parseVariants("floor,classic,classic-zstd,lazy-lz4hc-strip,uki-classic,floor")).toEqual([
      { name: "floor", variant: { kind: "floor" } },
      { name: "classic", variant: { kind: "classic" } },
      { name: "classic-zstd", variant: { kind: "classic", method: "zstd" } },
      {
        name: "lazy-lz4hc-strip",
        variant: {
          kind: "lazy",
          settings: { image: { compression: "lz4hc" }, modules: { signatures: "strip", symbols: "auto" } },
        },
      },
      { name: "uki-classic", variant: { kind: "classic", loader: "firmware" } },
    ]);
  });

  test("have settings that a build takes", () => {
    for (const { variant } of parseVariants(VARIANT_NAMES.join(","))) {
      if (variant.kind === "lazy") expect(() => withSettings(defaultConfig(), variant.settings)).not.toThrow();
    }
    expect(() => withSettings(defaultConfig(), { image: { compression: "lzma" } })).toThrow(UsageError);
    expect(() => withSettings(defaultConfig(), { picture: {} })).toThrow(UsageError);
  });

  test("change no other setting", () => {
    const config = parseConfig("[image]\ncluster-size = 16\n[boot]\ntimeout = 7\n");
    const changed = withSettings(config, { image: { compression: "zstd" } });
    expect(changed).toEqual({ ...config, image: { ...config.image, compression: "zstd" } });
  });

  test.each(["", "floor,", "classic-rar", "Floor", "constructor"])("%j is none", (text) => {
    expect(() => parseVariants(text)).toThrow(UsageError);
  });
});

describe("content that is added", () => {
  const added = (bytes: number): Tree => {
    const tree = new Tree();
    addContent(tree, bytes);
    return tree;
  };
  const bytesOf = (tree: Tree, offset: number, length: number): Uint8Array => {
    const node = tree.get("usr/share/lazyrd-bench/00001");
    if (node?.kind !== "file") throw new Error("No such file");
    return node.content.read(offset, length);
  };

  test.each([0, 1, 1 << 20, (1 << 20) + 1, 25_000_000])("has %d bytes", (bytes) => {
    expect(contentBytesOf(added(bytes))).toBe(bytes);
  });

  test("goes on where another tree's ends", () => {
    const [whole, rest] = [added(3 << 20), new Tree()];
    addContent(rest, 2 << 20, 1 << 20);
    expect(bytesOf(rest, 0, 100)).toEqual(bytesOf(whole, 0, 100));
    expect(contentBytesOf(rest)).toBe(2 << 20);
  });

  test("counts a file with two names once", () => {
    const tree = new Tree();
    const file = regularFile(new Uint8Array(100));
    tree.set("a", file);
    tree.set("b", file);
    expect(contentBytesOf(tree)).toBe(100);
  });

  test("is the same in whatever pieces it is read", () => {
    const tree = added(3_000_000);
    const whole = bytesOf(tree, 0, 1 << 20);
    for (const [offset, length] of [
      [0, 0],
      [1, 1],
      [3, 6],
      [4, 4],
      [(1 << 20) - 5, 5],
      [4097, 8191],
    ] as const) {
      expect(bytesOf(tree, offset, length)).toEqual(whole.subarray(offset, offset + length));
    }
    expect(whole).not.toEqual(bytesOf(added(1 << 21), 1, (1 << 20) - 1));
    expect(Buffer.from(whole.subarray(0, 8)).toString("hex")).toBe("deb3e76e64b2c4de");
  });

  test("packs to some two thirds", async () => {
    const whole = bytesOf(added(3_000_000), 0, 1 << 20);
    const share = (await compress(whole, { method: "zstd" })).length / whole.length;
    expect(share).toBeGreaterThan(0.6);
    expect(share).toBeLessThan(0.75);
  });
});
