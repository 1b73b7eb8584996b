import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeFirstStage, firstStageTree } from "../src/build/index.ts";
import { type Machine, readTimeline, runMachine, showsMilestone } from "../src/vm/index.ts";
import { type Input, lazyrd, table } from "./shared.ts";

/** One way to boot, measured several times. Times in seconds since the kernel started. */
export interface BootResult {
  readonly variant: string;
  /** Bytes of initrd that the loader reads. */
  readonly initrdBytes: number;
  readonly startsInit: readonly number[];
  /** From the first stage's first line to its exec. */
  readonly firstStage: readonly number[];
  readonly nextStage: readonly number[];
}

interface Variant {
  readonly name: string;
  readonly initrd: string;
  readonly image: string;
  readonly until: "first-stage" | "next-stage";
}

const MEMORY_MIB = 2048;
const TIMEOUT_SECONDS = 600;

/** Boots every variant `runs` times, in turns, so that a busy moment of this machine does not hit only one. */
export async function benchBoots(input: Input, folder: string, runs: number): Promise<BootResult[]> {
  const variants = await prepare(input, folder);
  const results = variants.map((variant) => ({
    variant: variant.name,
    initrdBytes: statSync(variant.initrd).size,
    startsInit: [] as number[],
    firstStage: [] as number[],
    nextStage: [] as number[],
  }));
  for (let run = 1; run <= runs; run++) {
    for (const [index, variant] of variants.entries()) {
      process.stderr.write(`boot ${run} of ${runs}: ${variant.name}\n`);
      const { milestones, steps } = await boot(input, variant);
      const at = (name: string): number | undefined => milestones.find((reached) => reached.name === name)?.seconds;
      const result = results[index];
      push(result?.startsInit, at("first-stage"));
      push(result?.firstStage, steps.length === 0 ? undefined : difference(at("switch"), at("first-stage")));
      push(result?.nextStage, at("next-stage"));
    }
  }
  return results;
}

async function prepare(input: Input, folder: string): Promise<Variant[]> {
  const generation = (name: string, config: string): string => {
    const settings = join(folder, `${name}.toml`);
    writeFileSync(settings, config);
    const output = join(folder, name);
    const files = ["--kernel", input.vmlinuz, "--initrd", input.initrd, "--modules", input.modules];
    lazyrd(["build", ...files, "--drivers", "virtio", "--config", settings, "-o", output, "--quiet"]);
    return output;
  };
  const variant = (name: string, config: string): Variant => {
    const built = generation(name.replaceAll(/\W+/g, "-"), config);
    return { name, initrd: join(built, "first-stage.cpio"), image: join(built, "image.raw"), until: "next-stage" };
  };
  const kept = variant("lazyrd, signatures kept", "");
  const { image } = kept;
  return [
    { name: "floor: a trivial /init", initrd: await trivialInitrd(folder), image, until: "first-stage" },
    { name: "classic", initrd: copyOf(input.initrd, folder), image, until: "next-stage" },
    kept,
    variant("lazyrd, signatures stripped", '[modules]\nsignatures = "strip"\n'),
    variant("lazyrd, kept, image not compressed", '[image]\ncompression = "none"\n'),
    variant("lazyrd, stripped, not compressed", '[modules]\nsignatures = "strip"\n[image]\ncompression = "none"\n'),
  ];
}

/** An initrd with a program that has nothing to do: how long a kernel takes by itself. */
async function trivialInitrd(folder: string): Promise<string> {
  const program = readFileSync(new URL("../dist/first-stage/init-x86_64", import.meta.url));
  const plan = { steps: [], drivers: [], modules: [] };
  const initrd = await encodeFirstStage(
    firstStageTree(program, plan, []),
    { early: new Uint8Array(), bootconfig: undefined },
    "zstd",
  );
  const path = join(folder, "trivial.cpio");
  writeFileSync(path, initrd);
  return path;
}

function copyOf(path: string, folder: string): string {
  const copy = join(folder, "classic.img");
  copyFileSync(path, copy);
  return copy;
}

async function boot(input: Input, { initrd, image, until }: Variant) {
  const machine: Machine = {
    kernel: input.vmlinuz,
    initrd,
    commandLine: "console=ttyS0 loglevel=7",
    disks: [{ path: image, bus: "virtio-blk", readOnly: true }],
    memoryMib: MEMORY_MIB,
    cpus: 1,
    cpuModel: "max",
    countInstructions: true,
    serialFiles: [],
  };
  const record = await runMachine(machine, {
    until: (line) => showsMilestone(line, until),
    timeoutSeconds: TIMEOUT_SECONDS,
  });
  if (record.end !== "reached") throw new Error(`The boot ended with ${record.end}: ${record.lines.at(-1)?.text}`);
  return readTimeline(record.lines);
}

/**
 * The smallest of the repetitions: instructions are always the same, but while the guest waits for its disk the clock
 * follows the host, which can only add to it.
 */
function best(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.min(...values);
}

export function describeBoots(results: readonly BootResult[]): string {
  const classic = best(results.find(({ variant }) => variant === "classic")?.nextStage ?? []);
  const rows = results.map((result) => {
    const next = best(result.nextStage);
    const ratio = next === undefined || classic === undefined ? "" : (next / classic).toFixed(3);
    const spread = next === undefined ? "" : `+${((Math.max(...result.nextStage) - next) * 1000).toFixed(0)}`;
    const first = best(result.firstStage);
    return [
      result.variant,
      (result.initrdBytes / 1e6).toFixed(2),
      seconds(best(result.startsInit)),
      first === undefined ? "" : (first * 1000).toFixed(0),
      seconds(next),
      spread,
      ratio,
    ];
  });
  const head = ["variant", "initrd MB", "/init s", "first stage ms", "next init s", "spread ms", "of classic"];
  return `\nGuest time, 1 ns an instruction; the best of the repetitions\n${table([head, ...rows])}`;
}

function seconds(value: number | undefined): string {
  return value === undefined ? "" : value.toFixed(3);
}

function difference(later: number | undefined, earlier: number | undefined): number | undefined {
  return later === undefined || earlier === undefined ? undefined : later - earlier;
}

function push(list: number[] | undefined, value: number | undefined): void {
  if (value !== undefined) list?.push(value);
}
