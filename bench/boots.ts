import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describeMeasurements, type Measurement, type ScalingPoint } from "../src/measure/index.ts";
import { type Input, LAZYRD } from "./shared.ts";

/** What `lazyrd bench --json` prints. */
export interface BootResults {
  readonly machine: object;
  readonly until: string;
  readonly measurements: readonly Measurement[];
}

/** How boots grow with what is in the initrd. */
export interface ScalingResults extends BootResults {
  readonly points: readonly ScalingPoint[];
}

const VARIANTS = "floor,classic,classic-none,lazy-lz4,lazy-lz4-strip,lazy-none,lazy-none-strip";
const SCALED_VARIANTS = "classic,lazy-lz4-strip";
const ADDED_CONTENT = "25M,200M";

/** @param flags more options of `lazyrd bench` */
export function benchBoots(input: Input, folder: string, flags: readonly string[]): BootResults {
  return lazyrdBench(input, folder, ["--variants", VARIANTS, ...flags]);
}

export function benchScaling(input: Input, folder: string, flags: readonly string[]): ScalingResults {
  const path = join(folder, "points.json");
  const scaling = ["--variants", SCALED_VARIANTS, "--scaling", ADDED_CONTENT, "--points", path];
  const results = lazyrdBench(input, folder, [...scaling, ...flags]);
  return { ...results, points: JSON.parse(readFileSync(path, "utf8")) };
}

function lazyrdBench({ vmlinuz, initrd, modules }: Input, folder: string, flags: readonly string[]): BootResults {
  const inputs = ["--kernel", vmlinuz, "--initrd", initrd, "--modules", modules];
  const printed = execFileSync(process.execPath, [LAZYRD, "bench", ...inputs, ...flags, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
    env: { ...process.env, TMPDIR: folder },
  });
  return JSON.parse(printed);
}

export function describeBoots({ measurements }: BootResults): string {
  return `\nGuest time in seconds, 1 ns an instruction\n${describeMeasurements(measurements)}\n`;
}
