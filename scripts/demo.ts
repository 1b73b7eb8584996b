// npm run demo: splits a real initrd, boots it both ways, and shows what happened.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { describeTimeline, type Timeline } from "../src/vm/index.ts";
import { initrdFixture, kernelFixture } from "../test/support/fixtures.ts";

const LAZYRD = fileURLToPath(new URL("../dist/lazyrd.js", import.meta.url));

/** A kernel and the initrd that belongs to it. */
interface Input {
  readonly title: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly modules: string;
}

type BootReport = Timeline & { readonly end: string };

const MOST_OUTPUT_BYTES = 1 << 26;

const USAGE = `npm run demo [-- --own | --debian]
  --own     use this machine's newest kernel and initrd in /boot
  --debian  use Debian's kernel and a generic dracut initrd, made on this machine
Without either, asks when this machine has a kernel of its own, and takes Debian's otherwise.
`;

async function main(): Promise<number> {
  const [flag, ...rest] = process.argv.slice(2);
  if (rest.length > 0 || (flag !== undefined && flag !== "--own" && flag !== "--debian")) {
    process.stderr.write(USAGE);
    return flag === "--help" ? 0 : 2;
  }
  const input = await chooseInput(flag);
  if (input === undefined) {
    process.stderr.write("demo: /boot has no readable kernel with its initrd and modules; try --debian\n");
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-demo-"));
  try {
    return demonstrate(input, join(folder, "generation"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function chooseInput(flag: string | undefined): Promise<Input | undefined> {
  const own = ownInput();
  if (flag === "--own") return own;
  if (flag === "--debian" || own === undefined || !process.stdin.isTTY) return debianInput();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`This machine has ${own.title}. Use that instead of Debian's? [y/N] `);
  terminal.close();
  return /^y/i.test(answer) ? own : debianInput();
}

/** The newest kernel in /boot that has everything a build needs. */
function ownInput(): Input | undefined {
  const releases = existsSync("/boot") ? readdirSync("/boot").filter((name) => name.startsWith("vmlinuz-")) : [];
  const newestFirst = releases
    .map((name) => name.slice("vmlinuz-".length))
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  for (const release of newestFirst) {
    const modules = `/lib/modules/${release}`;
    const initrd = [`/boot/initrd.img-${release}`, `/boot/initramfs-${release}.img`].find((path) => existsSync(path));
    if (initrd === undefined || !existsSync(modules)) continue;
    return { title: `kernel ${release} with ${initrd}`, kernel: `/boot/vmlinuz-${release}`, initrd, modules };
  }
  return undefined;
}

function debianInput(): Input {
  const { release, vmlinuz, modules } = kernelFixture("6.12-amd64");
  const initrd = initrdFixture("dracut", "6.12-amd64");
  return { title: `Debian's kernel ${release} with a generic dracut initrd`, kernel: vmlinuz, initrd, modules };
}

function demonstrate(input: Input, generation: string): number {
  say(`Input: ${input.title}`);
  const { kernel, initrd, modules } = input;
  const build = ["build", "--kernel", kernel, "--initrd", initrd, "--modules", modules, "--drivers", "virtio"];
  if (!show([...build, "-o", generation])) return 1;

  say("The first stage, step by step. Times count the instructions of the guest, 10^9 a second:");
  const lazy = boot(generation, []);
  say("The same initrd, booted the classic way:");
  const classic = boot(generation, ["--classic"]);
  if (lazy.end !== "reached" || classic.end !== "reached") return 1;

  say("Side by side:");
  const sizes = { kernel: statSync(kernel).size, classic: statSync(initrd).size };
  const firstStage = statSync(join(generation, "first-stage.cpio")).size;
  process.stdout.write(
    table([
      ["", "classic", "lazyrd"],
      [
        "loaded before the kernel starts",
        megabytes(sizes.kernel + sizes.classic),
        megabytes(sizes.kernel + firstStage),
      ],
      ["  of which initrd", megabytes(sizes.classic), megabytes(firstStage)],
      ["kernel starts /init", secondsOf(classic, "first-stage"), secondsOf(lazy, "first-stage")],
      ["the initrd's own init runs", secondsOf(classic, "next-stage"), secondsOf(lazy, "next-stage")],
    ]),
  );
  const line = lazy.milestones.find(({ name }) => name === "next-stage")?.line ?? "";
  process.stdout.write(
    `\nThe first words of the initrd's own init, on the guest's console:\n  ${line.slice(0, 100)}\n`,
  );
  return 0;
}

/** Runs lazyrd as a person would, its command shown above its output. */
function show(args: readonly string[]): boolean {
  process.stdout.write(`\n$ npx lazyrd ${args.map(shortPath).join(" ")}\n`);
  const { status } = spawnSync(process.execPath, [LAZYRD, ...args], { stdio: ["ignore", "inherit", "inherit"] });
  return status === 0;
}

/** Paths below the current folder as a person would type them. */
function shortPath(argument: string): string {
  const here = `${process.cwd()}/`;
  return argument.startsWith(here) ? argument.slice(here.length) : argument;
}

/** Boots with lazyrd's own command, and shows the timeline that it reports. */
function boot(generation: string, more: readonly string[]): BootReport {
  const args = ["boot", generation, "--icount", "--quiet", ...more];
  process.stdout.write(`\n$ npx lazyrd ${args.join(" ")}\n`);
  const { stdout } = spawnSync(process.execPath, [LAZYRD, ...args, "--json"], {
    encoding: "utf8",
    maxBuffer: MOST_OUTPUT_BYTES,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const report = JSON.parse(stdout) as BootReport;
  process.stdout.write(`${describeTimeline(report)}\n`);
  return report;
}

function secondsOf({ milestones }: BootReport, name: string): string {
  const milestone = milestones.find((reached) => reached.name === name);
  return milestone === undefined ? "-" : `${milestone.seconds.toFixed(2)} s`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const cell = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  return `${rows.map((row) => `  ${row.map(cell).join("   ")}`).join("\n")}\n`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function say(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

process.exitCode = await main();
