import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseProfile } from "../../src/profile/index.ts";
import { parseTrace } from "../../src/trace/index.ts";
import { type BuiltGeneration, build, sampleBuild } from "../support/built-generation.ts";
import { lazyrd } from "../support/cli.ts";
import { fakeQemu } from "../support/fake-qemu.ts";
import { type MachineEvent, scriptOf } from "../support/qemu-log.ts";
import { tempFolder } from "../support/temp.ts";

/** Where a disk image has its file system: behind a partition table of 1 MiB, or less. */
const START: readonly MachineEvent[] = [
  { line: "[    0.000000] Linux version 6.12.9" },
  { line: "[    1.000000] Run /init as init process" },
  { read: [20_480, 8192] },
  { line: "[    1.700000] lazyrd: modules 8 loaded, 600.0 ms" },
  { line: "[    1.800000] lazyrd: switch to /init after 800.0 ms, 8 modules loaded" },
];
const END: MachineEvent = { line: "[    5.000000] systemd[1]: Reached target initrd.target - Initrd Default Target." };

interface Traced extends BuiltGeneration {
  readonly trace: string;
  readonly result: ReturnType<typeof lazyrd>;
}

/** A generation, made up as its boot is. */
async function traced(events: readonly MachineEvent[], ...flags: string[]): Promise<Traced> {
  const built = await build(await sampleBuild());
  const trace = join(tempFolder(), "boot.trace");
  fakeQemu(scriptOf(events, { ends: true }));
  return { ...built, trace, result: lazyrd(["trace", built.folder, "-q", "-o", trace, ...flags]) };
}

describe("lazyrd trace", () => {
  // The made-up initrd starts a script: what is waited for is said.
  const TO_THE_END = ["--until", "initrd\\.target"];

  test("writes what the machine did, and says what it read", async () => {
    const { result, trace, manifest } = await traced([...START, END], ...TO_THE_END);
    expect([result.status, result.stderr]).toEqual([0, ""]);
    expect(result.stdout).toContain("read 8.2 kB in 1 request until initrd.target");
    const { boot, reads, milestones, steps, end } = parseTrace(readFileSync(trace, "utf8"));
    expect([end, reads.length, steps.length]).toEqual(["reached", 1, 1]);
    expect(boot).toMatchObject({ way: "lazy", rootHash: manifest.image.rootHash, machine: { qemuVersion: "7.2.22" } });
    expect(milestones.map(({ name }) => name)).toEqual(["kernel", "first-stage", "switch", "initrd-target"]);
  });

  test("of a guest that never arrives writes what was seen, and exits with 3", async () => {
    const { result, trace } = await traced(START, ...TO_THE_END);
    expect([result.status, parseTrace(readFileSync(trace, "utf8")).end]).toEqual([3, "guest-ended"]);
    expect(result.stdout).toContain("the machine stopped");
  });

  test("with --json prints figures", async () => {
    const { result } = await traced([...START, END], ...TO_THE_END, "--json");
    expect(JSON.parse(result.stdout)).toMatchObject({ end: "reached", disk: { requests: 1, bytes: 8192 } });
  });

  test("replaces a trace, and nothing else", async () => {
    const { folder, trace } = await traced([...START, END], ...TO_THE_END);
    expect(lazyrd(["trace", folder, "-q", "-o", trace, ...TO_THE_END]).status).toBe(0);
    writeFileSync(trace, "my notes");
    const again = lazyrd(["trace", folder, "-q", "-o", trace, ...TO_THE_END]);
    expect([again.status, readFileSync(trace, "utf8")]).toEqual([2, "my notes"]);
  });

  test.each([
    ["no generation", [], "no generation was named"],
    ["a generation with --live", ["folder", "--live"], "Cannot trace a generation with --live"],
  ])("refuses %s", (_, args, message) => {
    const output = join(tempFolder(), "boot.trace");
    const { status, stderr } = lazyrd(["trace", ...args, "-o", output]);
    expect([status, existsSync(output)]).toEqual([2, false]);
    expect(stderr).toContain(message);
  });

  test("--live tells of this machine", () => {
    const output = join(tempFolder(), "live.trace");
    expect(lazyrd(["trace", "--live", "-o", output]).status).toBe(0);
    const { boot, milestones } = parseTrace(readFileSync(output, "utf8"));
    expect([boot.source, milestones[0]?.name]).toEqual(["machine", "kernel"]);
    expect(lazyrd(["blame", output]).status).toBe(0);
  });
});

describe("from a trace", () => {
  test("lazyrd profile makes a profile, lazyrd blame says what was read", async () => {
    const { trace, folder } = await traced([...START, END], "--until", "initrd\\.target");
    const output = join(folder, "..", "boot.profile");
    const made = lazyrd(["profile", trace, trace, "-o", output]);
    expect([made.status, made.stderr]).toEqual([0, ""]);
    expect(parseProfile(readFileSync(output)).entries.length).toBeGreaterThan(0);
    const blame = lazyrd(["blame", trace]);
    expect([blame.status, blame.stderr]).toEqual([0, ""]);
    expect(blame.stdout).toContain("Steps of the first stage\n  600.0 ms  modules  8 loaded");
    expect(JSON.parse(lazyrd(["blame", "--json", trace]).stdout)).toMatchObject({ disk: { requests: 1 } });
  });

  test("of another image both are refused", async () => {
    const { trace } = await traced([...START, END], "--until", "initrd\\.target");
    const changed = readFileSync(trace, "utf8").replace(/"rootHash":"[0-9a-f]{4}/, '"rootHash":"0000');
    writeFileSync(trace, changed);
    for (const args of [
      ["blame", trace],
      ["profile", trace, "-o", `${trace}.profile`],
    ]) {
      const { status, stderr } = lazyrd(args);
      expect([status, stderr.split("\n").length]).toEqual([1, 2]);
      expect(stderr).toContain("expected root hash 0000");
    }
    expect(existsSync(`${trace}.profile`)).toBe(false);
  });

  test("whose image is gone: says how to name it", async () => {
    const { trace } = await traced([...START, END], "--until", "initrd\\.target");
    const { status, stderr } = lazyrd(["blame", trace, "--image", join(trace, "..", "nowhere")]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("hint: name it with --image")]);
  });

  test("that is none: a line says so", () => {
    const path = join(tempFolder(), "boot.trace");
    writeFileSync(path, "hello\n");
    expect(lazyrd(["blame", path])).toMatchObject({ status: 1, stderr: expect.stringContaining("line 1 of a trace") });
  });
});
