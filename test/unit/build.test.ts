import { createHash, createHmac } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildGeneration, OWN_NAMES, parseManifest } from "../../src/build/index.ts";
import {
  customGuid,
  FormatError,
  fromHex,
  guidFromTextOrder,
  MemorySource,
  toHex,
  UsageError,
} from "../../src/bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { readDdi } from "../../src/formats/ddi/index.ts";
import { readErofs } from "../../src/formats/erofs/index.ts";
import { verifyVerity } from "../../src/formats/verity/index.ts";
import { FileSource, OutputFolder } from "../../src/host/index.ts";
import { optionOf } from "../../src/plan/index.ts";
import { kindOfMode, regularFile, Tree } from "../../src/tree/index.ts";
import { encodeArchive, sampleInitrd, sampleInitrdTree, sampleModuleFiles } from "../support/build-inputs.ts";
import {
  type BuiltGeneration,
  build,
  fileContent,
  firstStageContent,
  PROGRAM,
  sampleBuild,
  sampleConfig,
} from "../support/built-generation.ts";
import { sampleProgram } from "../support/elf-samples.ts";
import { sampleBzImage, sampleModules, signSample } from "../support/kernel-samples.ts";
import { tempFolder } from "../support/temp.ts";

const FILES = ["first-stage.cpio", "image.raw", "manifest.json", "plan", "vmlinuz"];

async function firstStageOf({ read }: BuiltGeneration) {
  const initramfs = await readInitramfs(read("first-stage.cpio"));
  const { tree, warnings } = treeOfInitramfs(initramfs);
  expect([...initramfs.warnings, ...warnings]).toEqual([]);
  return { initramfs, tree, ...firstStageContent(tree) };
}

describe("a generation", () => {
  test("has these files, all of them in its manifest", async () => {
    const generation = await build(await sampleBuild());
    expect(readdirSync(generation.folder).sort()).toEqual(FILES);
    const manifest = parseManifest(generation.read("manifest.json").toString());
    expect(manifest).toEqual({ version: 1, ...generation.manifest });
    expect(Object.keys(manifest.files).sort()).toEqual(FILES.filter((name) => name !== "manifest.json"));
    for (const [name, { sizeBytes, sha256 }] of Object.entries(manifest.files)) {
      const content = generation.read(name);
      expect([content.length, createHash("sha256").update(content).digest("hex")], name).toEqual([sizeBytes, sha256]);
    }
    expect(generation.warnings).toEqual([]);
    expect(manifest).toMatchObject({
      generator: "lazyrd test",
      kernel: { release: "6.12.1-test", architecture: "x86_64" },
      nextStage: { kind: "systemd", init: "/init" },
    });
  });

  test("is the same whenever it is built from the same", async () => {
    const [first, second] = [await build(await sampleBuild()), await build(await sampleBuild())];
    for (const name of FILES) expect(first.read(name).equals(second.read(name)), name).toBe(true);
  });

  test("has an image of its own for each initrd", async () => {
    const tree = sampleInitrdTree();
    tree.set("more", regularFile(Buffer.from("1")));
    const initrd = { path: "other.img", source: new MemorySource(encodeArchive(tree)) };
    const [first, second] = [await build(await sampleBuild()), await build(await sampleBuild({ initrd }))];
    const facts = [first, second].map(({ manifest }) => [manifest.image.rootHash, manifest.image.salt]);
    expect(new Set(facts.flat()).size).toBe(4);
  });

  test("has the kernel as it was, and the plan beside the first stage as in it", async () => {
    const generation = await build(await sampleBuild());
    const { tree } = await firstStageOf(generation);
    expect(generation.read("vmlinuz").equals(sampleBzImage())).toBe(true);
    expect(generation.read("plan").equals(fileContent(tree.get("lazyrd/plan")))).toBe(true);
  });

  test("follows the settings", async () => {
    const config = sampleConfig({
      "first-stage": { compression: "none" },
      boot: {
        "command-line": "quiet",
        timeout: 7,
        "on-corruption": "reboot",
        "on-failure": "panic",
        "failure-delay": 9,
      },
    });
    const generation = await build(await sampleBuild({ config }));
    const { initramfs, steps } = await firstStageOf(generation);
    expect(initramfs.segments.map(({ method }) => method)).toEqual(["none", "none"]);
    expect(generation.manifest.commandLine).toBe("quiet");
    const lines = steps.map(({ verb, words }) => [verb, ...words].join(" "));
    expect(lines[0]).toBe("failure panic after=9s");
    expect(lines.filter((line) => line.includes("timeout=7s"))).toHaveLength(2);
    expect(lines.some((line) => line.includes("on-corruption=reboot"))).toBe(true);
  });
});

