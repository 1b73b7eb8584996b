// npm run bench: what lazyrd costs and gains, measured beside what it replaces, in one run on one machine.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { initrdFixture, kernelFixture } from "../test/support/fixtures.ts";
import { benchBoots, benchScaling, describeBoots } from "./boots.ts";
import { type BuildResult, benchBuilds, describeBuilds } from "./builds.ts";
import { benchProfile, describeProfile } from "./profile.ts";
import { benchTracing, describeTracing } from "./tracing.ts";

/** Where committed results lie, with the command that made them. */
const RESULTS = fileURLToPath(new URL("./results/", import.meta.url));

const MEMORY_FOLDER = "/dev/shm";

const PARTS = ["boot", "scaling", "build", "profile", "tracing"] as const;

/** Of `lazyrd bench`: QEMU's sleep=off. */
const SKIP_WAITS = "--skip-waits";

const USAGE = `npm run bench [-- [boot] [scaling] [build] [profile] [tracing] [--runs N] [${SKIP_WAITS}] [--save]]
  boot     guest time until the initrd's own init runs: floor, classic, lazyrd (lazyrd bench)
  scaling  the same with more and more in the initrd
  build    seconds and memory of lazyrd build, beside the tools it replaces
  profile  what a boot reads of an image with and without its profile
  tracing  how much guest times differ when they are measured again, and when the boot is traced
  --runs   how often each is repeated, boots at most (default 5)
  ${SKIP_WAITS}  for boots, as of lazyrd bench (QEMU's sleep=off)
  --save   write bench/results/*.json, besides showing the table
`;

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes("--help")) {
    process.stdout.write(USAGE);
    return 0;
  }
  const runsAt = args.indexOf("--runs");
  const runs = runsAt === -1 ? 5 : Number(args[runsAt + 1]);
  const bootFlags = ["--runs", String(runs), ...args.filter((arg) => arg === SKIP_WAITS)];
  const parts = PARTS.filter((part) => args.includes(part));
  const wanted = (part: (typeof PARTS)[number]): boolean => parts.length === 0 || parts.includes(part);
  const input = { ...kernelFixture("6.12-amd64"), initrd: initrdFixture("dracut", "6.12-amd64") };
  // In memory where there is some: while the guest waits for its disk its clock follows the host's.
  const folder = mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), "lazyrd-bench-"));
  try {
    if (wanted("boot")) {
      const results = benchBoots(input, folder, bootFlags);
      process.stdout.write(describeBoots(results));
      save(args, "boot", withCommand("boot", args, results));
    }
    if (wanted("scaling")) {
      const { points, ...results } = benchScaling(input, folder, bootFlags);
      process.stdout.write(describeBoots(results));
      // As `lazyrd report --scaling` takes it.
      save(args, "scaling", points);
    }
    if (wanted("build")) {
      const results: BuildResult[] = await benchBuilds(input, folder, runs);
      process.stdout.write(describeBuilds(results));
      save(args, "build", withCommand("build", args, results));
    }
    if (wanted("profile")) {
      const results = benchProfile(input, folder);
      process.stdout.write(describeProfile(results));
      save(args, "profile", withCommand("profile", args, results));
    }
    if (wanted("tracing")) {
      const results = await benchTracing(input, folder, { pairs: runs, skipsIdle: args.includes(SKIP_WAITS) });
      process.stdout.write(describeTracing(results));
      save(args, "tracing", withCommand("tracing", args, results));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return 0;
}

function withCommand(name: string, args: readonly string[], results: unknown): object {
  const flags = args.filter((arg) => arg === SKIP_WAITS).map((flag) => `${flag} `);
  return { command: `npm run bench -- ${name} ${flags.join("")}--save`, results };
}

function save(args: readonly string[], name: string, content: unknown): void {
  if (!args.includes("--save")) return;
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(content, undefined, 2)}\n`);
}

process.exitCode = await main();
