import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Measurement } from "../../src/measure/index.ts";
import { type SampleInputs, writeSampleInputs } from "../support/build-inputs.ts";
import { type CliResult, lazyrd, lazyrdProgram } from "../support/cli.ts";
import { type FakeQemu, fakeQemu } from "../support/fake-qemu.ts";
import { type MachineEvent, scriptOf } from "../support/qemu-log.ts";
import { tempFolder } from "../support/temp.ts";

const PAUSE_MS = 20;

const BOOT: readonly MachineEvent[] = [
  { line: "[    0.000000] Linux version 6.12.9" },
  { line: "[    0.500000] Freeing initrd memory: 100K" },
  { line: "[    1.000000] Run /init as init process" },
  { read: [20_480, 8192] },
  { line: "[    2.000000] systemd[1]: systemd 252 running in system mode" },
];

interface Benched {
  readonly result: CliResult;
  readonly qemu: FakeQemu;
}

/** What layouts need of a kernel besides what all images need. */
const LAYOUT_MODULES = ["drivers/block/loop.ko", "fs/fat/vfat.ko", "fs/nls/nls_cp437.ko", "drivers/nvdimm/nd_pmem.ko"]
  .map((path) => `kernel/${path}\n`)
  .join("");

/** Variants of made-up inputs in a machine that does always the same, or stops short. */
async function bench(
  flags: readonly string[],
  events: readonly MachineEvent[] = BOOT,
  prepare: (inputs: SampleInputs) => void = () => undefined,
): Promise<Benched> {
  const sample = await writeSampleInputs(tempFolder());
  prepare(sample);
  const { kernel, initrd, modules } = sample;
  const qemu = fakeQemu(scriptOf(events, { ends: true }));
  const temporary = tempFolder();
  const inputs = ["-k", kernel, "-i", initrd, "-m", modules];
  const result = lazyrd(["bench", ...inputs, ...flags], { env: { TMPDIR: temporary } });
  expect(readdirSync(temporary)).toEqual([]);
  return { result, qemu };
}

/** A folder with what the fake QEMU needs, and nothing else. */
function onlyShell(): string {
  const folder = tempFolder();
  for (const name of ["cat", "sh", "sleep"]) symlinkSync(`/bin/${name}`, join(folder, name));
  return folder;
}

const measurementsOf = ({ stdout }: CliResult): Measurement[] => JSON.parse(stdout).measurements;

