// npm run bench:image: lazyrd beside the tools it replaces, in one run: images of one tree, a whole build, a hash tree,
// and, with --memory, the memory that a build of 2 GiB takes.
import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  BatchWork,
  BlockStore,
  type CompressionSettings,
  compressTree,
  erofsCompression,
  IMAGE_BLOCK_BYTES,
  threadCompressor,
} from "../src/build/compress/index.ts";
import { startThreads, type Workforce } from "../src/build/threads/index.ts";
import { readInitramfs, treeOfInitramfs } from "../src/formats/cpio/index.ts";
import { compressedFiles, planErofs } from "../src/formats/erofs/index.ts";
import { DEFAULT_BLOCK_SIZES, VerityHasher } from "../src/formats/verity/index.ts";
import { openSharedInput } from "../src/host/index.ts";
import type { Tree } from "../src/tree/index.ts";
import { initrdFixture, kernelFixture } from "../test/support/fixtures.ts";
import { best, type Cost, inTurns, measureCommand } from "./commands.ts";
import { writeLargeInitrd } from "./large-initrd.ts";
import { newerMkfsErofs } from "./newer-erofs.ts";
import { LAZYRD, table } from "./shared.ts";

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const KIB = 1024;
const MICROSECONDS = 1e6;
const MB = 1e6;
const RUNS = 5;
/** Each takes up to twenty seconds. */
const IMAGE_RUNS = 2;
const STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const VERITY_BYTES = 2 ** 30;
const HASH_CHUNK_BYTES = 4 << 20;
const RESULTS = fileURLToPath(new URL("./results/image.json", import.meta.url));

/** One row of a table. Bytes: of the image, or of the data that are protected. */
interface Row extends Cost {
  readonly name: string;
  readonly bytes: number;
}

const OURS: readonly CompressionSettings[] = [
  { method: "lz4", clusterBytes: 64 * KIB, inlineTails: true },
  { method: "lz4hc", clusterBytes: 64 * KIB, inlineTails: true },
  { method: "zstd", clusterBytes: 64 * KIB, inlineTails: true },
  { method: "zstd", clusterBytes: 128 * KIB, inlineTails: true },
  { method: "zstd", clusterBytes: 256 * KIB, inlineTails: true },
];

