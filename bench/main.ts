// npm run bench: what lazyrd costs and gains, measured beside what it replaces, in one run on one machine.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { initrdFixture, kernelFixture } from "../test/support/fixtures.ts";
import { type BootResult, benchBoots, describeBoots } from "./boots.ts";
import { type BuildResult, benchBuilds, describeBuilds } from "./builds.ts";

/** Where committed results lie, with the command that made them. */
const RESULTS = fileURLToPath(new URL("./results/", import.meta.url));

const MEMORY_FOLDER = "/dev/shm";

const USAGE = `npm run bench [-- [boot] [build] [--runs N] [--save]]
  boot     guest time until the initrd's own init runs: floor, classic, lazyrd (QEMU counts instructions)
  build    seconds and memory of lazyrd build, beside the tools it replaces
  --runs   how often each is repeated (default 5)
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
  const parts = args.filter((arg) => arg === "boot" || arg === "build");
  const wanted = (part: "boot" | "build"): boolean => parts.length === 0 || parts.includes(part);
  const input = { ...kernelFixture("6.12-amd64"), initrd: initrdFixture("dracut", "6.12-amd64") };
  // In memory where there is some: while the guest waits for its disk its clock follows the host's.
  const folder = mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), "lazyrd-bench-"));
  try {
    if (wanted("boot")) {
      const results: BootResult[] = await benchBoots(input, folder, runs);
      process.stdout.write(describeBoots(results));
      save(args, "boot", results);
    }
    if (wanted("build")) {
      const results: BuildResult[] = await benchBuilds(input, folder, runs);
      process.stdout.write(describeBuilds(results));
      save(args, "build", results);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return 0;
}

function save(args: readonly string[], name: string, results: unknown): void {
  if (!args.includes("--save")) return;
  mkdirSync(RESULTS, { recursive: true });
  const text = JSON.stringify({ command: `npm run bench -- ${name} --save`, results }, undefined, 2);
  writeFileSync(join(RESULTS, `${name}.json`), `${text}\n`);
}

process.exitCode = await main();
