import { describe, expect, test } from "vitest";
import { byteStringBytes, UsageError } from "../../src/bytes/index.ts";
import {
  driverModules,
  fnmatch,
  normaliseAlias,
  parseBuiltinModinfo,
  parseKernelConfig,
  parseModuleDatabase,
  parseModulesAlias,
  parseModulesBuiltin,
  parseModulesDep,
  parseModulesSoftdep,
  parseModulesWeakdep,
  planModules,
  requireFeatures,
} from "../../src/kernel/index.ts";
import { directory, symlink } from "../../src/tree/index.ts";
import { sampleModule, sampleModules } from "../support/kernel-samples.ts";

/** The part of Debian's 6.1 that matters to a first stage. */
const FILES = {
  "modules.dep": [
    "kernel/fs/erofs/erofs.ko: kernel/lib/libcrc32c.ko",
    "kernel/lib/libcrc32c.ko:",
    "kernel/crypto/crc32c_generic.ko:",
    "kernel/arch/x86/crypto/crc32c-intel.ko:",
    "kernel/drivers/md/dm-verity.ko: kernel/drivers/md/dm-bufio.ko kernel/drivers/md/dm-mod.ko kernel/lib/reed_solomon.ko",
    "kernel/drivers/md/dm-bufio.ko: kernel/drivers/md/dm-mod.ko",
    "kernel/drivers/md/dm-mod.ko:",
    "kernel/lib/reed_solomon.ko:",
    "kernel/drivers/block/virtio_blk.ko:",
  ].join("\n"),
  "modules.alias": [
    "# Aliases extracted from modules themselves.",
    "alias crypto-crc32c crc32c_intel",
    "alias crc32c crc32c_intel",
    "alias crypto-crc32c crc32c_generic",
    "alias crc32c crc32c_generic",
    "alias virtio:d00000002v* virtio_blk",
  ].join("\n"),
  "modules.softdep": "softdep libcrc32c pre: crc32c\n",
  "modules.builtin": "kernel/crypto/sha256_generic.ko\nkernel/fs/overlayfs/overlay.ko\n",
  "modules.builtin.modinfo": "sha256_generic.alias=crypto-sha256\0sha256_generic.file=crypto/sha256_generic\0",
  "kernel/fs/erofs/erofs.ko": "",
  "kernel/lib/libcrc32c.ko": "",
  "kernel/crypto/crc32c_generic.ko": "",
  "kernel/arch/x86/crypto/crc32c-intel.ko": "",
  "kernel/drivers/md/dm-verity.ko": "",
  "kernel/drivers/md/dm-bufio.ko": "",
  "kernel/drivers/md/dm-mod.ko": "",
  "kernel/lib/reed_solomon.ko": "",
  "kernel/drivers/block/virtio_blk.ko": "",
};
const WANTED = [
  { name: "erofs", reason: "image" },
  { name: "dm-verity", reason: "verity" },
  { name: "overlay", reason: "writable layer" },
];

describe("files of depmod", () => {
  test.each([
    ["modules.dep", parseModulesDep, "a.ko:\n\nb.ko c.ko\n", /modules.dep: Cannot read line 3, "b.ko c.ko"/],
    ["modules.alias", parseModulesAlias, "# x\nalias onlytwo\n", /line 2/],
    ["modules.softdep", parseModulesSoftdep, "softdep\n", /line 1/],
    ["modules.weakdep", parseModulesWeakdep, "softdep a b\n", /line 1/],
    ["modules.builtin", parseModulesBuiltin, "kernel/a.ko\nkernel/b\n", /line 2/],
    ["modules.builtin.modinfo", parseBuiltinModinfo, "noname=1\0", /module.key=value/],
    ["modules.builtin.modinfo", parseBuiltinModinfo, "a.b=1", /NUL at its end/],
  ])("%s: a wrong line is named", (_, parse, text, message) => {
    expect(() => parse(byteStringBytes(text))).toThrow(message);
  });

  test("softdep: names in front of pre: and post: count for nothing, as in kmod", () => {
    expect(parseModulesSoftdep(byteStringBytes("softdep a-b x pre: c d post: e"))).toEqual([
      { module: "a_b", pre: ["c", "d"], post: ["e"] },
    ]);
  });

  test("alias: a pattern may hold blanks", () => {
    expect(parseModulesAlias(byteStringBytes("alias dmi*:svn A B:* a-b"))).toEqual([
      { pattern: "dmi*:svn A B:*", module: "a_b" },
    ]);
  });
});

describe("alias patterns", () => {
  test.each([
    ["pci:v*d*bc01sc06i01*", "pci:v00008086d00002922bc01sc06i01", true],
    ["usb:v04F9p*d*dc*ic08*", "usb:v04F9p0027d0000dc00ic07", false],
    ["usb:d[0-5]*", "usb:d4x", true],
    ["usb:d[!0-5]*", "usb:d4x", false],
    ["a[]]b", "a]b", true],
    ["a[b", "a[b", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "axb", false],
    ["*a*b*", "xxaxxbxx", true],
    ["?", "", false],
    ["", "", true],
    ["*/*", "a/b", true],
  ])("%s and %s", (pattern, text, matches) => {
    expect(fnmatch(pattern, text)).toBe(matches);
  });

  test("- becomes _ outside of brackets only", () => {
    expect(normaliseAlias("a-b[0-9]c-d")).toBe("a_b[0-9]c_d");
  });

  test("a hostile pattern takes no exponential time", () => {
    expect(fnmatch(`${"*a".repeat(200)}b`, "a".repeat(5000))).toBe(false);
  });
});

