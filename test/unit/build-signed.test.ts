import { describe, expect, test } from "vitest";
import { signedImagesOf } from "../../src/build/signed-images.ts";
import { MemorySource, UsageError } from "../../src/bytes/index.ts";
import { readDdi } from "../../src/formats/ddi/index.ts";
import { versionOfSalt } from "../../src/formats/verity/index.ts";
import { inspectGeneration } from "../../src/inspect/index.ts";
import { rootHashChecks } from "../../src/kernel/index.ts";
import { layoutOf, stepLine } from "../../src/plan/index.ts";
import { sampleModuleFiles } from "../support/build-inputs.ts";
import { type BuiltGeneration, build, sampleBuild, sampleConfig } from "../support/built-generation.ts";
import { sampleModules } from "../support/kernel-samples.ts";

/** Code of a dm_verity that checks signatures with the keys of db, too; and of one that does not. */
const OPTION = "root_hash_sig_key_desc";
const DB = Buffer.from([0x6a, 0, 0x41, 0xb9, 5, 0, 0, 0, 0x41, 0xb8, 2, 0, 0, 0, 0xe8]);
const NOT_DB = Buffer.from([0x6a, 0, 0x41, 0xb9, 5, 0, 0, 0, 0x41, 0xb8, 1, 0, 0, 0, 0xe8]);

const signRootHash = () => ({ pkcs7: Buffer.from("signature") });
const REQUIRED = { required: true, floor: "" };

function linesOf({ manifest }: BuiltGeneration): string[] {
  return manifest.explanation.steps.map(({ line }) => line);
}

/** Inputs of a build whose plan takes signed images; the code is what dm_verity holds besides. */
async function signedBuild(
  signature: Partial<ReturnType<typeof sampleConfig>["image-signature"]> = REQUIRED,
  image: { version?: string; name?: string } = { version: "2.1" },
  code: readonly Uint8Array[] = [Buffer.from(OPTION), DB],
) {
  const files = sampleModuleFiles();
  const [path, module] = Object.entries(files).find(([name]) => name.endsWith("dm-verity.ko")) ?? [];
  if (path === undefined || module === undefined) throw new Error("The sample kernel has no dm_verity");
  const modules = sampleModules({ ...files, [path]: Buffer.concat([Buffer.from(module), ...code]) });
  return sampleBuild({
    config: sampleConfig({ "image-signature": signature, image }),
    modules: [{ path: "modules", tree: modules }],
    signRootHash,
  });
}

describe("an image with a version", () => {
  test("has it in its labels and, behind 32 bytes, in its salt", async () => {
    const plain = await build(await sampleBuild());
    const config = sampleConfig({ image: { name: "edge", version: "2.1" } });
    const generation = await build(await sampleBuild({ config, signRootHash }));
    const { gpt, trees } = readDdi(new MemorySource(generation.read("image.raw")));
    expect(gpt.partitions.map(({ name }) => name)).toEqual(["edge_2.1", "edge_2.1_verity", "edge_2.1_verity-sig"]);
    const { salt } = generation.manifest.image;
    expect(versionOfSalt(trees[0]?.verity?.info.salt ?? new Uint8Array())).toBe("2.1");
    expect(salt.slice(0, 64)).toBe(plain.manifest.image.salt);
    expect(generation.manifest.image.rootHash).not.toBe(plain.manifest.image.rootHash);
  });
});