describe("the image", () => {
  test("is found by the root hash, has the numbers of the plan, and verifies", async () => {
    const generation = await build(await sampleBuild());
    const { image } = generation.manifest;
    const { trees, warnings } = readDdi(new MemorySource(generation.read("image.raw")));
    expect(warnings).toEqual([]);
    const [data] = trees;
    expect(trees).toHaveLength(1);
    expect(data).toMatchObject({ designator: "root", architecture: "x86-64" });

    const rootHash = fromHex(image.rootHash);
    expect(data?.data.partition.partitionGuid).toBe(guidFromTextOrder(rootHash.subarray(0, 16)));
    expect(data?.verity?.partition.partitionGuid).toBe(guidFromTextOrder(rootHash.subarray(16)));
    expect(toHex(data?.verity?.rootHash ?? new Uint8Array())).toBe(image.rootHash);
    expect(data?.verity?.info).toMatchObject({ dataBlocks: image.dataBlocks, salt: fromHex(image.salt) });

    const { steps } = await firstStageOf(generation);
    const verity = steps.find(({ verb }) => verb === "verity");
    const options = ["data-blocks", "hash-start", "root-hash", "salt"].map((key) => verity && optionOf(verity, key));
    expect(options).toEqual([String(image.dataBlocks), "1", image.rootHash, image.salt]);
    const partitions = steps.filter(({ verb }) => verb === "device").map((step) => optionOf(step, "partuuid"));
    expect(partitions).toEqual([image.dataPartition, image.hashPartition]);
    expect(partitions).toEqual([data?.data.partition.partitionGuid, data?.verity?.partition.partitionGuid]);
    if (data?.verity === undefined) throw new Error("The image has no hash tree");
    verifyVerity(data.data.source, data.verity.source, rootHash);
  });

  test("has a salt and UUIDs that follow from the inputs, each for its purpose", async () => {
    const generation = await build(await sampleBuild());
    const initrd = createHash("sha256")
      .update(await sampleInitrd())
      .digest("hex");
    const seed = createHash("sha256").update(`initrd ${initrd}\n`).digest();
    const derived = (purpose: string) => createHmac("sha256", seed).update(`lazyrd-${purpose}`).digest();
    expect(generation.manifest.image.salt).toBe(toHex(derived("verity-salt")));
    const [tree] = readDdi(new MemorySource(generation.read("image.raw"))).trees;
    if (tree?.verity === undefined) throw new Error("The image has no hash tree");
    expect(readErofs(tree.data.source).superblock.uuid).toBe(customGuid(derived("erofs").subarray(0, 16)));
    expect(tree.verity.info.uuid).toBe(customGuid(derived("verity").subarray(0, 16)));
  });

  test("says which profile it is laid out for, and depends on it", async () => {
    const bytes = Buffer.from("lazyrd-profile 1\n/init 0+1\n/gone\n");
    const profile = { path: "boot.profile", bytes };
    const generation = await build(await sampleBuild({ profile }));
    const plain = await build(await sampleBuild());
    expect(generation.manifest.inputs["profile"]).toEqual({
      sizeBytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    });
    expect(plain.manifest.inputs["profile"]).toBeUndefined();
    expect(generation.manifest.image.salt).not.toBe(plain.manifest.image.salt);
    expect(generation.read("plan").toString()).toMatch(/^mount root \S+ erofs prefetch=[1-9]/m);
    expect(plain.read("plan").toString()).toMatch(/^mount root \S+ erofs$/m);
    expect(generation.warnings).toContainEqual(expect.stringContaining("1 of 2 paths are not in the initrd, /gone"));
    const damaged = { path: "boot.profile", bytes: bytes.subarray(0, 30) };
    await expect(build(await sampleBuild({ profile: damaged }))).rejects.toThrow(/boot\.profile: .*line 3/);
  });

  test("has everything of the initrd but its early segments", async () => {
    const early = new Tree();
    early.setWithParents("kernel/x86/microcode/GenuineIntel.bin", regularFile(Buffer.from("microcode")));
    const bytes = Buffer.concat([encodeArchive(early), await sampleInitrd()]);
    const initrd = { path: "initrd.img", source: new MemorySource(bytes) };
    const generation = await build(await sampleBuild({ initrd }));
    const { trees } = readDdi(new MemorySource(generation.read("image.raw")));
    const source = trees[0]?.data.source;
    if (source === undefined) throw new Error("The image has no tree");
    const paths = [...readErofs(source).tree().walk()].map(({ path }) => path);
    expect(paths).toEqual([...sampleInitrdTree().walk()].map(({ path }) => path));

    const { initramfs, steps } = await firstStageOf(generation);
    expect(initramfs.segments.map((segment) => segment.early)).toEqual([true, false, false]);
    expect(steps.find(({ verb }) => verb === "forward")?.words).toEqual(["/lazyrd/new", "skip=kernel"]);
  });
});