describe("database", () => {
  test("answers for names with - and _ alike, and keeps the file's own name", async () => {
    const database = await parseModuleDatabase(sampleModules(FILES));
    expect(database.release).toBe("6.12.1-test");
    expect(database.get("dm_verity")?.fileName).toBe("dm-verity.ko");
    expect(database.path("dm-verity")).toBe("usr/lib/modules/6.12.1-test/kernel/drivers/md/dm-verity.ko");
    expect(database.dependencies("dm-verity")).toEqual(["reed_solomon", "dm_mod", "dm_bufio"]);
    expect(database.directDependencies("dm_verity")).toEqual(["reed_solomon", "dm_bufio"]);
    expect([database.isBuiltin("overlay"), database.has("overlay"), database.has("ext4")]).toEqual([
      true,
      false,
      false,
    ]);
    expect(database.softDependencies("libcrc32c")).toEqual({ pre: ["crc32c"], post: [] });
    expect(database.aliasesOf("crc32c-intel")).toEqual(["crypto-crc32c", "crc32c"]);
    expect(database.resolveAlias("crypto_crc32c")).toEqual(["crc32c_intel", "crc32c_generic"]);
    expect(database.resolveAlias("crypto-sha256")).toEqual(["sha256_generic"]);
    expect(database.resolveAlias("virtio:d00000002v00001AF4")).toEqual(["virtio_blk"]);
  });

  test("a bare folder gives the same plan as depmod's files", async () => {
    const bare = sampleModules({
      "modules.builtin": FILES["modules.builtin"],
      "modules.builtin.modinfo": FILES["modules.builtin.modinfo"],
      "kernel/erofs.ko": sampleModule(["depends=libcrc32c"]),
      "kernel/libcrc32c.ko.gz": sampleModule(["softdep=pre: crc32c"]),
      "kernel/crc32c_generic.ko": sampleModule(["alias=crc32c", "alias=crypto-crc32c"]),
      "kernel/crc32c-intel.ko": sampleModule(["alias=crc32c", "alias=crypto-crc32c"]),
      "kernel/dm-verity.ko": sampleModule(["depends=reed_solomon,dm-bufio,dm-mod"]),
      "kernel/dm-bufio.ko": sampleModule(["depends=dm-mod"]),
      "kernel/dm-mod.ko": sampleModule([]),
      "kernel/reed_solomon.ko": sampleModule([]),
      "updates/dm-mod.ko": sampleModule([]),
    });
    const database = await parseModuleDatabase(bare, { decompress: async (bytes) => bytes });
    const reference = await parseModuleDatabase(sampleModules(FILES));
    const names = planModules(database, WANTED).modules.map((module) => module.name);
    expect(names).toEqual(planModules(reference, WANTED).modules.map((module) => module.name));
    expect(database.path("dm_mod")).toBe("usr/lib/modules/6.12.1-test/updates/dm-mod.ko");
    await expect(parseModuleDatabase(bare)).rejects.toThrow(/compressed/);
  });

  test("a circle in a bare folder is refused by its members", async () => {
    const tree = sampleModules({ "a.ko": sampleModule(["depends=b"]), "b.ko": sampleModule(["depends=a"]) });
    await expect(parseModuleDatabase(tree)).rejects.toThrow(/a needs b needs a/);
  });

  test("finds the folder through lib -> usr/lib once, and asks when there are two kernels", async () => {
    const tree = sampleModules(FILES);
    tree.set("lib", symlink("usr/lib"));
    expect((await parseModuleDatabase(tree)).release).toBe("6.12.1-test");
    const other = sampleModules(FILES, "6.1.0").resolve("usr/lib/modules/6.1.0");
    tree.set("usr/lib/modules/6.1.0", other ?? directory());
    await expect(parseModuleDatabase(tree)).rejects.toThrow(/choose between the modules of 6.1.0, 6.12.1-test/);
    expect((await parseModuleDatabase(tree, { release: "6.1.0" })).release).toBe("6.1.0");
    await expect(parseModuleDatabase(tree, { release: "5.0" })).rejects.toThrow(
      /there are those of 6.1.0, 6.12.1-test/,
    );
  });

  test("a module that an initrd left out is not there, and is reported", async () => {
    const tree = sampleModules(FILES);
    tree.remove("usr/lib/modules/6.12.1-test/kernel/lib/reed_solomon.ko");
    const database = await parseModuleDatabase(tree);
    expect(database.has("reed_solomon")).toBe(false);
    expect(database.warnings).toEqual([
      "modules.dep names usr/lib/modules/6.12.1-test/kernel/lib/reed_solomon.ko, which is not there",
    ]);
    expect(() => planModules(database, WANTED)).toThrow(/Cannot load reed_solomon.*dm_verity needs reed_solomon/);
  });
});