describe("lazyrd bench", () => {
  test("boots each variant until its times are stable, and shows a table", async () => {
    const { result, qemu } = await bench([]);
    expect(result.status).toBe(0);
    const rows = result.stdout.split("\n").slice(2, -1);
    expect(rows.map((row) => row.trim().split(/ +/)[0])).toEqual(["floor", "classic", "lazy-lz4"]);
    expect(rows[2]).toMatch(/ 1\.000 +2\.000 +\+0 ms +8\.2 kB +1 +2$/);
    expect(result.stderr).toContain("lazy-lz4: boot 2 of at most 5\n");
    expect(result.stderr).not.toContain("boot 3");
    expect(qemu.args().join(" ")).toContain("-icount shift=0,sleep=on");
  });

  test("--json tells all of it, --quiet nothing besides", async () => {
    const { result } = await bench(["--json", "-q", "--variants", "classic-none,lazy-none-strip", "--runs", "1"]);
    expect([result.status, result.stderr]).toEqual([0, ""]);
    const [classic, lazy] = measurementsOf(result);
    expect(classic).toMatchObject({ variant: "classic-none", imageBytes: 0, runs: 1, initrdMemoryBytes: 102_400 });
    // What is read of its disk is not read of an image.
    expect([classic?.reads.requests, lazy?.reads.requests]).toEqual([0, 1]);
    expect(classic?.loadedBytes).toBeGreaterThan(classic?.contentBytes ?? 0);
    expect(lazy).toMatchObject({ variant: "lazy-none-strip", contentBytes: classic?.contentBytes, failure: null });
    expect(lazy?.milestones.map(({ name, ns }) => [name, ns])).toEqual([
      ["kernel", 0],
      ["first-stage", 1e9],
      ["next-stage", 2e9],
    ]);
  });

  test("--scaling adds content, --points is what a report takes", async () => {
    const points = join(tempFolder(), "points.json");
    const scaling = ["--scaling", "100k,2M", "--points", points];
    const { result } = await bench(["--json", "-q", "--runs", "1", "--variants", "floor,classic", ...scaling]);
    const sizes = measurementsOf(result).map(({ variant, addedBytes }) => [variant, addedBytes]);
    expect(sizes).toEqual([
      ["floor", 0],
      ["classic", 0],
      ["classic", 100_000],
      ["classic", 2_000_000],
    ]);
    const written = JSON.parse(readFileSync(points, "utf8"));
    expect(written.map(({ contentBytes }: Measurement) => (contentBytes ?? 0) - written[0].contentBytes)).toEqual([
      0, 100_000, 2_000_000,
    ]);
  });

  test("measures another initrd beside, and leaves out what cannot be made, with the reason", async () => {
    const { kernel, initrd, modules } = await writeSampleInputs(tempFolder());
    fakeQemu(scriptOf(BOOT, { ends: true }));
    // Only QEMU and Node are found: no program that packs.
    const path = `${process.env["PATH"]?.split(delimiter)[0]}${delimiter}${onlyShell()}`;
    const args = [
      "-q",
      "--json",
      "--runs",
      "1",
      "--variants",
      "classic-none,classic-lzo",
      "--beside",
      `mine=${initrd}`,
    ];
    const { status, stdout } = spawnSync(
      process.execPath,
      [lazyrdProgram(), "bench", "-k", kernel, "-i", initrd, "-m", modules, ...args],
      {
        encoding: "utf8",
        env: { ...process.env, PATH: path },
      },
    );
    const { measurements, omissions } = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(measurements.map(({ variant }: Measurement) => variant)).toEqual(["classic-none", "mine"]);
    expect(omissions).toEqual([{ variant: "classic-lzo", reason: expect.stringContaining("there is no lzop") }]);
  });

  test("attaches a root file system, and names it to the kernel", async () => {
    const root = join(tempFolder(), "root.raw");
    writeFileSync(root, Buffer.alloc(1 << 20, 1));
    const { result, qemu } = await bench(["-q", "--runs", "1", "--variants", "lazy-none", "--root", root]);
    expect(result.status).toBe(0);
    expect(qemu.args().join(" ")).toMatch(/root=PARTUUID=[0-9a-f-]{36} rw .*id=disk1,.*snapshot=on/);
  });

  test("boots an operating system instead of the initrd, and tells what it never comes to", async () => {
    const wanted = ["--variants", "lazy-none,system-none", "--json", "-q", "--runs", "1"];
    const { result, qemu } = await bench(wanted);
    const [lazy, system] = measurementsOf(result);
    expect(system).toMatchObject({ variant: "system-none", failure: null });
    // All but what tells systemd that it is an initrd.
    expect((lazy?.contentBytes ?? 0) - (system?.contentBytes ?? 0)).toBe("ID=test\n".length);
    expect(qemu.args().join(" ")).not.toContain("root=");
    const omissionsWith = async (...more: string[]) => {
      return JSON.parse((await bench([...wanted, ...more])).result.stdout).omissions;
    };
    const root = join(tempFolder(), "root.ext4");
    writeFileSync(root, Buffer.alloc(1 << 20, 1));
    const noTree = { variant: "system-none", reason: expect.stringContaining(`the system in ${root}`) };
    expect(await omissionsWith("--root", root)).toEqual([noTree]);
    const omissions = await omissionsWith("--until", "switch-root");
    expect(omissions).toEqual([{ variant: "system-none", reason: expect.stringContaining("until switch-root") }]);
  });

  test("measures generations as they are", async () => {
    const folder = tempFolder();
    const { kernel, initrd, modules } = await writeSampleInputs(folder);
    const built = join(folder, "mine");
    expect(lazyrd(["build", "-q", "-k", kernel, "-i", initrd, "-m", modules, "-o", built]).status).toBe(0);
    fakeQemu(scriptOf(BOOT, { ends: true }));
    const result = lazyrd(["bench", built, "--json", "-q"]);
    expect(measurementsOf(result)).toMatchObject([{ variant: "mine", contentBytes: null, runs: 2 }]);
  });

  test("says what did not come up, and exits with 3", async () => {
    const panic = { line: "[    1.500000] Kernel panic - not syncing: no init" };
    const { result } = await bench(["-q", "--variants", "classic"], [...BOOT.slice(0, 3), panic]);
    expect(result.status).toBe(3);
    expect(result.stdout).toContain("classic did not come up: the machine stopped, [    1.500000] Kernel panic");
  });

  test("does not wait for a kernel that stands still", async () => {
    const lastWords = { line: "[    1.5] ---[ end Kernel panic - not syncing: VFS ]---" };
    const stays = { line: "[    2.000000] systemd[1]: systemd 252 running in system mode" };
    const { result } = await bench(["-q", "--variants", "classic"], [...BOOT.slice(0, 3), lastWords, stays]);
    expect(result.status).toBe(3);
    expect(result.stdout).toContain("classic did not come up: the machine stopped, [    1.5] ---[ end Kernel panic");
  });

  test("gives each layout its image where that is looked for", async () => {
    const argumentsOf = async (variant: string): Promise<string> => {
      const { result, qemu } = await bench(
        ["--json", "-q", "--runs", "1", "--variants", variant],
        BOOT,
        ({ modules }) => appendFileSync(join(modules, "modules.builtin"), LAYOUT_MODULES),
      );
      expect(JSON.parse(result.stdout)).toMatchObject({ measurements: [{ variant, failure: null }], omissions: [] });
      return qemu.args().join(" ");
    };
    const disk = /id=disk0,format=raw,file=\S*/;
    for (const layout of ["boot", "esp", "usr-file"]) {
      const args = await argumentsOf(`${layout}-none`);
      expect(args).toMatch(disk);
      expect(args).not.toMatch(/file=\S*(image\.raw|blank)/);
    }
    expect(await argumentsOf("memory-none")).toMatch(/file=\S*blank/);
    expect(await argumentsOf("pmem-dax")).toMatch(/memmap=0x.*file=\S*blank.* loader,file=\S*image\.raw/);
    expect(await argumentsOf("network-none")).toMatch(/lazyrd\.url=http:.*user,id=net0.*file=\S*blank/);
  });

  test("a file that is no points file stays", async () => {
    const points = join(tempFolder(), "notes");
    writeFileSync(points, "my notes");
    const { result } = await bench(["-q", "--variants", "classic", "--points", points]);
    expect([result.status, readFileSync(points, "utf8")]).toEqual([2, "my notes"]);
  });

  test.each([
    ["nothing", [], "nothing was named"],
    ["a kernel alone", ["-k", "/boot/vmlinuz"], "both a kernel and an initrd"],
    ["a variant that is not known", ["--variants", "fast"], 'Cannot measure "fast"'],
    ["an initrd beside without a name", ["--beside", "/initrd"], "Expected a name and a file"],
    ["what is no size", ["--scaling", "much"], 'Cannot use "much" as a size'],
  ])("refuses %s", (_, args, message) => {
    fakeQemu(scriptOf(BOOT, { ends: true }));
    const { status, stderr } = lazyrd(["bench", "-q", ...args]);
    expect([status, stderr.split("\n").length]).toEqual([2, 3]);
    expect(stderr).toContain(message);
  });

  test("that is interrupted takes its machine along, and leaves nothing behind", async () => {
    const { kernel, initrd } = await writeSampleInputs(tempFolder());
    const qemu = fakeQemu(scriptOf(BOOT.slice(0, 3)));
    const temporary = tempFolder();
    const args = ["bench", "-k", kernel, "-i", initrd, "--variants", "classic", "--runs", "1"];
    const child = spawn(process.execPath, [lazyrdProgram(), ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, TMPDIR: temporary },
    });
    const ended = new Promise((resolve) => child.once("close", (_, signal) => resolve(signal)));
    await once(child.stderr, "data");
    // It is asked for its version first.
    while (!(qemu.args().includes("-icount") && qemu.isRunning())) await delay(PAUSE_MS);
    child.kill("SIGTERM");
    expect(await ended).toBe("SIGTERM");
    while (qemu.isRunning()) await delay(PAUSE_MS);
    expect(readdirSync(temporary)).toEqual([]);
  });

  test("without QEMU says so before anything is made", async () => {
    const { kernel, initrd, modules } = await writeSampleInputs(tempFolder());
    const { status, stderr } = lazyrd(["bench", "-k", kernel, "-i", initrd, "-m", modules], {
      env: { PATH: "/nowhere" },
    });
    expect([status, stderr]).toEqual([2, expect.stringContaining("Cannot find qemu-system-x86_64")]);
  });
});