describe("the first stage", () => {
  test("has a program, a plan, drivers, and each module that these name exactly once", async () => {
    const { initramfs, tree, named, carried } = await firstStageOf(await build(await sampleBuild()));
    expect(fileContent(tree.get("init")).equals(PROGRAM)).toBe(true);
    expect(tree.get("init")).toMatchObject({ permissions: 0o755, uid: 0, gid: 0, mtime: 0 });
    expect([...named].sort()).toEqual(["dm_mod", "dm_verity", "erofs", "overlay", "virtio_blk"]);
    expect([...carried].sort()).toEqual([...named].sort());
    const entries = initramfs.segments.flatMap(({ archive }) => archive.entries);
    const files = entries.filter(({ mode }) => kindOfMode(mode) !== "directory").map(({ name }) => name);
    expect(new Set(files).size).toBe(files.length);
  });

  test.each(["keep", "strip"] as const)("has modules unpacked, signatures as told: %s", async (signatures) => {
    const files = sampleModuleFiles();
    const path = "kernel/fs/erofs/erofs.ko";
    const plain = files[path] as Uint8Array;
    const signed = signSample(plain, Buffer.alloc(300, 1));
    const modules = [{ path: "modules", tree: sampleModules({ ...files, [path]: signed }) }];
    const generation = await build(await sampleBuild({ modules, config: sampleConfig({ modules: { signatures } }) }));
    const content = fileContent((await firstStageOf(generation)).tree.get("lazyrd/modules/erofs.ko"));
    expect(content.equals(signatures === "keep" ? signed : plain)).toBe(true);
    const explained = generation.manifest.explanation.modules.find(({ name }) => name === "erofs");
    expect(explained?.sizeBytes).toBe(content.length);
  });

  test("takes the initrd's own modules where there are no others", async () => {
    const tree = sampleInitrdTree();
    for (const { path, node } of sampleModules(sampleModuleFiles()).walk()) {
      if (node.kind === "file") tree.setWithParents(path, node);
    }
    const initrd = { path: "initrd.img", source: new MemorySource(encodeArchive(tree)) };
    const { carried } = await firstStageOf(await build(await sampleBuild({ modules: [], initrd })));
    expect(carried).toContain("erofs");
  });
});

