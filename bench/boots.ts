import { spawn } from "node:child_process";
import { once } from "node:events";
import { describeMeasurements, type Measurement, type Omission } from "../src/measure/index.ts";
import { type Input, LAZYRD } from "./shared.ts";

/** What `lazyrd bench --json` prints. */
export interface BootResults {
  readonly machine: object;
  readonly until: string;
  readonly measurements: readonly Measurement[];
  readonly omissions: readonly Omission[];
}

/** What is booted, and how far. */
interface BootSet {
  readonly variants: string;
  readonly flags?: (input: Input) => readonly string[];
  /** Instead of as many as are asked for. */
  readonly runs?: number;
}

/**
 * A part of the measurements: sets of boots, one after the other. Those in one list go on at the same time, which changes
 * nothing for boots that wait for no disk: their time counts instructions and nothing else.
 */
type BootPart = readonly (readonly BootSet[])[];

/** Layouts that read of their image what is used, with the same settings for all. */
const ON_DISK = ["lazy", "boot", "esp", "usr-file", "pmem", "system", "usr"].map((layout) => `${layout}-lz4-strip`);
const ALL_LOADED = ["memory-lz4-strip", "network-lz4-strip"];
/** With the kernel's checks of module signatures, which not every layout has as many of. */
const SIGNED = [...ON_DISK, ...ALL_LOADED].map((name) => name.replace("-strip", ""));

/** What is added to an initrd, and what of it takes so long the classic way that it is booted once. */
const [SMALL_ADDITIONS, LARGE_ADDITIONS] = ["25M,100M,250M", "500M,1000M"];
/** Kernel, archive and what is unpacked from it are in memory together, and a rootfs takes at most half of it. */
const SCALED_MEMORY_MIB = "4096";

const adding = (sizes: string) => () => ["--scaling", sizes, "--memory", SCALED_MEMORY_MIB];
const withSquash = ({ squash }: Input): string[] => ["--beside", `squash=${squash()}`];

/** Parts that boot, each with a file of results. */
const PARTS = {
  boot: [
    [
      {
        variants:
          "floor,classic,classic-none,lazy-none,lazy-lz4,lazy-lz4hc,lazy-zstd,lazy-none-strip,lazy-lz4-strip,lazy-lz4hc-strip,lazy-zstd-strip,lazy-lz4-strip-profile,memory-lz4",
        flags: withSquash,
      },
    ],
  ],
  layouts: [
    [{ variants: ["floor", "classic", "classic-none", ...ON_DISK, ...ALL_LOADED, "pmem-dax-strip", ...SIGNED].join() }],
  ],
  "layouts-large": [[{ variants: ON_DISK.join(), flags: adding("1000M") }]],
  compressions: [
    [
      {
        variants:
          "classic-none,classic-gzip,classic-bzip2,classic-lzma,classic-xz,classic-lzo,classic-lz4,classic-zstd",
      },
    ],
  ],
  uki: [[{ variants: "uki-classic,uki-lazy-lz4,uki-lazy-lz4-strip" }]],
  system: [
    [
      {
        variants: "classic,lazy-lz4,lazy-lz4-strip,system-lz4,system-lz4-strip,usr-lz4-strip",
        flags: ({ root }) => ["--until", "multi-user", "--root", root()],
      },
    ],
  ],
  scaling: [
    [{ variants: "lazy-lz4-strip", flags: adding(`${SMALL_ADDITIONS},${LARGE_ADDITIONS}`) }],
    [
      { variants: "classic", flags: adding(SMALL_ADDITIONS) },
      { variants: "classic", flags: adding(LARGE_ADDITIONS), runs: 1 },
    ],
  ],
} as const satisfies Record<string, BootPart>;

export type BootPartName = keyof typeof PARTS;
export const BOOT_PARTS = Object.keys(PARTS) as BootPartName[];

/** @param flags more options of `lazyrd bench` */
export async function benchBoots(
  name: BootPartName,
  input: Input,
  folder: string,
  flags: readonly string[],
): Promise<BootResults> {
  const part: BootPart = PARTS[name];
  const results: BootResults[] = [];
  for (const sets of part) {
    results.push(...(await Promise.all(sets.map((set) => benchSet(set, input, folder, flags)))));
  }
  return joined(results);
}

function benchSet({ variants, flags, runs }: BootSet, input: Input, folder: string, more: readonly string[]) {
  const own = ["--variants", variants, ...(flags?.(input) ?? [])];
  return lazyrdBench(input, folder, [...own, ...more, ...(runs === undefined ? [] : ["--runs", String(runs)])]);
}

/** Each measurement once: every set begins with an initrd that nothing was added to. */
function joined(results: readonly BootResults[]): BootResults {
  const [first, ...others] = results;
  if (first === undefined) throw new RangeError("Nothing was measured");
  const measurements = [...first.measurements];
  for (const measured of others.flatMap((other) => other.measurements)) {
    const isSame = ({ variant, addedBytes }: Measurement) =>
      variant === measured.variant && addedBytes === measured.addedBytes;
    if (!measurements.some(isSame)) measurements.push(measured);
  }
  return { ...first, measurements, omissions: results.flatMap(({ omissions }) => omissions) };
}

async function lazyrdBench(
  { vmlinuz, initrd, modules }: Input,
  folder: string,
  flags: readonly string[],
): Promise<BootResults> {
  const inputs = ["--kernel", vmlinuz, "--initrd", initrd, "--modules", modules];
  const lazyrd = spawn(process.execPath, [LAZYRD, "bench", ...inputs, ...flags, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: folder },
  });
  let printed = "";
  lazyrd.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const [status] = await once(lazyrd, "close");
  // 3: one of them did not come up, which the results say.
  if (status !== 0 && status !== 3) throw new Error(`lazyrd bench ended with ${status}`);
  return JSON.parse(printed);
}

export function describeBoots({ measurements, omissions }: BootResults): string {
  return `\nGuest time in seconds, 1 ns an instruction\n${describeMeasurements(measurements, omissions)}\n`;
}
