import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bzImagePayload, parseKernelImage } from "../../src/formats/bzimage/index.ts";
import { decompress } from "../../src/formats/compression/index.ts";
import {
  parseModule,
  readModuleSignature,
  slimModule,
  stripModuleSignature,
} from "../../src/formats/elf-module/index.ts";
import {
  driverModules,
  type ModuleDatabase,
  moduleCompression,
  moduleName,
  parseKernelConfig,
  parseModuleDatabase,
  planModules,
  readModuleChecks,
  requireFeatures,
} from "../../src/kernel/index.ts";
import { type KernelFlavour, kernelFixture } from "../support/fixtures.ts";
import { hostModules } from "../support/host-modules.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const FLAVOURS: readonly KernelFlavour[] = ["6.1-amd64", "6.1-cloud-amd64", "6.12-amd64"];
/** Every one would take minutes, since each needs a process; a prime, so that no folder is favoured. */
const SAMPLE_STEP = 53;
const FIRST_STAGE = ["virtio_pci", "virtio_blk", "erofs", "dm_verity", "overlay"].map((name) => ({
  name,
  reason: "first stage",
}));
const FIRST_STAGE_ORDER: Readonly<Record<string, string>> = {
  "6.1-amd64":
    "virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk crc32c_generic libcrc32c erofs reed_solomon dm_mod dm_bufio dm_verity overlay",
  "6.1-cloud-amd64":
    "virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk libcrc32c erofs reed_solomon dm_mod dm_bufio dm_verity overlay",
  "6.12-amd64": "virtio_blk crc32c_generic libcrc32c erofs reed_solomon dm_mod dm_bufio dm_verity overlay",
};

/** For readelf: what the kernel takes from a module. */
const WHAT_MATTERS = [
  ...["--wide", "--symbols", "--relocs"],
  ...[".text", ".rodata", "__versions", ".modinfo", ".gnu.linkonce.this_module"].flatMap((name) => ["-x", name]),
];

