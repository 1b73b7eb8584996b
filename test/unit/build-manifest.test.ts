import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { encodeManifest, type Manifest, parseManifest, readGeneration } from "../../src/build/index.ts";
import { FormatError, UsageError } from "../../src/bytes/index.ts";
import { tempFolder } from "../support/temp.ts";

const DIGEST = "0123456789abcdef".repeat(4);
const FILE = { sizeBytes: 5, sha256: DIGEST };

const MANIFEST: Omit<Manifest, "version"> = {
  generator: "lazyrd 0.1.0",
  kernel: { release: "6.12.1", architecture: "x86_64" },
  commandLine: 'quiet "ä"',
  layout: "partition",
  place: { kind: "partitions" },
  nextStage: { kind: "script", init: "/init" },
  image: {
    rootHash: DIGEST,
    salt: "",
    dataBlocks: 7,
    dataPartition: "a",
    hashPartition: "b",
    dataOffsetBytes: 4096,
    hashOffsetBytes: 32768,
  },
  files: { vmlinuz: FILE, "image.raw": { sizeBytes: 2 ** 40, sha256: DIGEST } },
  inputs: { initrd: FILE },
  explanation: {
    steps: [{ line: "modules a", purpose: "p", reasons: ["r"] }],
    modules: [{ name: "a", sizeBytes: 0, reasons: [] }],
    builtin: [{ name: "b", reasons: ["r", "s"] }],
    absent: [],
  },
};

/** The manifest with something changed before it became text. */
function changed(change: (manifest: Record<string, Record<string, unknown>>) => void): string {
  const copy = structuredClone(MANIFEST) as unknown as Record<string, Record<string, unknown>>;
  change(copy);
  return encodeManifest(copy as unknown as Manifest);
}

const drop = (table: string, key: string) => (manifest: Record<string, Record<string, unknown>>) => {
  delete manifest[table]?.[key];
};
const put = (table: string, key: string, value: unknown) => (manifest: Record<string, Record<string, unknown>>) => {
  manifest[table] = { ...manifest[table], [key]: value };
};

describe("a manifest", () => {
  test("is read as it was written, and written the same every time", () => {
    const text = encodeManifest(MANIFEST);
    expect(parseManifest(text)).toEqual({ version: 1, ...MANIFEST });
    expect(encodeManifest(parseManifest(text))).toBe(text);
    expect(text).toMatch(/^\{\n {2}"version": 1,\n/);
    expect(text.endsWith("}\n")).toBe(true);
  });

  test.each([
    ["another version", encodeManifest(MANIFEST).replace('"version": 1', '"version": 2'), "version"],
    ["a missing field", changed(drop("image", "rootHash")), "image.rootHash"],
    ["an unknown field", changed(put("image", "extra", 1)), "image"],
    ["a digest that is too short", changed(put("image", "rootHash", DIGEST.slice(1))), "image.rootHash"],
    ["a digest in capitals", changed(put("image", "rootHash", DIGEST.toUpperCase())), "image.rootHash"],
    ["no data", changed(put("image", "dataBlocks", 0)), "image.dataBlocks"],
    [
      "a size below zero",
      changed(put("files", "vmlinuz", { sizeBytes: -1, sha256: DIGEST })),
      "files.vmlinuz.sizeBytes",
    ],
    ["an unknown next stage", changed(put("nextStage", "kind", "none")), "nextStage.kind"],
    ["a list for an object", "[]", ""],
    ["null", "null", ""],
  ])("with %s is refused by the field", (_, text, field) => {
    expect(() => parseManifest(text)).toThrow(FormatError);
    expect(() => parseManifest(text)).toThrow(expect.objectContaining({ format: "manifest", field }));
  });

  test("is refused at every length", () => {
    const text = encodeManifest(MANIFEST).trimEnd();
    for (let length = 0; length < text.length; length++) {
      expect(() => parseManifest(text.slice(0, length))).toThrow("manifest: Cannot read the manifest: it is not JSON");
    }
  });
});

describe("a generation", () => {
  test("knows its files", () => {
    const folder = tempFolder();
    writeFileSync(join(folder, "manifest.json"), encodeManifest(MANIFEST));
    const generation = readGeneration(folder);
    expect(generation.manifest).toEqual({ version: 1, ...MANIFEST });
    expect([generation.folder, generation.path("image")]).toEqual([folder, join(folder, "image.raw")]);
  });

  test("needs a manifest, and says what to give instead", () => {
    const folder = tempFolder();
    expect(() => readGeneration(folder)).toThrow(UsageError);
    expect(() => readGeneration(folder)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("lazyrd build") }),
    );
    mkdirSync(join(folder, "manifest.json"));
    expect(() => readGeneration(folder)).toThrow(/manifest.json: it is a folder/);
  });

  test("whose manifest is damaged names the file", () => {
    const folder = tempFolder();
    writeFileSync(join(folder, "manifest.json"), "{");
    expect(() => readGeneration(folder)).toThrow(FormatError);
    expect(() => readGeneration(folder)).toThrow(
      `${join(folder, "manifest.json")}: manifest: Cannot read the manifest`,
    );
  });
});
