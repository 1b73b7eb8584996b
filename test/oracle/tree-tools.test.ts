import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type TestContext, test } from "vitest";
import { decompress } from "../../src/formats/compression/index.ts";
import type { Tree } from "../../src/tree/index.ts";
import { lazyrd } from "../support/cli.ts";
import { factsOf, treeOfFolder } from "../support/erofs-trees.ts";
import { initrdFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/** Above everything that the stub has. */
const INITRD_ADDRESS = "0x3000000";

/** The archive inside of an initrd with one segment. */
async function archiveOf(initrd: string): Promise<Uint8Array> {
  return (await decompress(readFileSync(initrd))).output;
}

/** cpio gives only files their times, and the folder itself keeps its own metadata. */
function withFileTimes(tree: Tree): unknown[] {
  for (const { node } of tree.walk()) if (node.kind !== "file") node.mtime = 0;
  return factsOf(tree).slice(1);
}

for (const generator of ["dracut", "initramfs-tools"] as const) {
  test(`the initrd of ${generator}: ls is what cpio lists, unpack what cpio unpacks`, async (context) => {
    const cpio = requireTool(context, "cpio");
    const initrd = initrdFixture(generator, "6.12-amd64");
    const archive = await archiveOf(initrd);
    const listed = run(cpio, ["-it", "--quiet"], { input: archive }).stdout.split("\n");
    const names = listed.map((name) => `/${name.replace(/^\.\/?/, "")}`).filter((name) => name !== "/");
    expect(lazyrd(["ls", "-R", initrd]).stdout.trimEnd().split("\n").sort()).toEqual([...new Set(names)].sort());

    const long = run(cpio, ["-itv", "--numeric-uid-gid", "--quiet"], { input: archive }).stdout;
    const modes = new Map(long.split("\n").map((line) => [line.split(" ").at(-1), line.split(" ")[0]]));
    const own = lazyrd(["ls", "-lR", initrd]).stdout.trimEnd().split("\n");
    for (const line of own.filter((text) => !text.includes(" -> "))) {
      const name = line.split(" ").at(-1)?.slice(1);
      // cpio has names as they are stored: with "./" or without.
      expect(line.split(" ")[0], name).toBe(modes.get(name) ?? modes.get(`./${name}`));
    }

    const [theirs, ours] = [tempFolder(), join(tempFolder(), "ours")];
    chmodSync(theirs, 0o755);
    run(cpio, ["-idm", "--quiet", "--no-absolute-filenames"], { input: archive, cwd: theirs });
    expect(lazyrd(["unpack", initrd, ours])).toMatchObject({ status: 0, stderr: "" });
    const python = requireTool(context, "python3");
    expect(withFileTimes(treeOfFolder(ours, python))).toEqual(withFileTimes(treeOfFolder(theirs, python)));
    expect(lazyrd(["diff", theirs, ours])).toMatchObject({ stdout: "all files are the same\n", status: 0 });
    expect(lazyrd(["diff", initrd, theirs])).toMatchObject({ stdout: "all files are the same\n", status: 0 });
  });
}

function mkfs(context: TestContext, folder: string, args: readonly string[]): string {
  const image = join(tempFolder(), "image.erofs");
  run(requireTool(context, "mkfs.erofs"), [...args, image, folder]);
  return image;
}

test("an initrd and its EROFS images of mkfs.erofs hold the same", (context) => {
  const initrd = initrdFixture("dracut", "6.12-amd64");
  const folder = join(tempFolder(), "tree");
  lazyrd(["unpack", initrd, folder]);
  for (const args of [
    ["-zlz4", "-C65536"],
    ["-zlz4", "-Eztailpacking,fragments,dedupe", "-C65536"],
  ]) {
    const image = mkfs(context, folder, args);
    expect(lazyrd(["diff", initrd, image])).toMatchObject({ stdout: "all files are the same\n", status: 0 });
    expect(lazyrd(["verify", "-q", image])).toMatchObject({ status: 0 });
    const { trees, sizeBytes } = JSON.parse(lazyrd(["size", "--json", image]).stdout);
    // All that is stored is content, but for inodes and directories.
    expect(trees[0].total.storedBytes).toBeLessThan(sizeBytes);
    expect(trees[0].total.storedBytes).toBeGreaterThan(sizeBytes * 0.98);
  }
});

test("digests are what sha256sum says", (context) => {
  const initrd = initrdFixture("initramfs-tools", "6.12-amd64");
  const folder = join(tempFolder(), "tree");
  lazyrd(["unpack", initrd, folder]);
  const digests = lazyrd(["verify", "-q", "--digests", initrd]).stdout.replaceAll("  /", "  ");
  const list = join(tempFolder(), "list");
  writeFileSync(list, digests);
  expect(run(requireTool(context, "sha256sum"), ["--quiet", "-c", list], { cwd: folder }).stdout).toBe("");
});

test("a unified kernel image of systemd's stub and objcopy", (context) => {
  if (!existsSync(STUB)) context.skip(`${STUB} is not installed`);
  const initrd = initrdFixture("initramfs-tools", "6.12-amd64");
  const uki = join(tempFolder(), "uki.efi");
  const section = ["--add-section", `.initrd=${initrd}`, "--change-section-vma", `.initrd=${INITRD_ADDRESS}`];
  run(requireTool(context, "objcopy"), [...section, STUB, uki]);
  expect(lazyrd(["diff", initrd, uki])).toMatchObject({ stdout: "all files are the same\n", status: 0 });
});