describe.each(FLAVOURS)("kernel %s", (flavour) => {
  const open = async () => {
    const { release, modules, vmlinuz, config } = kernelFixture(flavour);
    return { release, modules, vmlinuz, config, database: await parseModuleDatabase(hostModules(modules, release)) };
  };

  test("its image, configuration and features are known", async () => {
    const { release, vmlinuz, config, database } = await open();
    expect(parseKernelImage(readFileSync(vmlinuz))).toMatchObject({ kind: "bzimage", release, efi: true });
    const parsed = parseKernelConfig(readFileSync(config));
    expect(parsed.get("CONFIG_MODULE_SIG")).toBe("y");
    requireFeatures(database, ["erofs", "erofs-lz4", "dm", "dm-verity", "overlay", "loop", "sha256"], parsed);
    expect(database.warnings).toEqual([]);
  });

  test("it looks for the signers of modules in .platform, and Secure Boot locks it down", async () => {
    const { output } = await decompress(bzImagePayload(readFileSync((await open()).vmlinuz)));
    expect(readModuleChecks(output)).toMatchObject({
      checksSignatures: true,
      trustsPlatform: true,
      trustsMachine: true,
      locksDownBySecureBoot: true,
    });
  });

  test("the first stage loads exactly this", async () => {
    const plan = planModules((await open()).database, FIRST_STAGE);
    expect(plan.modules.map((module) => module.name).join(" ")).toBe(FIRST_STAGE_ORDER[flavour]);
    expect(plan.absent).toEqual([]);
  });

  test("modprobe loads the same modules in an order with the same constraints", async (context) => {
    const modprobe = requireTool(context, "modprobe");
    const { release, modules, database } = await open();
    const generic = driverModules(database, { kind: "set", set: "generic" }).map((wish) => wish.name);
    const sample = [...FIRST_STAGE.map((wish) => wish.name), ...generic, ...every(database.names, SAMPLE_STEP)];
    for (const name of sample.filter((candidate) => database.has(candidate))) {
      const folder = join(modules, "..", "..", "..");
      const { stdout } = run(modprobe, ["-d", folder, "-S", release, "--show-depends", name]);
      const theirs = [...stdout.matchAll(/^insmod (\S+)/gm)].map((line) => moduleName(line[1] ?? ""));
      // Without known needs: what modules do not say, modprobe cannot know.
      const ours = planModules(database, [{ name, reason: "sample" }], { needs: [] }).modules.map(({ name }) => name);
      checkOrder(database, ours);
      expect(
        database.dependencies(name).filter((dependency) => !theirs.includes(dependency)),
        name,
      ).toEqual([]);
      if (!hasSoftDependencies(database, name)) expect(ours, name).toEqual([...new Set(theirs)]);
    }
  });

  test("modinfo reads the same from modules, signed ones with and without their signature", async (context) => {
    const modinfo = requireTool(context, "modinfo");
    const openssl = requireTool(context, "openssl");
    const { modules, database } = await open();
    const folder = tempFolder();
    for (const name of [...FIRST_STAGE.map((wish) => wish.name), ...every(database.names, SAMPLE_STEP)]) {
      const path = database.path(name);
      if (path === undefined) continue;
      const file = join(modules, "..", "..", "..", path);
      const bytes = await unpacked(file);
      const info = parseModule(bytes);
      const plain = join(folder, `${name}.ko`);
      writeFileSync(plain, stripModuleSignature(bytes));
      for (const source of [file, plain]) {
        const field = (key: string) => run(modinfo, ["-F", key, source]).stdout.split("\n").filter(Boolean);
        expect(field("alias"), name).toEqual([...info.aliases]);
        expect(field("depends"), name).toEqual(info.depends.length === 0 ? [] : [info.depends.join(",")]);
        expect(field("vermagic")[0]?.trim(), name).toBe(info.vermagic?.trim());
        expect(field("firmware"), name).toEqual([...info.firmware]);
        expect(field("softdep"), name).toEqual([...info.softdeps]);
        expect(field("license")[0], name).toBe(info.license);
      }
      const signature = readModuleSignature(bytes);
      expect(signature, name).toBeDefined();
      run(openssl, ["cms", "-inform", "DER", "-cmsout", "-noout"], { input: signature?.signatureBytes ?? bytes });
      expect(run(modinfo, ["-F", "sig_id", plain]).stdout, "nothing of the signature is left").toBe("");
      expect(run(modinfo, ["-F", "sig_id", file]).stdout.trim()).toBe("PKCS#7");
    }
  });

  test("strip leaves the same symbols and sections as slimModule, and readelf finds no fault", async (context) => {
    const strip = requireTool(context, "strip");
    const readelf = requireTool(context, "readelf");
    const { modules, database } = await open();
    const folder = tempFolder();
    let taken = 0;
    for (const name of [...FIRST_STAGE.map((wish) => wish.name), ...every(database.names, SAMPLE_STEP)]) {
      const path = database.path(name);
      if (path === undefined) continue;
      const module = stripModuleSignature(await unpacked(join(modules, "..", "..", "..", path)));
      const { content, untouched } = slimModule(module);
      expect(untouched, name).toBeUndefined();
      const [ours, theirs] = [join(folder, "ours.ko"), join(folder, "theirs.ko")];
      writeFileSync(ours, content);
      writeFileSync(theirs, module);
      const all = run(readelf, ["--all", "--wide", ours]);
      expect(all.stderr, name).toBe("");
      const gone = [".BTF", ".comment", ".note.GNU-stack", ".note.gnu.property"].filter(
        (section) => !all.stdout.includes(` ${section} `),
      );
      run(strip, ["--strip-unneeded", ...gone.flatMap((section) => ["--remove-section", section]), theirs]);
      const [read, expected] = [ours, theirs].map((file) => run(readelf, [...WHAT_MATTERS, file]).stdout);
      expect(withoutOffsets(read), name).toEqual(withoutOffsets(expected));
      taken += module.length - content.length;
    }
    expect(taken).toBeGreaterThan(0);
  });

  test("depmod finds the dependencies and aliases that a bare folder gives", async () => {
    const { release, modules, database } = await open();
    const bare = hostModules(modules, release, ["modules.dep", "modules.alias", "modules.softdep"]);
    // Only a part of the kernel is decompressed: the whole of it would take a minute.
    const kept = new Set(planModules(database, FIRST_STAGE).modules.map((module) => module.path));
    for (const { path, node } of [...bare.walk()]) {
      if (node.kind === "file" && path.includes(".ko") && !kept.has(path)) bare.remove(path);
    }
    const scanned = await parseModuleDatabase(bare, {
      decompress: async (bytes) => (await decompress(bytes)).output,
    });
    expect(
      planModules(scanned, FIRST_STAGE)
        .modules.map((module) => module.name)
        .sort(),
    ).toEqual(
      planModules(database, FIRST_STAGE)
        .modules.map((module) => module.name)
        .sort(),
    );
    for (const name of scanned.names) {
      expect([...scanned.dependencies(name)].sort(), name).toEqual([...database.dependencies(name)].sort());
      expect(scanned.aliasesOf(name).sort(), name).toEqual(database.aliasesOf(name).sort());
      expect(scanned.softDependencies(name), name).toEqual(database.softDependencies(name));
    }
  });
});

function every(names: readonly string[], step: number): string[] {
  return names.filter((_, index) => index % step === 0);
}

function hasSoftDependencies(database: ModuleDatabase, name: string): boolean {
  return [name, ...database.dependencies(name)].some((member) => {
    const { pre, post } = database.softDependencies(member);
    return pre.length + post.length > 0;
  });
}

function checkOrder(database: ModuleDatabase, order: readonly string[]): void {
  for (const [index, name] of order.entries()) {
    const before = new Set(order.slice(0, index));
    expect(database.dependencies(name).filter((dependency) => !before.has(dependency))).toEqual([]);
  }
}

async function unpacked(file: string): Promise<Uint8Array> {
  const content = readFileSync(file);
  return moduleCompression(file) === "none" ? content : (await decompress(content)).output;
}

/** Where each table of relocations lies in the file does not matter. */
function withoutOffsets(listing = ""): string[] {
  return listing.split("\n").map((line) => line.replace(/ at offset 0x[0-9a-f]+/, ""));
}
