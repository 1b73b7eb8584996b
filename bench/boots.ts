import { execFileSync } from "node:child_process";
import { describeMeasurements, type Measurement, type Omission } from "../src/measure/index.ts";
import { type Input, LAZYRD } from "./shared.ts";

/** What `lazyrd bench --json` prints. */
export interface BootResults {
  readonly machine: object;
  readonly until: string;
  readonly measurements: readonly Measurement[];
  readonly omissions: readonly Omission[];
}

/** A part of the measurements: what is booted, and how far. */
interface BootPart {
  readonly variants: string;
  readonly flags?: (input: Input) => readonly string[];
}

const SCALED_BYTES = "25M,100M,250M,500M,1000M";
/** Kernel, archive and what is unpacked from it are in memory together, and a rootfs takes at most half of it. */
const SCALED_MEMORY_MIB = "4096";

/** Parts that boot, each with a file of results. */
const PARTS = {
  boot: {
    variants:
      "floor,classic,classic-none,lazy-none,lazy-lz4,lazy-lz4hc,lazy-zstd,lazy-none-strip,lazy-lz4-strip,lazy-lz4hc-strip,lazy-zstd-strip,lazy-lz4-strip-profile,memory-lz4",
    flags: ({ squash }) => ["--beside", `squash=${squash()}`],
  },
  compressions: {
    variants: "classic-none,classic-gzip,classic-bzip2,classic-lzma,classic-xz,classic-lzo,classic-lz4,classic-zstd",
  },
  uki: { variants: "uki-classic,uki-lazy-lz4,uki-lazy-lz4-strip" },
  system: {
    variants: "classic,classic-none,lazy-lz4,lazy-lz4-strip,lazy-lz4-strip-profile",
    flags: ({ squash, root }) => ["--until", "switch-root", "--root", root(), "--beside", `squash=${squash()}`],
  },
  scaling: {
    variants: "classic,lazy-lz4-strip",
    flags: () => ["--scaling", SCALED_BYTES, "--memory", SCALED_MEMORY_MIB],
  },
} as const satisfies Record<string, BootPart>;

export type BootPartName = keyof typeof PARTS;
export const BOOT_PARTS = Object.keys(PARTS) as BootPartName[];

/** @param flags more options of `lazyrd bench` */
export function benchBoots(name: BootPartName, input: Input, folder: string, flags: readonly string[]): BootResults {
  const part: BootPart = PARTS[name];
  return lazyrdBench(input, folder, ["--variants", part.variants, ...(part.flags?.(input) ?? []), ...flags]);
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

export function describeBoots({ measurements, omissions }: BootResults): string {
  return `\nGuest time in seconds, 1 ns an instruction\n${describeMeasurements(measurements, omissions)}\n`;
}
