import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Input, LAZYRD, table } from "./shared.ts";

/** One way to make an image of an initrd, measured several times. */
export interface BuildResult {
  readonly tool: string;
  readonly seconds: readonly number[];
  /** Of all its processes together, at the worst moment, in bytes. */
  readonly peakMemory: readonly number[];
  readonly imageBytes: number;
}

interface Job {
  readonly tool: string;
  /** A shell command, so that pipes are measured as one. */
  readonly command: string;
  readonly image: string;
  readonly cleanUp: readonly string[];
}

const SAMPLE_INTERVAL_MS = 5;

export async function benchBuilds(input: Input, folder: string, runs: number): Promise<BuildResult[]> {
  const jobs = prepare(input, folder);
  const results = jobs.map(({ tool }) => ({
    tool,
    seconds: [] as number[],
    peakMemory: [] as number[],
    imageBytes: 0,
  }));
  for (let run = 1; run <= runs; run++) {
    for (const [index, job] of jobs.entries()) {
      process.stderr.write(`build ${run} of ${runs}: ${job.tool}\n`);
      for (const path of job.cleanUp) rmSync(path, { recursive: true, force: true });
      const { seconds, peakMemory } = await measure(job.command);
      const result = results[index];
      if (result === undefined) continue;
      result.seconds.push(seconds);
      result.peakMemory.push(peakMemory);
      result.imageBytes = statSync(job.image).size;
    }
  }
  return results;
}

function prepare(input: Input, folder: string): Job[] {
  const tree = join(folder, "tree");
  const image = join(folder, "mkfs.erofs");
  const hashes = join(folder, "hashes");
  const output = join(folder, "built");
  mkdirSync(folder, { recursive: true });
  const files = `--kernel ${input.vmlinuz} --initrd ${input.initrd} --modules ${input.modules}`;
  const unpack = `mkdir ${tree} && zstd -dcq ${input.initrd} | (cd ${tree} && cpio -idm --quiet)`;
  const format = `mkfs.erofs --quiet ${image} ${tree} >&2 && veritysetup format ${image} ${hashes} >&2`;
  return [
    {
      tool: "lazyrd build (everything)",
      command: `exec ${process.execPath} ${LAZYRD} build ${files} --drivers virtio -o ${output} --quiet >&2`,
      image: join(output, "image.raw"),
      cleanUp: [output],
    },
    {
      tool: "zstd | cpio, mkfs.erofs, veritysetup",
      command: `${unpack} && ${format}`,
      image,
      cleanUp: [tree, image, hashes],
    },
  ];
}

/** Runs a command in a process group of its own and watches the memory of the whole group. */
async function measure(command: string): Promise<{ seconds: number; peakMemory: number }> {
  const start = process.hrtime.bigint();
  const child = spawn("bash", ["-o", "pipefail", "-c", command], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let messages = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    messages += text;
  });
  let peakMemory = 0;
  const timer = setInterval(() => {
    peakMemory = Math.max(peakMemory, memoryOfGroup(child.pid ?? 0));
  }, SAMPLE_INTERVAL_MS);
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearInterval(timer);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (status !== 0) throw new Error(`${command} exited with ${status}: ${messages}`);
  return { seconds, peakMemory };
}

const KIBIBYTE = 1024;

/** Resident memory of a process group, in bytes. A process that ends while it is looked at counts as nothing. */
function memoryOfGroup(group: number): number {
  let total = 0;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const fields = readIfThere(`/proc/${name}/stat`)
      ?.replace(/^.*\) /s, "")
      .split(" ");
    if (Number(fields?.[2]) !== group) continue;
    const resident = /VmRSS:\s+(\d+) kB/.exec(readIfThere(`/proc/${name}/status`) ?? "")?.[1];
    total += Number(resident ?? 0) * KIBIBYTE;
  }
  return total;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return undefined;
    throw cause;
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

export function describeBuilds(results: readonly BuildResult[]): string {
  const rows = results.map((result) => [
    result.tool,
    median(result.seconds).toFixed(2),
    `${Math.min(...result.seconds).toFixed(2)} to ${Math.max(...result.seconds).toFixed(2)}`,
    (Math.max(...result.peakMemory) / 1e6).toFixed(0),
    (result.imageBytes / 1e6).toFixed(1),
  ]);
  return `\nBuild of the same input\n${table([["tool", "median s", "range s", "peak MB", "image MB"], ...rows])}`;
}
