import { MemorySource, toHex } from "../../src/bytes/index.ts";
import { planDdi, writeDdi } from "../../src/formats/ddi/index.ts";
import { type ErofsOptions, planErofs } from "../../src/formats/erofs/index.ts";
import { type ImageMap, mapImage, type Trace } from "../../src/trace/index.ts";
import { directory, regularFile, symlink, Tree } from "../../src/tree/index.ts";

export const SAMPLE_UUID = "145abf5b-6a0f-4ed6-a9fb-0123456789ab";

/** A trace with one of everything; whatever is given replaces it. */
export function sampleTrace(given: Partial<Trace> = {}): Trace {
  return {
    boot: {
      generator: "lazyrd test",
      source: "qemu",
      way: "lazy",
      kernelRelease: "6.12.9",
      architecture: "x86_64",
      commandLine: "quiet",
      rootHash: "ab".repeat(32),
      imageBytes: 1 << 20,
      loadedBytes: 600_000,
      folder: "/srv/generation",
      machine: {
        qemuVersion: "7.2.22",
        memoryMib: 2048,
        cpus: 1,
        cpuModel: "max",
        diskBus: "virtio-blk",
        countsInstructions: true,
      },
    },
    milestones: [
      { ns: 0, name: "kernel", title: "kernel starts" },
      { ns: 2_000_000_000, name: "switch", title: "first stage hands over" },
      { ns: 5_000_000_000, name: "initrd-target", title: "initrd.target reached" },
    ],
    steps: [{ startNs: 1_000_000_000, endNs: 1_700_000_000, verb: "modules", outcome: "8 loaded" }],
    memory: [{ ns: 400_000_000, what: "total", bytes: 2 ** 31 }],
    disks: [{ name: "vda", requests: 12, bytes: 65_536 }],
    lines: [
      { ns: 0, text: "[    0.000000] Linux version 6.12.9" },
      { ns: 3_000_000_000, text: "[    3.000000] systemd[1]: up" },
    ],
    reads: [
      { ns: 1_800_000_000, offset: 0, length: 4096 },
      { ns: 2_500_000_000, offset: 1_048_576, length: 65_536 },
    ],
    touched: [{ ns: 2_600_000_000, path: "usr/lib/caf\xc3\xa9", start: 4096, length: 8192 }],
    modules: [{ ns: 1_100_000_000, name: "erofs", inFirstStage: true, initNs: 4_000_000, loadNs: 100_000_000 }],
    end: "reached",
    ...given,
  };
}

/** Files of which nothing repeats, so that a block of the image tells which it is. */
export function sampleTree(): Tree {
  const content = (length: number, seed: number): Uint8Array => {
    return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >>> 8) * 7 + seed) & 0xff);
  };
  const tree = new Tree();
  tree.setWithParents("usr/lib/big", regularFile(content(40_960, 1)));
  tree.setWithParents("usr/lib/small", regularFile(content(100, 2)));
  tree.setWithParents("usr/share/never/one", regularFile(content(9000, 3)));
  tree.setWithParents("usr/share/never/two", regularFile(content(5000, 4)));
  tree.set("bin", symlink("usr/bin"));
  tree.set("empty", directory());
  return tree;
}

export interface SampleImage {
  readonly disk: Uint8Array;
  readonly rootHash: string;
  readonly map: ImageMap;
}

/** A tree as an image, and its map. */
export async function sampleImage(
  tree: Tree = sampleTree(),
  options: Partial<ErofsOptions> = {},
): Promise<SampleImage> {
  const data = planErofs(tree, { uuid: SAMPLE_UUID, ...options });
  const verity = { salt: new Uint8Array(), uuid: SAMPLE_UUID };
  const plan = planDdi({ designator: "root", architecture: "x86-64", data, verity });
  const disk = new Uint8Array(plan.sizeBytes);
  const written = writeDdi(plan, { writeAt: (offset, bytes) => disk.set(bytes, offset) });
  const rootHash = toHex(written.tree.rootHash);
  return { disk, rootHash, map: await mapImage(new MemorySource(disk), rootHash) };
}