describe("plan", () => {
  test("loads what is needed first, one generic provider, and nothing that is built in", async () => {
    const plan = planModules(await parseModuleDatabase(sampleModules(FILES)), WANTED);
    expect(plan.modules.map((module) => module.name)).toEqual([
      "crc32c_generic",
      "libcrc32c",
      "erofs",
      "reed_solomon",
      "dm_mod",
      "dm_bufio",
      "dm_verity",
    ]);
    expect(plan.modules.every((module) => module.required)).toBe(true);
    expect(plan.modules[4]?.reasons).toEqual([
      "wanted by: verity",
      "dm_verity needs dm_bufio",
      "dm_bufio needs dm_mod",
    ]);
    expect(plan.builtin.map((module) => module.name)).toEqual(["sha256_generic", "overlay"]);
    expect(plan.absent).toEqual([]);
  });

  test("a built-in provider makes the others unnecessary", async () => {
    const files = {
      ...FILES,
      "modules.builtin": `${FILES["modules.builtin"]}kernel/crypto/crc32c_generic.ko\n`,
      "modules.builtin.modinfo": `${FILES["modules.builtin.modinfo"]}crc32c_generic.alias=crypto-crc32c\0crc32c_generic.alias=crc32c\0`,
      "modules.dep": FILES["modules.dep"].replace("kernel/crypto/crc32c_generic.ko:\n", ""),
    };
    const plan = planModules(await parseModuleDatabase(sampleModules(files)), [{ name: "erofs", reason: "image" }]);
    expect(plan.modules.map((module) => module.name)).toEqual(["libcrc32c", "erofs"]);
  });

  test("what is wanted and absent stops with all names; optional wishes are listed instead", async () => {
    const database = await parseModuleDatabase(sampleModules(FILES));
    const absent = [
      { name: "foo", reason: "one" },
      { name: "bar", reason: "two" },
    ];
    expect(() => planModules(database, absent)).toThrow(UsageError);
    expect(() => planModules(database, absent)).toThrow(/foo \(one\), bar \(two\)/);
    const plan = planModules(
      database,
      absent.map((wish) => ({ ...wish, optional: true })),
    );
    expect(plan.absent.map((module) => module.name)).toEqual(["foo", "bar"]);
  });

  test("a soft dependency that needs its own asker comes after it", async () => {
    const files = {
      "modules.dep": "a.ko:\nb.ko: a.ko\n",
      "modules.softdep": "softdep a pre: b post: missing\n",
      "a.ko": "",
      "b.ko": "",
    };
    const plan = planModules(await parseModuleDatabase(sampleModules(files)), [{ name: "a", reason: "test" }]);
    expect(plan.modules.map(({ name, required }) => [name, required])).toEqual([
      ["a", true],
      ["b", false],
    ]);
    expect(plan.absent.map((module) => module.name)).toEqual(["missing"]);
  });

  test("drivers: sets are optional, lists are not, the host's come from its devices", async () => {
    const database = await parseModuleDatabase(sampleModules(FILES));
    const virtio = planModules(database, driverModules(database, { kind: "set", set: "virtio" }));
    expect(virtio.modules.map((module) => module.name)).toEqual(["virtio_blk"]);
    expect(virtio.absent.map((module) => module.name)).toContain("sd_mod");
    const list = driverModules(database, { kind: "list", names: ["nvme"] });
    expect(() => planModules(database, list)).toThrow(/nvme/);
    const devices = [{ modalias: "virtio:d00000002v00001AF4", device: "/sys/block/vda" }];
    expect(driverModules(database, { kind: "host", devices }).map((wish) => wish.name)).toEqual(["virtio_blk"]);
  });
});

describe("features", () => {
  test("each is a module, built in, or known from the configuration", async () => {
    const database = await parseModuleDatabase(sampleModules(FILES));
    const config = parseKernelConfig('# CONFIG_A is not set\nCONFIG_EROFS_FS_ZIP=y\nCONFIG_B="x \\" y"\n');
    expect(config.get("CONFIG_B")).toBe('x " y');
    const names = ["erofs", "overlay", "sha256", "erofs-lz4"] as const;
    const states = requireFeatures(database, names, config).map((status) => status.state);
    expect(states).toEqual(["module", "builtin", "builtin", "builtin"]);
    expect(requireFeatures(database, ["erofs-lz4"])[0]?.state).toBe("unknown");
  });

  test("absent ones are named by their symbol in one line", async () => {
    const database = await parseModuleDatabase(sampleModules(FILES));
    const config = parseKernelConfig("CONFIG_BLK_DEV_LOOP=m\n");
    expect(() => requireFeatures(database, ["loop", "erofs-zstd"], config)).toThrow(
      /CONFIG_BLK_DEV_LOOP \(images that are files, a module whose file is missing\); CONFIG_EROFS_FS_ZIP_ZSTD/,
    );
  });

  test("a wrong line of the configuration is named", () => {
    expect(() => parseKernelConfig("CONFIG_A=y\nrubbish\n")).toThrow(/line 2, "rubbish"/);
  });
});
