// npm run bench: what lazyrd costs and gains, measured beside what it replaces, in one run on one machine.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { initrdFixture, kernelFixture, rootFixture } from "../test/support/fixtures.ts";
import { BOOT_PARTS, benchBoots, describeBoots } from "./boots.ts";
import { type BuildResult, benchBuilds, describeBuilds } from "./builds.ts";
import { benchProfile, describeProfile } from "./profile.ts";
import type { Input } from "./shared.ts";
import { benchTracing, describeTracing } from "./tracing.ts";

/** Where committed results lie, with the command that made them. */
const RESULTS = fileURLToPath(new URL("./results/", import.meta.url));

const MEMORY_FOLDER = "/dev/shm";

const SKIP_WAITS = "--skip-waits";
const OTHER_PARTS = ["build", "profile", "tracing"] as const;
const PARTS = [...BOOT_PARTS, ...OTHER_PARTS] as const;
type Part = (typeof PARTS)[number];

const USAGE = `npm run bench [-- [PART...] [--runs N] [--save] [OPTION...]]
  boot          guest time until the initrd's own init runs: floor, classic, lazyrd, dracut's squash (lazyrd bench)
  layouts       the same for every place where the image can live
  layouts-large how much longer that takes with a gigabyte more in the image, of which nothing is read
  compressions  the classic initrd, packed in every way that the kernel knows
  uki           started by UEFI firmware, everything in one file or split
  system        until a small Debian is up, behind an initrd or by itself
  scaling       with more and more in the initrd, up to 1 GB
  build         seconds and memory of lazyrd build, beside the tools it replaces
  profile       what a boot reads of an image with and without its profile
  tracing       how much guest times differ when they are measured again, and when the boot is traced
Without a part: boot and build. With --save, bench/results/PART.json is written, besides showing the table. --runs says
how often each is repeated, boots at most (default 5); other options go to lazyrd bench, for instance ${SKIP_WAITS}, or
--variants NAMES for some of a part's.
`;
const DEFAULT_PARTS: readonly Part[] = ["boot", "build"];

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes("--help")) {
    process.stdout.write(USAGE);
    return 0;
  }
  const named = PARTS.filter((part) => args.includes(part));
  const isSaved = args.includes("--save");
  const flags = args.filter((arg) => arg !== "--save" && !PARTS.some((part) => part === arg));
  const input: Input = {
    ...kernelFixture("6.12-amd64"),
    initrd: initrdFixture("dracut", "6.12-amd64"),
    squash: () => initrdFixture("dracut-squash", "6.12-amd64"),
    root: rootFixture,
  };
  // In memory where there is some: while the guest waits for its disk its clock follows the host's.
  const folder = mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), "lazyrd-bench-"));
  try {
    for (const part of named.length === 0 ? DEFAULT_PARTS : named) {
      const { text, results } = await measure(part, input, folder, flags);
      process.stdout.write(text);
      const command = ["npm run bench --", part, ...flags, "--save"].join(" ");
      if (isSaved) save(part, { command, results });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return 0;
}

/** @param flags of `lazyrd bench`; of these, other parts know the number of runs and whether waits are skipped */
async function measure(
  part: Part,
  input: Input,
  folder: string,
  flags: readonly string[],
): Promise<{ readonly text: string; readonly results: unknown }> {
  const runsAt = flags.indexOf("--runs");
  const runs = runsAt === -1 ? 5 : Number(flags[runsAt + 1]);
  if (part === "build") {
    const results: BuildResult[] = await benchBuilds(input, folder, runs);
    return { text: describeBuilds(results), results };
  }
  if (part === "profile") {
    const results = benchProfile(input, folder);
    return { text: describeProfile(results), results };
  }
  if (part === "tracing") {
    const results = await benchTracing(input, folder, { pairs: runs, skipsIdle: flags.includes(SKIP_WAITS) });
    return { text: describeTracing(results), results };
  }
  const results = await benchBoots(part, input, folder, flags);
  return { text: describeBoots(results), results };
}

function save(name: string, content: unknown): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(content, undefined, 2)}\n`);
}

process.exitCode = await main();
