import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromHex, guidFromTextOrder, MemorySource, toHex } from "../../src/bytes/index.ts";
import { detectCompression } from "../../src/formats/compression/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { readDdi } from "../../src/formats/ddi/index.ts";
import { parseModule, readModuleSignature } from "../../src/formats/elf-module/index.ts";
import { hostFolder, packageFile } from "../../src/host/index.ts";
import { optionOf } from "../../src/plan/index.ts";
import { kindOfMode } from "../../src/tree/index.ts";
import { build, fileContent, firstStageContent, sampleBuild, sampleConfig } from "../support/built-generation.ts";
import { type KernelFlavour, kernelFixture } from "../support/fixtures.ts";

const FLAVOURS: readonly KernelFlavour[] = ["6.1-amd64", "6.1-cloud-amd64", "6.12-amd64"];

async function buildFor(flavour: KernelFlavour, given: Parameters<typeof sampleBuild>[0] = {}) {
  const { vmlinuz, modules } = kernelFixture(flavour);
  const generation = await build(
    await sampleBuild({
      kernel: { path: vmlinuz, bytes: readFileSync(vmlinuz) },
      modules: [{ path: modules, tree: hostFolder(modules) }],
      firstStageProgram: () => readFileSync(packageFile("dist/first-stage/init-x86_64")),
      ...given,
    }),
  );
  const initramfs = await readInitramfs(generation.read("first-stage.cpio"));
  const { tree, warnings } = treeOfInitramfs(initramfs);
  return { generation, initramfs, tree, warnings };
}

describe.each(FLAVOURS)("a small initrd with kernel %s", (flavour) => {
  test("gives the same bytes twice", async () => {
    const [first, second] = [await buildFor(flavour), await buildFor(flavour)];
    for (const name of ["vmlinuz", "first-stage.cpio", "image.raw", "plan", "manifest.json"]) {
      expect(first.generation.read(name).equals(second.generation.read(name)), name).toBe(true);
    }
  });

  test("the first stage has each module that plan and drivers name exactly once, unpacked and for this kernel", async () => {
    const { initramfs, tree, warnings } = await buildFor(flavour);
    expect([...initramfs.warnings, ...warnings]).toEqual([]);
    const { named, carried } = firstStageContent(tree);
    expect([...carried].sort()).toEqual([...named].sort());
    // Directories stand in each segment that has something in them.
    const entries = initramfs.segments.flatMap(({ archive }) => archive.entries);
    const names = entries.filter(({ mode }) => kindOfMode(mode) !== "directory").map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const { release } = kernelFixture(flavour);
    for (const name of carried) {
      const content = fileContent(tree.get(`lazyrd/modules/${name}.ko`));
      expect(detectCompression(content), name).toBeUndefined();
      expect(parseModule(content).vermagic?.split(" ", 1), name).toEqual([release]);
      expect(readModuleSignature(content), name).toBeDefined();
    }
    const program = readFileSync(packageFile("dist/first-stage/init-x86_64"));
    expect(fileContent(tree.get("init")).equals(program)).toBe(true);
  });

  test("strip leaves no signature", async () => {
    const config = sampleConfig({ modules: { signatures: "strip" } });
    const { tree } = await buildFor(flavour, { config });
    const { carried } = firstStageContent(tree);
    const signed = carried.filter((name) => {
      return readModuleSignature(fileContent(tree.get(`lazyrd/modules/${name}.ko`))) !== undefined;
    });
    expect([carried.length > 0, signed]).toEqual([true, []]);
  });

  test("the image's partitions are named by the root hash that plan and manifest have", async () => {
    const { generation, tree } = await buildFor(flavour);
    const { image } = generation.manifest;
    const ddi = readDdi(new MemorySource(generation.read("image.raw")));
    const verity = ddi.trees[0]?.verity;
    const halves = [fromHex(image.rootHash).subarray(0, 16), fromHex(image.rootHash).subarray(16)].map(
      guidFromTextOrder,
    );
    expect([image.dataPartition, image.hashPartition]).toEqual(halves);
    expect([ddi.trees[0]?.data.partition.partitionGuid, verity?.partition.partitionGuid]).toEqual(halves);
    const step = firstStageContent(tree).steps.find(({ verb }) => verb === "verity");
    expect(step && ["root-hash", "data-blocks", "salt"].map((key) => optionOf(step, key))).toEqual([
      image.rootHash,
      String(verity?.info.dataBlocks),
      toHex(verity?.info.salt ?? new Uint8Array()),
    ]);
  });
});
