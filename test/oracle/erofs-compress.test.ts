import { createHash } from "node:crypto";
import { closeSync, createReadStream, mkdirSync, openSync, readFileSync, readSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, type TestContext, test } from "vitest";
import type { CompressionSettings } from "../../src/build/compress/index.ts";
import { MemorySource } from "../../src/bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { type ErofsOptions, readSuperblock } from "../../src/formats/erofs/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";
import { compressibles, joined, planCompressed, prose, settingsOf } from "../support/erofs-compress.ts";
import { complaintsOfFsck, mountErofs, requireErofsMounts, SparseFileSink } from "../support/erofs-mount.ts";
import { everything, factsOf, noise, treeOfFolder, trees } from "../support/erofs-trees.ts";
import { initrdFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

async function write(
  tree: Tree,
  image: string,
  settings: CompressionSettings,
  options: Partial<ErofsOptions> = {},
): Promise<void> {
  const plan = await planCompressed(tree, settings, options);
  const sink = new SparseFileSink(image);
  plan.emit(sink);
  sink.close();
  expect(statSync(image).size).toBe(plan.sizeBytes);
}

/** What the kernel shows equals the tree, and nothing of it is complained about. */
function compare(context: TestContext, tree: Tree, image: string, mount: string): void {
  mountErofs(image, mount);
  expect(factsOf(treeOfFolder(mount, requireTool(context, "python3")))).toEqual(factsOf(tree));
}

const variants: readonly CompressionSettings[] = [
  settingsOf("lz4", 64),
  settingsOf("lz4", 64, false),
  settingsOf("lz4", 4),
  settingsOf("lz4", 8, false),
  settingsOf("lz4", 256),
  settingsOf("lz4hc", 64),
  settingsOf("lz4hc", 16, false),
  settingsOf("zstd", 64),
  settingsOf("zstd", 128, false),
  settingsOf("zstd", 256),
];

for (const settings of variants) {
  const { method, clusterBytes, inlineTails } = settings;
  const details = inlineTails ? "" : ", without inline tails";
  test(`the kernel reads what ${method} packed into ${clusterBytes / 1024} KiB${details}`, async (context) => {
    requireErofsMounts(context);
    const folder = tempFolder();
    const tree = compressibles();
    await write(tree, join(folder, "image"), settings);
    compare(context, tree, join(folder, "image"), join(folder, "mount"));
    // fsck.erofs of Debian 12 does not know zstd.
    if (method !== "zstd") expect(complaintsOfFsck(context, join(folder, "image"))).toBe("");
  });
}

test("the kernel shows everything else in a compressed image as it was written", async (context) => {
  requireErofsMounts(context);
  const folder = tempFolder();
  const tree = everything();
  tree.setWithParents(
    "x/text",
    regularFile(prose(200_000), { uid: 70_000, xattrs: new Map([["user.a", noise(3000)]]) }),
  );
  await write(tree, join(folder, "image"), settingsOf("lz4", 64));
  compare(context, tree, join(folder, "image"), join(folder, "mount"));
});

/** Content that changes between what shrinks and what does not at any place. */
const contents = fc
  .array(
    fc.tuple(
      fc.constantFrom("prose", "noise", "zeros"),
      fc.oneof(fc.nat(300), fc.nat(9000), fc.nat(150_000), fc.constantFrom(4095, 4096, 4097, 65535, 65536, 65537)),
      fc.nat(50),
    ),
    { maxLength: 6 },
  )
  .map((parts) =>
    joined(
      ...parts.map(([kind, length, seed]) => {
        if (kind === "zeros") return new Uint8Array(length);
        return kind === "prose" ? prose(length, seed) : noise(length, seed);
      }),
    ),
  );
const anySettings = fc
  .tuple(fc.constantFrom("lz4" as const, "lz4hc" as const, "zstd" as const), fc.constantFrom(4, 8, 64), fc.boolean())
  .map(([method, kib, inlineTails]) => settingsOf(method, method === "zstd" ? kib * 2 : kib, inlineTails));

test("the kernel reads any files as they were written", async (context) => {
  requireErofsMounts(context);
  const folder = tempFolder();
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(contents, { maxLength: 12 }), trees, anySettings, async (files, tree, settings) => {
      for (const [index, content] of files.entries()) tree.set(`compressible ${index}`, regularFile(content));
      const [image, mount] = [join(folder, `image${count}`), join(folder, `mount${count++}`)];
      await write(tree, image, settings);
      run("mkdir", [mount]);
      run("mount", ["-t", "erofs", "-o", "loop,ro", image, mount]);
      try {
        expect(factsOf(treeOfFolder(mount, requireTool(context, "python3")))).toEqual(factsOf(tree));
      } finally {
        run("umount", [mount]);
      }
      if (settings.method !== "zstd") expect(complaintsOfFsck(context, image)).toBe("");
      rmSync(image);
    }),
    { numRuns: 40 },
  );
});

