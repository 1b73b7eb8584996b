// npm run bench:image: size and cost of images of one tree, lazyrd's beside those of mkfs.erofs, in one run.
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CompressionSettings,
  compressTree,
  erofsCompression,
  IMAGE_BLOCK_BYTES,
  workerCompressor,
} from "../src/build/compress/index.ts";
import { readInitramfs, treeOfInitramfs } from "../src/formats/cpio/index.ts";
import { compressedFiles, planErofs } from "../src/formats/erofs/index.ts";
import { packageFile } from "../src/host/index.ts";
import type { Tree } from "../src/tree/index.ts";
import { initrdFixture } from "../test/support/fixtures.ts";
import { table } from "./shared.ts";

const UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const KIB = 1024;
const THREADS = 2;
const MICROSECONDS = 1e6;
const MB = 1e6;

/** What one way to make an image took. */
interface Cost {
  readonly name: string;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly bytes: number;
}

const OURS: readonly CompressionSettings[] = [
  { method: "lz4", clusterBytes: 64 * KIB, inlineTails: true },
  { method: "lz4hc", clusterBytes: 64 * KIB, inlineTails: true },
  { method: "zstd", clusterBytes: 64 * KIB, inlineTails: true },
  { method: "zstd", clusterBytes: 128 * KIB, inlineTails: true },
  { method: "zstd", clusterBytes: 256 * KIB, inlineTails: true },
];

/** Of mkfs.erofs; Debian 12's has no zstd. */
const THEIRS = [
  ["-zlz4", "-C65536"],
  ["-zlz4hc,9", "-C65536"],
] as const;

async function main(): Promise<void> {
  const initrd = initrdFixture("dracut", "6.12-amd64");
  const { tree } = treeOfInitramfs(await readInitramfs(readFileSync(initrd)), { includeEarly: false });
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-bench-"));
  try {
    const costs: Cost[] = [];
    for (const settings of OURS) costs.push(await measureOurs(tree, settings, join(folder, "ours")));
    const root = join(folder, "tree");
    mkdirSync(root);
    run("sh", ["-c", `zstd -dcq ${initrd} | (cd ${root} && cpio -idm --quiet)`]);
    for (const args of THEIRS) costs.push(measureTheirs(args, join(folder, "theirs"), root));
    const rows = costs.map(({ name, seconds, cpuSeconds, bytes }) => [
      name,
      seconds.toFixed(2),
      cpuSeconds.toFixed(2),
      (bytes / MB).toFixed(2),
    ]);
    process.stdout.write(table([["image", "s", "CPU s", "MB"], ...rows]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** From the tree in memory to the image's file; the threads' start counts. */
async function measureOurs(tree: Tree, settings: CompressionSettings, output: string): Promise<Cost> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  const lz4Wasm = readFileSync(packageFile("dist/codec/lz4.wasm"));
  const compressor = workerCompressor(packageFile("dist/compress-worker.js"), { settings, lz4Wasm }, THREADS);
  const files = await compressTree(tree, compressor);
  const compression = erofsCompression(settings);
  const planFile = compressedFiles(files, { algorithm: compression.algorithm, blockBytes: IMAGE_BLOCK_BYTES });
  const plan = planErofs(tree, { uuid: UUID, planFile, compression });
  const file = openSync(output, "w");
  plan.emit({ write: (bytes) => void writeSync(file, bytes) });
  closeSync(file);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await compressor.close();
  const name = `lazyrd ${settings.method} ${settings.clusterBytes / KIB} KiB`;
  return { name, seconds, cpuSeconds: (user + system) / MICROSECONDS, bytes: plan.sizeBytes };
}

/** From files in a folder. */
function measureTheirs(args: readonly string[], output: string, root: string): Cost {
  const start = performance.now();
  const text = run("bash", ["-c", `TIMEFORMAT="%U %S"; time mkfs.erofs --quiet ${args.join(" ")} ${output} ${root}`]);
  const [user = 0, system = 0] = (/^(\S+) (\S+)$/m.exec(text)?.slice(1) ?? []).map(Number);
  const seconds = (performance.now() - start) / 1000;
  return { name: `mkfs.erofs ${args.join(" ")}`, seconds, cpuSeconds: user + system, bytes: statSync(output).size };
}

/** Standard error, which has what `time` says. */
function run(program: string, args: readonly string[]): string {
  const { status, stderr } = spawnSync(program, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} exited with ${status}: ${stderr}`);
  return stderr;
}

await main();
