import { ImageMap, type Place } from "../../src/trace/image-map.ts";
import type { Trace, TracedBoot } from "../../src/trace/index.ts";

const MS = 1e6;
const BLOCK = 4096;

/** A name that would end a script, an attribute and a text if it were let. */
export const HOSTILE_NAME = `usr/lib/</script><img src=x onerror=alert(1)>"'&\u0001`;
export const HOSTILE_LINE = `<!-- --></code><script>alert(2)</script> \u001b[31m \u202e"'`;

/** Blocks of the sample's image, one thing behind the other. */
export function sampleMap(paths: readonly string[] = ["init", "etc/passwd", HOSTILE_NAME, "usr/bin/never"]): ImageMap {
  const places: Place[] = [{ start: 0, end: BLOCK, kind: "partition-table", isPlain: true }];
  const add = (place: Omit<Place, "start" | "end">, blocks: number): void => {
    const start = places.at(-1)?.end ?? 0;
    places.push({ ...place, start, end: start + blocks * BLOCK });
  };
  add({ kind: "file-system", isPlain: true }, 1);
  for (const path of paths) add({ kind: "inode", path, isPlain: true }, 1);
  for (const path of paths) {
    add({ kind: "file", path, content: { start: 0, length: 4 * BLOCK }, isPlain: true }, 4);
    // A compressed cluster: twice as much as it takes.
    add({ kind: "file", path, content: { start: 4 * BLOCK, length: 4 * BLOCK }, isPlain: false }, 2);
  }
  add({ kind: "hashes", isPlain: true }, 2);
  return new ImageMap(places, places.at(-1)?.end ?? 0, BLOCK);
}

export function sampleTrace({
  boot,
  ...changes
}: Partial<Omit<Trace, "boot">> & { boot?: Partial<TracedBoot> } = {}): Trace {
  return {
    boot: {
      generator: "lazyrd test",
      source: "qemu",
      way: "lazy",
      kernelRelease: "6.12.1",
      architecture: "x86_64",
      commandLine: "console=ttyS0",
      rootHash: "ab".repeat(32),
      imageBytes: sampleMap().sizeBytes,
      loadedBytes: 600_000,
      folder: null,
      machine: {
        qemuVersion: "7.2.22",
        memoryMib: 2048,
        cpus: 1,
        cpuModel: "max",
        diskBus: "virtio-blk",
        countsInstructions: true,
      },
      ...boot,
    },
    milestones: [
      { name: "kernel", title: "kernel starts", ns: 0 },
      { name: "first-stage", title: "kernel starts /init", ns: 200 * MS },
      { name: "switch", title: "first stage hands over", ns: 500 * MS },
      { name: "next-stage", title: "the initrd's own init runs", ns: 700 * MS },
      { name: "initrd-target", title: "initrd.target reached", ns: 1500 * MS },
    ],
    steps: [
      { verb: "modules", outcome: "8 loaded", startNs: 201 * MS, endNs: 300 * MS },
      { verb: "device", outcome: "data is /dev/vda1", startNs: 300 * MS, endNs: 310 * MS },
      { verb: "device", outcome: "hash is /dev/vda2", startNs: 310 * MS, endNs: 315 * MS },
    ],
    memory: [],
    disks: [],
    lines: [
      { ns: 200 * MS, text: "Run /init as init process" },
      { ns: 1500 * MS, text: HOSTILE_LINE },
    ],
    reads: [
      { ns: 310 * MS, offset: 0, length: 2 * BLOCK },
      // Of init, and once more; then of the file with the hostile name.
      { ns: 600 * MS, offset: 6 * BLOCK, length: 6 * BLOCK },
      { ns: 650 * MS, offset: 6 * BLOCK, length: BLOCK },
      { ns: 800 * MS, offset: 18 * BLOCK, length: 2 * BLOCK },
    ],
    touched: undefined,
    modules: undefined,
    end: "reached",
    ...changes,
  };
}

/** What a trace has of memory and of modules, when it was made with --exact; the last name is as hostile as can be. */
export const SAMPLE_DETAILS: Pick<Trace, "memory" | "modules"> = {
  memory: [
    { ns: 10 * MS, what: "total", bytes: 512 << 20 },
    { ns: 200 * MS, what: "used", bytes: 100_000_000 },
    { ns: 700 * MS, what: "used", bytes: 125_000_000 },
  ],
  modules: [
    { ns: 250 * MS, name: "dm_mod", inFirstStage: true, initNs: MS, loadNs: 50 * MS },
    { ns: 900 * MS, name: HOSTILE_NAME, inFirstStage: false, initNs: 20 * MS, loadNs: null },
  ],
};

/** Reads of one block each all over an image, in an order that looks like none. */
export function manyReads(count: number, imageBytes: number): Trace["reads"] {
  const blocks = Math.floor(imageBytes / BLOCK);
  const prime = 7919;
  return Array.from({ length: count }, (_, index) => ({
    ns: 300 * MS + index * 1000,
    offset: ((index * prime) % blocks) * BLOCK,
    length: BLOCK,
  }));
}