test("the kernel reads parts of compressed files at any place", async (context) => {
  requireErofsMounts(context);
  const folder = tempFolder();
  const content = joined(prose(700_000), noise(80_000), new Uint8Array(3_000_000), prose(100_003, 5));
  const tree = new Tree();
  tree.set("file", regularFile(content));
  await write(tree, join(folder, "image"), settingsOf("lz4", 64));
  mountErofs(join(folder, "image"), join(folder, "mount"));
  const file = openSync(join(folder, "mount", "file"), "r");
  try {
    for (const at of noise(200, 3).map((_, index) => index)) {
      const offset = (at * 0x9e3779b1) % content.length;
      const part = Buffer.alloc(5000);
      const length = readSync(file, part, 0, part.length, offset);
      expect(part.subarray(0, length).equals(content.subarray(offset, offset + 5000))).toBe(true);
    }
  } finally {
    closeSync(file);
  }
});

test("the kernel reads a compressed file of 200 MB", async (context) => {
  requireErofsMounts(context);
  const folder = tempFolder();
  const part = joined(prose(600_000), noise(100_000), new Uint8Array(300_000));
  const size = 200_000_003;
  const content = {
    size,
    read: (offset: number, length: number): Uint8Array => {
      const output = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const within = (offset + done) % part.length;
        const piece = part.subarray(within, within + length - done);
        output.set(piece, done);
        done += piece.length;
      }
      return output;
    },
  };
  const tree = new Tree();
  tree.set("large", regularFile(content));
  await write(tree, join(folder, "image"), settingsOf("lz4", 64));
  expect(statSync(join(folder, "image")).size).toBeLessThan(size / 2);
  mountErofs(join(folder, "image"), join(folder, "mount"));
  const [expected, actual] = [createHash("sha256"), createHash("sha256")];
  for (let at = 0; at < size; at += part.length) expected.update(content.read(at, Math.min(part.length, size - at)));
  for await (const chunk of createReadStream(join(folder, "mount", "large"))) actual.update(chunk);
  expect(actual.digest("hex")).toBe(expected.digest("hex"));
});

describe("an initrd of dracut", () => {
  /** Ours may be this much larger than what mkfs.erofs makes of the same. */
  const LARGEST_RATIO = 1.02;

  for (const [method, compressor] of [
    ["lz4", "lz4"],
    ["lz4hc", "lz4hc,9"],
  ] as const) {
    test(`is as small with ${method} as mkfs.erofs -z${compressor} makes it, and the kernel reads it`, async (context) => {
      requireErofsMounts(context);
      const mkfs = requireTool(context, "mkfs.erofs");
      const initramfs = await readInitramfs(readFileSync(initrdFixture("dracut", "6.12-amd64")));
      const { tree } = treeOfInitramfs(initramfs, { includeEarly: false });
      const folder = tempFolder();
      await write(tree, join(folder, "image"), settingsOf(method, 64));
      compare(context, tree, join(folder, "image"), join(folder, "mount"));
      expect(complaintsOfFsck(context, join(folder, "image"))).toBe("");
      run(mkfs, [`-z${compressor}`, "-C65536", join(folder, "foreign"), join(folder, "mount")]);
      const ratio = statSync(join(folder, "image")).size / statSync(join(folder, "foreign")).size;
      expect(ratio).toBeLessThan(LARGEST_RATIO);
    });
  }
});

test("dump.erofs sees compressed files and what the image needs", async (context) => {
  const dump = requireTool(context, "dump.erofs");
  const folder = tempFolder();
  mkdirSync(join(folder, "x"));
  const tree = new Tree();
  tree.set("text", regularFile(prose(1 << 20)));
  await write(tree, join(folder, "image"), settingsOf("lz4", 64));
  const shown = run(dump, ["-s", "-S", join(folder, "image")]).stdout;
  expect(shown).toMatch(/compressed files: +1$/m);
  expect(shown).toMatch(/0padding.*big_pcluster|compr_cfgs/);
  const { incompat } = readSuperblock(new MemorySource(readFileSync(join(folder, "image"))));
  expect(incompat).toBe(0x3);
});
