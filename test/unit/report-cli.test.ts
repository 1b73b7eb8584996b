import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeTrace } from "../../src/trace/index.ts";
import { build, sampleBuild } from "../support/built-generation.ts";
import { lazyrd } from "../support/cli.ts";
import { sampleTrace } from "../support/sample-traces.ts";
import { tempFolder } from "../support/temp.ts";

/** A generation, and a trace as one of its boots might give. */
async function tracedGeneration(): Promise<{ folder: string; trace: string; generation: string }> {
  const { folder: generation, manifest, read } = await build(await sampleBuild());
  const { rootHash } = manifest.image;
  const boot = { rootHash, imageBytes: read("image.raw").length, folder: generation };
  return { folder: tempFolder(), trace: encodeTrace(sampleTrace({ boot })), generation };
}

function written(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test("a page is made, the same again, and replaced only by a page", async () => {
  const { folder, trace } = await tracedGeneration();
  const path = written(folder, "boot.trace", trace);
  const page = join(folder, "report.html");
  const first = lazyrd(["report", path, path, "-o", page]);
  expect(first).toMatchObject({ status: 0, stderr: "" });
  const bytes = readFileSync(page);
  expect(bytes.toString()).toContain("By directory");
  expect(lazyrd(["report", path, path, "-o", page]).status).toBe(0);
  expect(readFileSync(page).equals(bytes)).toBe(true);
  expect(lazyrd(["report", path, "-o", path]).stderr).toContain("there is such a file");
  expect(readFileSync(path, "utf8")).toBe(trace);
});

test("--json prints what the page would say", async () => {
  const { folder, trace } = await tracedGeneration();
  const { stdout, status } = lazyrd(["report", written(folder, "boot.trace", trace), "--json"]);
  expect(status).toBe(0);
  expect(JSON.parse(stdout).boots[0]).toMatchObject({ letter: "A", name: "boot.trace", figures: { requests: 4 } });
});

test("an image that is not there is said on the page, another one is refused when it was named", async () => {
  const { folder, generation } = await tracedGeneration();
  const lost = written(folder, "lost.trace", encodeTrace(sampleTrace({ boot: { folder: join(folder, "gone") } })));
  const page = join(folder, "report.html");
  const { status, stderr } = lazyrd(["report", lost, "-o", page]);
  expect([status, stderr]).toEqual([0, expect.stringContaining("warning: lost.trace: Cannot read the image")]);
  expect(readFileSync(page, "utf8")).toContain("What was read cannot be named: Cannot read the image");
  const refused = lazyrd(["report", lost, "--image", generation, "-o", join(folder, "other.html")]);
  expect(refused).toMatchObject({ status: 1, stdout: "", stderr: expect.stringContaining("expected root hash abab") });
});

test.each([
  ["no output", [], "no output is named", 2],
  [
    "too many traces",
    ["boot.trace", "boot.trace", "boot.trace", "boot.trace", "boot.trace", "boot.trace", "--json"],
    "at most 6",
    2,
  ],
  [
    "images that belong to nothing",
    ["boot.trace", "boot.trace", "--image", "a", "--image", "b", "--json"],
    "once for each",
    2,
  ],
  ["a page and JSON", ["--json", "-o", "x.html"], "cannot be used with", 2],
  ["a damaged trace", ["damaged.trace", "--json"], "the trace is cut off", 1],
  ["something else", ["scaling.json", "--json"], "this is no trace", 1],
  ["no scaling series", ["--scaling", "boot.trace", "--json"], "Cannot read the scaling series", 1],
  ["a trace that is not there", ["gone.trace", "--json"], "there is no such file", 2],
])("refused: %s", (_, args, reason, status) => {
  const folder = tempFolder();
  const text = encodeTrace(sampleTrace({ reads: [] }));
  written(folder, "boot.trace", text);
  written(folder, "damaged.trace", text.slice(0, -20));
  written(folder, "scaling.json", "[]");
  const result = lazyrd(["report", "boot.trace", ...args], { cwd: folder });
  expect(result.stderr).toContain(reason);
  expect([result.status, result.stdout]).toEqual([status, ""]);
});
