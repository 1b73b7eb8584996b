import { createHash } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type TestContext, test } from "vitest";
import { MemorySource } from "../../src/bytes/index.ts";
import { dumpErofs, type Extent, extentsOf, listErofs, readErofs } from "../../src/formats/erofs/index.ts";
import { factsOf, noise, treeOfFolder } from "../support/erofs-trees.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const BLOCK = 4096;

/** Text that packs well, and nowhere repeats for long. */
function text(length: number, seed = 1): Uint8Array {
  const words = [
    "/usr/lib/",
    "module ",
    "alias=pci:v0000",
    "depends\n",
    "firmware",
    "\0\0\0\0",
    "=0x",
    "EXPORT_SYMBOL",
  ];
  const choice = noise(length, seed);
  let out = "";
  for (let index = 0; out.length < length; index++)
    out += `${words[(choice[index] ?? 0) % 8]}${(choice[index] ?? 0) >> 4}`;
  return Buffer.from(out.slice(0, length), "latin1");
}

/** A folder with files of all sizes around clusters, compressible and not, and what deduplication and fragments share. */
function makeFolder(): string {
  const root = join(tempFolder(), "root");
  mkdirSync(join(root, "sub"), { recursive: true });
  const sizes = [0, 1, 100, 4000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 30_000, 65_536, 65_537, 200_000, 1_000_003];
  for (const size of sizes) {
    writeFileSync(join(root, `text-${size}`), text(size, size + 1));
    writeFileSync(join(root, `noise-${size}`), noise(size, size + 2));
    writeFileSync(join(root, "sub", `zeros-${size}`), new Uint8Array(size));
  }
  const mixed = Buffer.concat([text(50_000), noise(70_000), text(9000), noise(5000), text(150_001), noise(333)]);
  writeFileSync(join(root, "mixed"), mixed);
  writeFileSync(join(root, "mixed-again"), mixed);
  writeFileSync(join(root, "mixed-shifted"), Buffer.concat([text(777, 9), mixed, text(12_345, 4)]));
  writeFileSync(join(root, "mixed-tail"), Buffer.concat([noise(4096, 8), mixed.subarray(100_000)]));
  writeFileSync(join(root, "holes"), text(10_000));
  truncateSync(join(root, "holes"), 900_000);
  writeFileSync(join(root, "holes"), text(5000), { flag: "a" });
  linkSync(join(root, "mixed"), join(root, "sub", "hard"));
  symlinkSync("sub/hard", join(root, "link"));
  return root;
}

const compressors = ["-zlz4", "-zlz4hc,9"];
const clusters = [[], ["-C16384"], ["-C65536"], ["-C1048576"]];
const extras = [
  [],
  ["-Elegacy-compress"],
  ["-Eztailpacking"],
  ["-Efragments"],
  ["-Eall-fragments"],
  ["-Ededupe"],
  ["-Eztailpacking,dedupe"],
  ["-Efragments,dedupe"],
  ["-Eall-fragments,dedupe"],
  ["-Elegacy-compress,ztailpacking"],
  ["-Efragments,legacy-compress"],
  ["-Eforce-inode-extended"],
  ["--max-extent-bytes=8192"],
];
const variants = [
  ...compressors.flatMap((compressor) => clusters.map((cluster) => [compressor, ...cluster])).map((args) => [args]),
  ...extras
    .flatMap((extra) => [
      ["-zlz4", ...extra],
      ["-zlz4hc", "-C65536", ...extra],
    ])
    .map((args) => [args]),
];

function makeImage(context: TestContext, root: string, args: readonly string[]): Uint8Array {
  const image = join(tempFolder(), "image");
  run(requireTool(context, "mkfs.erofs"), [...args, image, root]);
  return readFileSync(image);
}

for (const [args] of variants) {
  test(`what mkfs.erofs ${args?.join(" ")} writes is read`, (context) => {
    const root = makeFolder();
    const image = makeImage(context, root, args ?? []);
    const source = new MemorySource(image);
    const tree = readErofs(source).tree();
    expect(factsOf(tree)).toEqual(factsOf(treeOfFolder(root, requireTool(context, "python3"))));
    expect(
      listErofs(source)
        .map(({ path }) => path)
        .sort(),
    ).toEqual([...tree.walk()].map(({ path }) => path).sort());
    const dump = dumpErofs(source);
    expect(dump).not.toContain("overlaps");
    for (const { node } of tree.walk()) {
      if (node.kind !== "file") continue;
      checkExtents(extentsOf(node.content), node.content.size, image.length);
      checkRandomReads(node.content);
    }
  });
}

function checkExtents(extents: readonly Extent[] | undefined, size: number, imageBytes: number): void {
  let end = 0;
  for (const { start, length, offset, storedBytes } of extents ?? []) {
    expect(start).toBe(end);
    expect(length).toBeGreaterThan(0);
    if (offset !== undefined) expect(offset + storedBytes).toBeLessThanOrEqual(imageBytes);
    end = start + length;
  }
  expect(end).toBe(size);
}

/** Any part is the same as that part of the whole. */
function checkRandomReads(content: { size: number; read(offset: number, length: number): Uint8Array }): void {
  const whole = Buffer.from(content.read(0, content.size));
  const places = noise(8, content.size);
  for (const [index, place] of places.entries()) {
    const offset = Math.floor((content.size * place) / 256);
    const length = Math.min(content.size - offset, 1 << (2 * index));
    const expected = createHash("sha256")
      .update(whole.subarray(offset, offset + length))
      .digest("hex");
    expect(createHash("sha256").update(content.read(offset, length)).digest("hex")).toBe(expected);
  }
}