const LZ4_OPTIONS = ["-zlz4 -C65536", "-zlz4hc,9 -C65536"] as const;
/** Debian 12's mkfs.erofs has no zstd. */
const ZSTD_OPTIONS = ["-zzstd,3 -C65536", "-zzstd,3 -C131072"] as const;

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "lazyrd-bench-"));
  try {
    const results = {
      images: await benchImages(folder),
      builds: await benchBuilds(folder),
      verity: await benchVerity(folder),
      ...(args.includes("--memory") ? { memory: await benchMemory(folder) } : {}),
    };
    process.stdout.write(
      Object.entries(results)
        .map(([title, rows]) => describe(title, rows))
        .join("\n"),
    );
    if (!args.includes("--save")) return;
    const command = `npm run bench:image -- ${args.join(" ")}`;
    writeFileSync(RESULTS, `${JSON.stringify({ command, results }, undefined, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** From the tree in memory, or from files in a folder, to the image's file. */
async function benchImages(folder: string): Promise<Row[]> {
  const initrd = initrdFixture("dracut", "6.12-amd64");
  const { tree } = treeOfInitramfs(await readInitramfs(openSharedInput(initrd, "the initrd")), { includeEarly: false });
  const root = join(folder, "tree");
  mkdirSync(root);
  measureCommand(`zstd -dcq ${initrd} | (cd ${root} && cpio -idm --quiet)`);
  const output = join(folder, "image");
  const jobs = new Map<string, () => Row | Promise<Row>>();
  for (const settings of OURS) {
    const name = `lazyrd ${settings.method} ${settings.clusterBytes / KIB} KiB`;
    jobs.set(name, async () => ({ name, ...(await measureOurs(tree, settings, output)) }));
  }
  const measureTheirs = (program: string, options: string, version: string): void => {
    const name = `mkfs.erofs ${version} ${options}`;
    jobs.set(name, () => {
      rmSync(output, { force: true });
      const cost = measureCommand(`${program} --quiet ${options} ${output} ${root} >&2`);
      return { name, ...cost, bytes: statSync(output).size };
    });
  };
  for (const options of LZ4_OPTIONS) measureTheirs("mkfs.erofs", options, versionOf("mkfs.erofs"));
  const newer = newerMkfsErofs();
  if (newer !== undefined) {
    for (const options of [...LZ4_OPTIONS, ...ZSTD_OPTIONS]) measureTheirs(newer, options, versionOf(newer));
  }
  const results = await inTurns(jobs, IMAGE_RUNS);
  rmSync(root, { recursive: true });
  return [...results.values()].map(best);
}

/** As it says itself: "mkfs.erofs (erofs-utils) 1.8.6". */
function versionOf(program: string): string {
  const { stdout, stderr } = spawnSync("sh", ["-c", `${program} --version`], { encoding: "utf8" });
  return /[0-9]+\.[0-9.]+/.exec(stdout + stderr)?.[0] ?? "?";
}

/** The threads' start counts. */
async function measureOurs(
  tree: Tree,
  settings: CompressionSettings,
  output: string,
): Promise<Cost & { bytes: number }> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  const threads = startThreads();
  const files = await compressTree(tree, new BatchWork(threadCompressor(threads, settings), new BlockStore()));
  const compression = erofsCompression(settings);
  const planFile = compressedFiles(files, { algorithm: compression.algorithm, blockBytes: IMAGE_BLOCK_BYTES });
  const plan = planErofs(tree, { uuid: UUID, planFile, compression });
  const file = openSync(output, "w");
  plan.emit({ write: (bytes) => void writeSync(file, bytes) });
  closeSync(file);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await threads.close();
  return { seconds, cpuSeconds: (user + system) / MICROSECONDS, peakBytes: 0, bytes: plan.sizeBytes };
}

/** From the initrd to an image with its hashes, and what boots it. */
async function benchBuilds(folder: string): Promise<Row[]> {
  const { vmlinuz, modules } = kernelFixture("6.12-amd64");
  const initrd = initrdFixture("dracut", "6.12-amd64");
  const [tree, image, hashes, built, uki] = ["tree", "image", "hashes", "built", "uki"].map((name) =>
    join(folder, name),
  );
  const build = `${process.execPath} ${LAZYRD} build -k ${vmlinuz} -i ${initrd} -m ${modules} -d virtio -o ${built} -q >&2`;
  const objcopy = [
    ["linux", vmlinuz, "0x2000000"],
    ["initrd", `${built}-kept/first-stage.cpio`, "0x4000000"],
  ].map(([name, file, address]) => `--add-section .${name}=${file} --change-section-vma .${name}=${address}`);
  const pipeline = [
    `mkdir ${tree}`,
    `zstd -dcq ${initrd} | (cd ${tree} && cpio -idm --quiet)`,
    `mkfs.erofs --quiet -zlz4 -C65536 ${image} ${tree} >&2`,
    `veritysetup format ${image} ${hashes} >&2`,
  ].join(" && ");
  measureCommand(`${build} && cp -r ${built} ${built}-kept`);
  const measured =
    (name: string, line: string, result: string): (() => Row) =>
    () => {
      rmSync(built ?? "", { recursive: true, force: true });
      measureCommand(`rm -rf ${tree} ${image} ${hashes} ${uki}`);
      return { name, ...measureCommand(line), bytes: statSync(result).size };
    };
  const lazyrd = "lazyrd build";
  const theirs = "zstd | cpio, mkfs.erofs -zlz4, veritysetup, objcopy";
  const results = await inTurns(
    new Map([
      [lazyrd, measured(lazyrd, build, join(built ?? "", "image.raw"))],
      [theirs, measured(theirs, `${pipeline} && objcopy ${objcopy.join(" ")} ${STUB} ${uki}`, image ?? "")],
    ]),
    RUNS,
  );
  return [...results.values()].map(best);
}

async function benchVerity(folder: string): Promise<Row[]> {
  const data = join(folder, "data");
  const hashes = join(folder, "hashes");
  measureCommand(`head -c ${VERITY_BYTES} /dev/urandom >${data}`);
  const threads = startThreads();
  const salt = Buffer.alloc(32, 7);
  const ours = `lazyrd, ${threads.threads} threads`;
  const theirs = "veritysetup format";
  let rootHash = "";
  const results = await inTurns(
    new Map<string, () => Row | Promise<Row>>([
      [
        ours,
        async () => {
          const start = performance.now();
          const cpu = process.cpuUsage();
          rootHash = await hashFile(data, salt, threads);
          const { user, system } = process.cpuUsage(cpu);
          const cpuSeconds = (user + system) / MICROSECONDS;
          return {
            name: ours,
            seconds: (performance.now() - start) / 1000,
            cpuSeconds,
            peakBytes: 0,
            bytes: VERITY_BYTES,
          };
        },
      ],
      [
        theirs,
        () => {
          const line = `veritysetup format --salt ${salt.toString("hex")} ${data} ${hashes} | grep -q ${rootHash}`;
          return { name: theirs, ...measureCommand(line), bytes: VERITY_BYTES };
        },
      ],
    ]),
    RUNS,
  );
  await threads.close();
  rmSync(data);
  return [...results.values()].map(best);
}

async function hashFile(path: string, salt: Uint8Array, threads: Workforce): Promise<string> {
  const hashing = { algorithm: "sha256", salt, blockSize: IMAGE_BLOCK_BYTES } as const;
  const descriptor = openSync(path, "r");
  const offsets = Array.from({ length: VERITY_BYTES / HASH_CHUNK_BYTES }, (_, index) => index * HASH_CHUNK_BYTES);
  const digests = offsets.map((offset) =>
    threads.run("hash-blocks", { descriptor, offset, length: HASH_CHUNK_BYTES, hashing }, HASH_CHUNK_BYTES),
  );
  const hasher = new VerityHasher({ ...DEFAULT_BLOCK_SIZES, salt, uuid: UUID });
  for (const digest of await Promise.all(digests)) hasher.appendDigests(digest);
  closeSync(descriptor);
  return Buffer.from(hasher.finish().rootHash).toString("hex");
}

/** Bytes: what the initrd unpacks to. */
async function benchMemory(folder: string): Promise<Row[]> {
  const { vmlinuz, modules } = kernelFixture("6.12-amd64");
  const initrd = join(folder, "large.img");
  const output = join(folder, "large");
  const bytes = writeLargeInitrd(initrd);
  const build = `${process.execPath} ${LAZYRD} build -k ${vmlinuz} -i ${initrd} -m ${modules} -d virtio -o ${output} -q >&2`;
  return [
    { name: `lazyrd build, initrd of ${Math.round(statSync(initrd).size / MB)} MB`, ...measureCommand(build), bytes },
  ];
}

function describe(title: string, rows: readonly Row[]): string {
  const [first] = rows;
  const lines = rows.map((row) => [
    row.name,
    row.seconds.toFixed(2),
    (row.seconds / (first?.seconds ?? 1)).toFixed(2),
    row.cpuSeconds.toFixed(2),
    (row.bytes / MB).toFixed(2),
    (row.bytes / (first?.bytes ?? 1)).toFixed(3),
    row.peakBytes === 0 ? "" : (row.peakBytes / MB).toFixed(0),
  ]);
  return table([[title, "s", "of first", "CPU s", "MB", "of first", "peak MB"], ...lines]);
}

await main();
