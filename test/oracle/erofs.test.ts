import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, type TestContext, test } from "vitest";
import { MemorySource } from "../../src/bytes/index.ts";
import { dumpErofs, encodeErofs, readErofs } from "../../src/formats/erofs/index.ts";
import { complaintsOfFsck } from "../support/erofs-mount.ts";
import { everything, factsOf, noise, treeOfFolder } from "../support/erofs-trees.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

const SET_ATTRIBUTES = `
import os, sys
os.setxattr(sys.argv[1], "user." + sys.argv[2], sys.argv[3].encode())
`;

/** A folder with what an unprivileged user can make. */
function makeFolder(context: TestContext): { root: string; python: string } {
  const python = requireTool(context, "python3");
  const root = join(tempFolder(), "root");
  mkdirSync(join(root, "sub", "deep"), { recursive: true });
  for (const size of [0, 1, 4000, 4096, 4097, 20000, 300_000])
    writeFileSync(join(root, `size-${size}`), noise(size, size));
  writeFileSync(join(root, "holes"), "start");
  truncateSync(join(root, "holes"), 500_000);
  writeFileSync(join(root, "holes"), "end", { flag: "a" });
  symlinkSync("sub/deep", join(root, "link"));
  symlinkSync(`/${"long/".repeat(700)}`, join(root, "long link"));
  linkSync(join(root, "size-1"), join(root, "sub", "hard"));
  for (let index = 0; index < 400; index++) writeFileSync(join(root, "sub", `a rather long name ${index}`), `${index}`);
  for (const [path, value] of [
    ["size-1", "same"],
    ["size-4000", "same"],
    ["sub", "same"],
    ["size-4096", "other"],
  ] as const) {
    run(python, ["-c", SET_ATTRIBUTES, join(root, path), "key", value]);
  }
  run(python, ["-c", SET_ATTRIBUTES, join(root, "size-4000"), "more", "x".repeat(900)]);
  chmodSync(join(root, "size-4097"), 0o4711);
  lutimesSync(join(root, "size-20000"), 1000, 1_234_567_890);
  return { root, python };
}

const makers: readonly (readonly string[])[] = [
  [],
  ["-Enoinline_data"],
  ["-Eforce-inode-extended"],
  ["--chunksize=4096"],
  ["--chunksize=16384"],
  ["--chunksize=16384", "-Eforce-chunk-indexes"],
  ["-x1"],
];

for (const args of makers) {
  test(`what mkfs.erofs ${args.join(" ")} writes is read`, (context) => {
    const mkfs = requireTool(context, "mkfs.erofs");
    const { root, python } = makeFolder(context);
    const image = join(tempFolder(), "image");
    run(mkfs, [...args, image, root]);
    const source = new MemorySource(readFileSync(image));
    expect(factsOf(readErofs(source).tree())).toEqual(factsOf(treeOfFolder(root, python)));
    expect(dumpErofs(source)).not.toContain("unused, not zero");
  });
}

test("images on several devices are refused", (context) => {
  const { root } = makeFolder(context);
  const folder = tempFolder();
  const image = join(folder, "image");
  run(requireTool(context, "mkfs.erofs"), ["--chunksize=4096", `--blobdev=${join(folder, "blob")}`, image, root]);
  expect(() => readErofs(new MemorySource(readFileSync(image)))).toThrow(/1 more device/);
});

for (const options of [{}, { inlineFileTails: false }, { xattrFilter: true }]) {
  test(`fsck.erofs and dump.erofs accept an image with ${JSON.stringify(options)}`, (context) => {
    const path = join(tempFolder(), "image");
    writeFileSync(path, encodeErofs(everything(), { uuid, ...options }));
    expect(complaintsOfFsck(context, path)).toBe("");
    const shown = run(requireTool(context, "dump.erofs"), ["-s", path]).stdout;
    expect(shown).toContain(uuid);
    expect(shown).toMatch(/features:\s+sb_csum mtime/);
  });
}

test("fsck.erofs notices a damaged superblock", (context) => {
  const path = join(tempFolder(), "image");
  const image = encodeErofs(everything(), { uuid });
  image[1024 + 0x30] = 0;
  writeFileSync(path, image);
  expect(complaintsOfFsck(context, path)).toContain("superblock");
});
