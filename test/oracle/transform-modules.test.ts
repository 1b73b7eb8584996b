import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { unpackModule } from "../../src/build/first-stage.ts";
import { stripModuleSignature } from "../../src/formats/elf-module/index.ts";
import { encodeKmodIndex, parseKmodIndex } from "../../src/formats/kmod-index/index.ts";
import { readHostTree } from "../../src/host/index.ts";
import { transformTree } from "../../src/transform/index.ts";
import { writeFiles } from "../support/build-inputs.ts";
import { kernelFixture } from "../support/fixtures.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const WISHES = { drop: [], modules: undefined, fileContexts: undefined, capabilities: undefined, base: undefined };
/** What depmod reads besides the modules. */
const KERNEL_LISTS = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];
/** Enough for dependencies across folders, and not 300 MB when unpacked. */
const FOLDERS = ["kernel/fs", "kernel/lib", "kernel/crypto", "kernel/block", "kernel/drivers/md"];

test.each(["6.12-amd64", "6.1-amd64", "6.1-cloud-amd64"] as const)(
  "the indexes of %s are written as depmod writes them",
  (flavour) => {
    const { modules } = kernelFixture(flavour);
    const indexes = readdirSync(modules).filter((name) => name.endsWith(".bin"));
    expect(indexes).toEqual(expect.arrayContaining(["modules.alias.bin", "modules.dep.bin", "modules.symbols.bin"]));
    for (const name of indexes) {
      const bytes = readFileSync(join(modules, name));
      const entries = parseKmodIndex(bytes);
      expect(entries.length).toBeGreaterThan(0);
      expect(Buffer.from(encodeKmodIndex(entries)).equals(bytes), name).toBe(true);
    }
  },
);

test("unpacked modules: the lists are depmod's own, byte for byte, and kmod finds its way", async (context) => {
  const [depmod, modprobe, modinfo] = ["depmod", "modprobe", "modinfo"].map((name) => requireTool(context, name));
  const { modules, release } = kernelFixture("6.12-amd64");
  const [packed, unpacked] = [tempFolder(), tempFolder()];
  const folder = `lib/modules/${release}`;
  for (const name of [...FOLDERS, ...KERNEL_LISTS]) {
    cpSync(join(modules, name), join(packed, folder, name), { recursive: true });
  }
  run(depmod ?? "", ["-b", packed, release]);
  expect(readFileSync(join(packed, folder, "modules.dep"), "latin1")).toContain("btrfs.ko.xz:");

  const prepare = async (file: Uint8Array) => stripModuleSignature(await unpackModule(file));
  const modulesWish = { purpose: "unpacks", prepare };
  const { tree, warnings } = await transformTree(readHostTree(packed), { ...WISHES, modules: modulesWish }, "/init");
  expect(warnings).toEqual([]);
  const files: Record<string, Uint8Array> = {};
  for (const { path, node } of tree.walk())
    if (node.kind === "file") files[path] = node.content.read(0, node.content.size);
  mkdirSync(unpacked, { recursive: true });
  writeFiles(unpacked, files);
  expect(existsSync(join(unpacked, folder, "kernel/fs/btrfs/btrfs.ko"))).toBe(true);

  const ours = (name: string) => readFileSync(join(unpacked, folder, name));
  const [dep, index, order] = ["modules.dep", "modules.dep.bin", "modules.order"].map(ours);
  const needs = run(modprobe ?? "", ["-d", unpacked, "-S", release, "--show-depends", "btrfs"]).stdout;
  const path = join(unpacked, folder, "kernel/fs/btrfs/btrfs.ko");
  expect(needs.trimEnd().split("\n").at(-1)?.trimEnd()).toBe(`insmod ${path}`);
  expect(needs).toContain("/raid6_pq.ko");
  expect(needs).not.toContain(".ko.xz");
  expect(run(modinfo ?? "", ["-b", unpacked, "-k", release, "-F", "filename", "btrfs"]).stdout.trim()).toBe(path);
  expect(run(modinfo ?? "", ["-b", unpacked, "-k", release, "-F", "signer", "btrfs"]).stdout.trim()).toBe("");

  run(depmod ?? "", ["-b", unpacked, release]);
  expect(dep?.equals(ours("modules.dep"))).toBe(true);
  expect(index?.equals(ours("modules.dep.bin"))).toBe(true);
  expect(order?.equals(ours("modules.order"))).toBe(true);
});