describe("a plan that takes signed images", () => {
  test("finds them by type and label", async () => {
    const lines = linesOf(await build(await signedBuild({ required: true, floor: "1.9" })));
    expect(lines).toContain(
      "signed root type=41092b05-9fc8-4523-994f-2def0408b176 label=lazyrd floor=1.9 timeout=30s on-corruption=panic read-ahead=64",
    );
    expect(lines.some((line) => /^(device|verity) /.test(line))).toBe(false);
  });

  test("finds a /usr by the type of its signature", () => {
    const signed = signedImagesOf({
      config: sampleConfig({ layout: "usr", "image-signature": REQUIRED, image: { version: "1" } }),
      architecture: "x86-64",
      layout: layoutOf("usr"),
      isSigned: true,
    });
    expect(signed?.signatureType).toBe("e7bb33fb-06cf-4e81-8273-e543b413e2e2");
  });

  test.each<[string, Parameters<typeof signedBuild>, RegExp]>([
    ["a floor without it", [{ floor: "1" }], /Cannot use image-signature\.floor/],
    ["no version", [REQUIRED, {}], /this one has no version/],
    ["a floor above the version", [{ required: true, floor: "2.2" }], /this one, 2\.1, is older than the floor 2\.2/],
    ["a kernel that checks none", [REQUIRED, undefined, [DB]], /lacks CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG$/],
    [
      "a kernel that does not look into db",
      [REQUIRED, undefined, [Buffer.from(OPTION), NOT_DB]],
      /lacks CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG_PLATFORM_KEYRING, so that keys in Secure Boot's db do not count/,
    ],
  ])("is refused with %s", async (_, given, message) => {
    const inputs = await signedBuild(...given);
    await expect(build(inputs)).rejects.toThrow(message);
    await expect(build(inputs)).rejects.toThrow(UsageError);
  });

  test("is refused without a key, and where the layout finds no such images", async () => {
    const { signRootHash: _, ...unsigned } = await signedBuild();
    await expect(build(unsigned)).rejects.toThrow(/this one would have none/);
    const config = sampleConfig({ layout: "memory", "image-signature": REQUIRED, image: { version: "1" } });
    await expect(build({ ...(await signedBuild()), config })).rejects.toThrow(/the layout "memory" finds none/);
  });

  test("need not look into db where the key is elsewhere", async () => {
    const given = await signedBuild({ ...REQUIRED, keyring: "machine" }, undefined, [Buffer.from(OPTION), NOT_DB]);
    expect((await build(given)).warnings).toEqual([]);
  });
});

test("code that only looks like a check with db's keys is none", () => {
  expect(rootHashChecks(DB)).toEqual({ checksSignatures: false, trustsPlatform: false });
  const apart = Buffer.concat([Buffer.from(OPTION), DB.subarray(8), Buffer.alloc(100), DB.subarray(0, 8)]);
  expect(rootHashChecks(apart)).toEqual({ checksSignatures: true, trustsPlatform: false });
});

describe("a plan that falls back", () => {
  test("has the images of earlier generations as candidates", async () => {
    const [first, second] = [
      await build(await sampleBuild()),
      await build(await sampleBuild({ config: sampleConfig({ image: { version: "1" } }) })),
    ];
    const built = await build(
      await sampleBuild({ previous: [first, second], config: sampleConfig({ image: { version: "2" } }) }),
    );
    const lines = linesOf(built);
    const start = lines.indexOf("candidate new");
    const stepsOf = (generation: BuiltGeneration) =>
      generation.manifest.explanation.steps
        .map(({ line }) => line)
        .filter((line) => /^(device|verity|mount) /.test(line))
        .map((line) => line.replace("timeout=30s", "timeout=3s"));
    const partitions = [built, first, second].map(({ manifest }) => manifest.image.dataPartition);
    expect(lines[start - 1]).toBe(`device any partuuid=${partitions.join(",")} timeout=30s`);
    const own = lines.slice(start + 1, start + 5);
    expect(own[2]).toContain(built.manifest.image.rootHash);
    expect(lines.slice(start + 5, start + 16)).toEqual([
      "candidate previous",
      ...stepsOf(first),
      "candidate previous-2",
      ...stepsOf(second),
      "end",
    ]);
    expect(lines.at(-1)).toBe(stepLine({ verb: "switch", words: ["/lazyrd/new", "/init"] }));
    expect((await inspectGeneration(built.folder)).problems).toEqual([]);
  });

  test("has signed images first, then those it knows", async () => {
    const first = await build(await sampleBuild());
    const lines = linesOf(await build({ ...(await signedBuild()), previous: [first] }));
    expect(
      lines.filter((line) => /^(candidate|signed|verity|end)/.test(line)).map((line) => line.split(" ", 2).join(" ")),
    ).toEqual(["candidate new", "signed root", "candidate previous", "verity root", "end"]);
  });

  test.each([
    ["another layout", { layout: "memory" }, /its image is laid out for "memory", not for "partition"/],
    [
      "another kernel",
      { kernel: { release: "6.1", architecture: "x86_64" } },
      /made for kernel 6\.1, not for 6\.12\.1-test/,
    ],
    ["another init", { nextStage: { kind: "script", init: "/init" } }, /its initrd begins in another way/],
  ])("does not fall back to %s", async (_, change, message) => {
    const { folder, manifest } = await build(await sampleBuild());
    const previous = [{ folder, manifest: { ...manifest, ...change } as typeof manifest }];
    await expect(build(await sampleBuild({ previous }))).rejects.toThrow(message);
  });
});
