import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { encodeArchive, sampleInitrdTree, writeSampleInputs } from "../support/build-inputs.ts";
import { lazyrd, lazyrdProgram } from "../support/cli.ts";
import { inspectSamples } from "../support/inspect-samples.ts";
import { sampleBzImage } from "../support/kernel-samples.ts";
import { tempFolder } from "../support/temp.ts";
import { run } from "../support/tools.ts";

const MANY = 20_000;

function fileOf(content: string | Uint8Array, name = "file"): string {
  const path = join(tempFolder(), name);
  writeFileSync(path, content);
  return path;
}

async function builtGeneration(): Promise<string> {
  const folder = tempFolder();
  const { kernel, initrd, modules } = await writeSampleInputs(folder);
  const generation = join(folder, "gen");
  const { status, stderr } = lazyrd([
    ...["build", "-q", "-k", kernel, "-i", initrd, "-m", modules],
    ...["-d", "virtio", "-o", generation],
  ]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return generation;
}

test.each(Object.entries(await inspectSamples()))("%s: text and JSON", (_, { format, bytes }) => {
  const path = fileOf(bytes);
  const text = lazyrd(["inspect", path]);
  expect(text.stderr).toBe("");
  expect(text.status).toBe(0);
  expect(text.stdout.startsWith(`${path}: `)).toBe(true);
  for (const line of text.stdout.split("\n")) expect(line).toBe(line.trimEnd());
  const json = JSON.parse(lazyrd(["inspect", "--json", path]).stdout);
  expect(json).toMatchObject({ path, format, warnings: [], problems: [] });
});

describe("what cannot be done is said in one line", () => {
  test.each([
    ["an unknown file", "hello", ["inspect"], 1, /Cannot tell what this is: it begins with 0x68656c6c6f; known are/],
    [
      "a damaged file",
      "070701 this is no entry".padEnd(200),
      ["inspect"],
      1,
      /initramfs: Cannot read segment 1 .*offset 0x/,
    ],
    [
      "a list of a kernel",
      sampleBzImage(),
      ["inspect", "--list"],
      2,
      /Cannot list this \(kernel .*\): it has no entries/,
    ],
    ["a dump of a kernel", sampleBzImage(), ["inspect", "--dump"], 2, /Cannot dump this/],
    ["verifying an archive", encodeArchive(sampleInitrdTree()), ["inspect", "--verify"], 2, /Cannot verify this/],
    ["list and dump", "", ["inspect", "--list", "--dump"], 2, /--list.*cannot be used with.*--dump/],
    ["dump as JSON", "", ["inspect", "--json", "--dump"], 2, /--dump.*cannot be used with.*--json/],
  ])("%s", (_, content, args, status, says) => {
    const path = fileOf(content);
    const result = lazyrd([...args, path]);
    expect(result.stderr).toMatch(/^lazyrd: [^\n]+\n(?:hint: [^\n]+\n)?$/);
    expect(result.stderr).toMatch(says);
    expect(result.stdout).toBe("");
    expect(result.status).toBe(status);
    if (status === 1) expect(result.stderr).toContain(path);
  });

  test("no such file, a folder without a manifest, a device", () => {
    const folder = tempFolder();
    const missing = lazyrd(["inspect", join(folder, "missing")]);
    expect(missing.stderr).toBe(`lazyrd: Cannot read the file ${folder}/missing: there is no such file\n`);
    expect(missing.status).toBe(2);
    const empty = lazyrd(["inspect", folder]);
    expect(empty.stderr).toMatch(/^lazyrd: Cannot read the manifest .*manifest\.json: there is no such file\nhint: /);
    expect(empty.status).toBe(2);
    expect(lazyrd(["inspect", "/dev/null"]).stderr).toContain("it is a device or pipe");
  });
});

test("a reader that has seen enough is no failure", () => {
  // Far more than a pipe takes before somebody reads.
  const tree = new Tree();
  for (let index = 0; index < MANY; index++) tree.set(`file-${index}`, regularFile(new Uint8Array()));
  const path = fileOf(encodeArchive(tree));
  const pipeline = `set -o pipefail; "$@" | head -n 1`;
  const { stdout, stderr, status } = run("bash", ["-c", pipeline, "bash", lazyrdProgram(), "inspect", "--list", path]);
  expect([stdout.split("\n").length, stderr, status]).toEqual([2, "", 0]);
});

describe("generations", () => {
  test("as they were built: OK, by folder and by manifest", async () => {
    const generation = await builtGeneration();
    for (const path of [generation, join(generation, "manifest.json")]) {
      const { stdout, status } = lazyrd(["inspect", path]);
      expect(stdout).toMatch(/check +OK/);
      expect(status).toBe(0);
    }
    const { stdout, stderr, status } = lazyrd(["inspect", "--verify", generation]);
    expect(stdout).toMatch(/verified root: \d+ bytes, all as root hash [0-9a-f]{64} says/);
    expect(stderr).toBe("verifying root\n");
    expect(status).toBe(0);
    const json = JSON.parse(lazyrd(["inspect", "--verify", "--quiet", "--json", generation]).stdout);
    expect(json).toMatchObject({ format: "generation", problems: [], verified: [expect.stringContaining("root")] });
    expect(lazyrd(["inspect", "--list", generation]).stdout).toContain("usr/share/filler");
  });

  const names = ["vmlinuz", "first-stage.cpio", "image.raw", "plan"];
  test.each(names)("%s: changed, shorter, gone", async (name) => {
    const generation = await builtGeneration();
    const path = join(generation, name);
    const good = readFileSync(path);
    const problemsOf = (): string => {
      const { stdout, stderr, status } = lazyrd(["inspect", generation]);
      expect(status).toBe(1);
      expect(stderr).toBe("");
      expect(stdout).not.toMatch(/check +OK/);
      return stdout
        .split("\n")
        .filter((line) => line.includes("PROBLEM"))
        .join("\n");
    };
    const changed = Buffer.from(good);
    changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1;
    writeFileSync(path, changed);
    expect(problemsOf()).toMatch(new RegExp(`^  PROBLEM: ${name}: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}$`));
    writeFileSync(path, good.subarray(0, good.length - 1));
    expect(problemsOf()).toBe(`  PROBLEM: ${name}: expected ${good.length} bytes, got ${good.length - 1}`);
    rmSync(path);
    expect(problemsOf()).toContain("there is no such file");
    mkdirSync(path);
    expect(problemsOf()).toContain("it is a folder");
  });

  test("files that are sound but belong to another generation", async () => {
    const [generation, other] = [await builtGeneration(), await builtGeneration()];
    const manifest = JSON.parse(readFileSync(join(generation, "manifest.json"), "utf8"));
    const rewrite = (change: (copy: typeof manifest) => void): string => {
      const copy = structuredClone(manifest);
      change(copy);
      writeFileSync(join(generation, "manifest.json"), JSON.stringify(copy, undefined, 2));
      const { stdout, status } = lazyrd(["inspect", generation]);
      expect(status).toBe(1);
      return stdout;
    };
    const wrongHash = "0".repeat(64);
    const report = rewrite((copy) => {
      copy.image.rootHash = wrongHash;
    });
    expect(report).toContain(
      `PROBLEM: plan: expected root-hash ${wrongHash} as in the manifest, got ${manifest.image.rootHash}`,
    );
    expect(report).toContain(`PROBLEM: image.raw: expected root hash ${wrongHash} as in the plan`);
    expect(
      rewrite((copy) => {
        copy.kernel.release = "6.9.9";
      }),
    ).toContain("PROBLEM: vmlinuz: expected release 6.9.9, got 6.12.1-test");
    expect(
      rewrite((copy) => {
        delete copy.files.plan;
      }),
    ).toContain("PROBLEM: plan: the manifest does not list it");
    expect(
      rewrite((copy) => {
        copy.files["../../etc/passwd"] = copy.files.plan;
      }),
    ).toContain("it is not in this folder");
    expect(other).toBeDefined();
  });

  test("a manifest under another name, and one that is none", async () => {
    const generation = await builtGeneration();
    renameSync(join(generation, "manifest.json"), join(generation, "old.json"));
    expect(lazyrd(["inspect", join(generation, "old.json")]).stderr).toMatch(
      /a manifest describes the files beside it/,
    );
    writeFileSync(join(generation, "manifest.json"), '{\n  "version": 99\n}');
    const { stderr, status } = lazyrd(["inspect", generation]);
    expect(stderr).toMatch(/manifest\.json: manifest: Cannot read the manifest/);
    expect(status).toBe(1);
  });
});