describe("a shell for the first stage", () => {
  const withShell = async (bytes: Uint8Array) => build(await sampleBuild({ shell: { path: "sh", bytes } }));

  test("comes along, and is named among the inputs", async () => {
    const bytes = sampleProgram();
    const generation = await withShell(bytes);
    const { tree } = await firstStageOf(generation);
    expect(fileContent(tree.get("lazyrd/sh")).equals(bytes)).toBe(true);
    expect(tree.get("lazyrd/sh")?.permissions).toBe(0o755);
    expect(generation.manifest.inputs["shell"]?.sizeBytes).toBe(bytes.length);
    // Nothing else changes: the image is the same with and without it.
    expect(generation.manifest.image).toEqual((await build(await sampleBuild())).manifest.image);
  });

  test.each([
    ["needs libraries", sampleProgram({ types: [3] }), /sh as a shell: it needs libraries/],
    ["is for another machine", sampleProgram({ header: { e_machine: 183 } }), /sh as a shell: it is not for x86-64/],
    ["is no program", Buffer.from("#!/bin/sh".padEnd(99)), /sh: ELF program: /],
  ])("is refused when it %s", async (_, bytes, message) => {
    await expect(withShell(bytes)).rejects.toThrow(message);
  });
});

describe("inputs that cannot be used", () => {
  const refused = async (given: Parameters<typeof sampleBuild>[0]): Promise<unknown> => {
    const inputs = await sampleBuild(given);
    const parent = tempFolder();
    const output = new OutputFolder(join(parent, "generation"), OWN_NAMES);
    const error = await buildGeneration(inputs, output, () => undefined).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    output.discard();
    expect(readdirSync(parent)).toEqual([]);
    return error;
  };

  test.each([
    ["no kernel", { kernel: { path: "k", bytes: new Uint8Array(2000) } }, FormatError, /^k: /],
    [
      "an empty initrd",
      { initrd: { path: "i", source: new MemorySource(new Uint8Array(100)) } },
      FormatError,
      /^i: initrd: Cannot find a program/,
    ],
    ["no initrd", { initrd: { path: "i", source: new MemorySource(Buffer.from("text")) } }, FormatError, /^i: /],
    [
      "modules of another release",
      { kernel: { path: "k", bytes: sampleBzImage("5.0 #1") } },
      UsageError,
      /modules of kernel 5.0/,
    ],
    ["a driver that does not exist", { drivers: { kind: "list", names: ["nvme"] } }, UsageError, /nvme/],
  ] as const)("%s", async (_, given, kind, message) => {
    const error = await refused(given);
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toMatch(message);
  });
});

test("progress names the stages, and counts the image's bytes up to all of them", async () => {
  const output = new OutputFolder(join(tempFolder(), "generation"), OWN_NAMES);
  const stages: string[] = [];
  const measures: { doneBytes: number; totalBytes: number }[] = [];
  await buildGeneration(await sampleBuild(), output, (stage, measure) => {
    if (stages.at(-1) !== stage) stages.push(stage);
    if (measure !== undefined && stage === "writing the image") measures.push(measure);
  });
  output.commit();
  expect(stages).toEqual([
    "reading the initrd",
    "choosing modules",
    "compressing files",
    "writing the image",
    "writing the first stage",
  ]);
  const done = measures.map(({ doneBytes }) => doneBytes);
  expect(done).toEqual([...done].sort((a, b) => a - b));
  expect(measures.at(-1)?.doneBytes).toBeLessThanOrEqual(measures.at(-1)?.totalBytes ?? 0);
  const image = new FileSource(join(output.path, "image.raw"), "the image");
  expect(measures.every(({ totalBytes }) => totalBytes === image.size)).toBe(true);
  image.close();
});
