import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FileSource } from "../../src/host/index.ts";
import { type Analysis, analyseTrace, mapImage, parseTrace, type Trace } from "../../src/trace/index.ts";
import { lazyrd } from "../support/cli.ts";
import { initrdFixture, kernelFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";

const KERNEL = "6.12-amd64";
/** However busy this machine is. */
const PATIENCE = ["--timeout", "100000"];

/** Builds into `folder`. */
function build(folder: string, ...flags: string[]): void {
  const { vmlinuz, modules } = kernelFixture(KERNEL);
  const { status, stderr } = lazyrd([
    ...["build", "-q", "--kernel", vmlinuz, "--modules", modules, "--initrd", initrdFixture("dracut", KERNEL)],
    ...["--drivers", "virtio", "-o", folder, ...flags],
  ]);
  expect([status, stderr]).toEqual([0, expect.any(String)]);
}

function traced(folder: string, ...flags: string[]): Trace {
  const output = join(tempFolder(), "boot.trace");
  const { status, stderr } = lazyrd(["trace", folder, "-q", "-o", output, ...PATIENCE, ...flags]);
  expect([status, stderr]).toEqual([0, ""]);
  return parseTrace(readFileSync(output, "utf8"));
}

async function analysed(folder: string, trace: Trace): Promise<Analysis> {
  const source = new FileSource(join(folder, "image.raw"), "the image");
  try {
    return analyseTrace(trace, await mapImage(source, trace.boot.rootHash ?? ""));
  } finally {
    source.close();
  }
}

test("a traced boot tells which files are used, and an image built by its profile has them together", async () => {
  const output = tempFolder();
  const inOutput = (name: string): string => join(output, name);
  const [folder, path, profile, rebuilt] = [inOutput("a"), inOutput("a.trace"), inOutput("a.profile"), inOutput("b")];
  build(folder);
  expect(lazyrd(["trace", folder, "-q", "--exact", ...PATIENCE, "-o", path])).toMatchObject({
    status: 0,
    stderr: "",
  });
  const trace = parseTrace(readFileSync(path, "utf8"));
  const before = await analysed(folder, trace);
  const used = new Map(before.content?.files.map((file) => [file.path, file]));
  expect(used.get("usr/lib/systemd/systemd")?.touchedBytes).toBeGreaterThan(0);
  expect(used.get("usr/lib/systemd/systemd")?.readBytes).toBeGreaterThan(0);
  expect(before.content?.readPerTouched).toBeGreaterThan(1);
  expect(trace.modules?.find(({ name }) => name === "erofs")?.loadNs).toBeGreaterThan(0);
  expect(trace.milestones.map(({ name }) => name)).toContain("initrd-target");

  expect(lazyrd(["profile", path, "-o", profile])).toMatchObject({ status: 0, stderr: "" });
  build(rebuilt, "--profile", profile);
  // What is used lies in fewer blocks, and these are read with fewer jumps.
  const after = await analysed(rebuilt, { ...traced(rebuilt), touched: trace.touched });
  expect(after.content?.touchedBytes).toBeLessThan(before.content?.touchedBytes ?? 0);
  expect(after.disk.runs).toBeLessThan(before.disk.runs);
});

test("a classic boot reads nothing of the image: all of it is in memory", () => {
  const folder = join(tempFolder(), "generation");
  build(folder);
  const trace = traced(folder, "--classic", "--until", "Run /init as init process");
  expect([trace.boot.way, trace.reads]).toEqual(["classic", []]);
  expect(trace.memory.find(({ what }) => what === "total")?.bytes).toBeGreaterThan(2 ** 30);
});
