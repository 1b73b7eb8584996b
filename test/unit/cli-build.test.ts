import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { getuid } from "node:process";
import { deflateSync, gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, type TestContext, test } from "vitest";
import {
  encodeArchive,
  type SampleInputs,
  sampleInitrd,
  sampleInitrdTree,
  sampleModuleFiles,
  writeFiles,
  writeSampleInputs,
} from "../support/build-inputs.ts";
import { type CliOptions, contentsOf, lazyrd } from "../support/cli.ts";
import { sampleBzImage } from "../support/kernel-samples.ts";
import { tempFolder } from "../support/temp.ts";

const NOBODY = 65534;

/** A place to build in: inputs, and a folder that a failed build must leave as it was. */
interface Workshop {
  readonly folder: string;
  readonly inputs: SampleInputs;
  readonly parent: string;
  readonly output: string;
}

async function workshop(): Promise<Workshop> {
  const folder = tempFolder();
  const parent = join(folder, "out");
  mkdirSync(parent);
  return { folder, inputs: await writeSampleInputs(folder), parent, output: join(parent, "gen") };
}

function buildArguments({ inputs, output }: Workshop, ...more: string[]): string[] {
  const { kernel, initrd, modules } = inputs;
  return ["build", "--quiet", "-k", kernel, "-i", initrd, "-m", modules, "-d", "virtio", "-o", output, ...more];
}

interface Expected {
  readonly status: 1 | 2;
  /** What the line for the person has to name. */
  readonly says: readonly (string | RegExp)[];
}

/** Builds, and expects one line that says why not, at most one hint, and nothing left behind. */
function expectRefusal(
  place: Workshop,
  args: readonly string[],
  { status, says }: Expected,
  options?: CliOptions,
): void {
  const before = contentsOf(place.parent);
  const result = lazyrd(args, options);
  const lines = result.stderr.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^lazyrd: /);
  expect(lines.slice(1).filter((line) => !line.startsWith("hint: "))).toEqual([]);
  expect(lines.length).toBeLessThanOrEqual(2);
  for (const words of says) expect(result.stderr).toMatch(words);
  expect(result.stderr).not.toContain("internal error");
  expect(result.stdout).toBe("");
  expect(result.status).toBe(status);
  expect(contentsOf(place.parent)).toEqual(before);
}

test("builds from small inputs", async () => {
  const place = await workshop();
  const { status, stdout, stderr } = lazyrd(buildArguments(place));
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(stdout).toContain("root hash");
  expect(readdirSync(place.parent)).toEqual(["gen"]);
  expect(readdirSync(place.output).sort()).toEqual([
    ".classic-initrd",
    "first-stage.cpio",
    "image.raw",
    "manifest.json",
    "plan",
    "vmlinuz",
  ]);
});

test("says what it does, a line a stage, where there is no terminal", async () => {
  const place = await workshop();
  const { stderr } = lazyrd(buildArguments(place).filter((word) => word !== "--quiet"));
  expect(stderr).toBe(
    "reading the initrd\nchoosing modules\ncompressing files\nwriting the image\nwriting the first stage\n",
  );
});

describe("initrds that are none", () => {
  test.each([0.01, 0.3, 0.7, 1])("truncated to %d of its bytes", async (part) => {
    const place = await workshop();
    const whole = readFileSync(place.inputs.initrd);
    writeFileSync(place.inputs.initrd, whole.subarray(0, Math.ceil(whole.length * part) - 1));
    expectRefusal(place, buildArguments(place), { status: 1, says: [place.inputs.initrd, "initramfs", "offset 0x"] });
  });

  test.each([1000, 100_000, 200_000])("an archive that is not compressed, truncated to %d bytes", async (bytes) => {
    const place = await workshop();
    writeFileSync(place.inputs.initrd, encodeArchive(sampleInitrdTree()).subarray(0, bytes));
    expectRefusal(place, buildArguments(place), {
      status: 1,
      says: [place.inputs.initrd, "the archive ends", "offset"],
    });
  });

  test.each(["none", "gzip"] as const)("one byte flipped in the middle, %s", async (method) => {
    const place = await workshop();
    const damaged = new Uint8Array(await sampleInitrd(method));
    // In a header of the archive, or anywhere in a compressed stream.
    const at = method === "none" ? 6 : damaged.length >> 1;
    damaged[at] = (damaged[at] ?? 0) ^ 0xff;
    writeFileSync(place.inputs.initrd, damaged);
    expectRefusal(place, buildArguments(place), { status: 1, says: [place.inputs.initrd, "Cannot read segment 1"] });
  });

  test.each([
    ["zlib", deflateSync(Buffer.alloc(5000, 1)), /expected gzip, .*zstd, got the bytes 789c/],
    ["text", Buffer.from("hello, this is no initrd\n"), "got the bytes 68656c6c"],
    ["an LZ4 frame", Buffer.from("04224d186040820000", "hex"), "pack with lz4 -l"],
    ["the old cpio format", Buffer.from("070707000000000000000000000000".padEnd(200, "0")), "cpio -H newc"],
    ["nothing", Buffer.alloc(0), "Cannot find a program /init"],
    ["gzip'ed text", gzipSync("hello, this is no initrd\n"), "what segment 1 \\(gzip\\) unpacks to"],
  ])("%s", async (_, content, says) => {
    const place = await workshop();
    writeFileSync(place.inputs.initrd, content);
    const expected = typeof says === "string" ? new RegExp(says) : says;
    expectRefusal(place, buildArguments(place), { status: 1, says: [place.inputs.initrd, expected] });
  });

  test("no /init in it", async () => {
    const place = await workshop();
    const tree = sampleInitrdTree();
    tree.remove("init");
    writeFileSync(place.inputs.initrd, encodeArchive(tree));
    expectRefusal(place, buildArguments(place), { status: 1, says: [place.inputs.initrd, "/init"] });
  });
});

describe("files that are not there", () => {
  test.each(["kernel", "initrd", "modules"] as const)("no such %s", async (what) => {
    const place = await workshop();
    const missing = join(place.folder, "missing");
    const args = buildArguments({ ...place, inputs: { ...place.inputs, [what]: missing } });
    expectRefusal(place, args, { status: 2, says: [missing, "there is no such file"] });
  });

  test.each(["kernel", "initrd"] as const)("a folder as %s", async (what) => {
    const place = await workshop();
    const args = buildArguments({ ...place, inputs: { ...place.inputs, [what]: place.folder } });
    expectRefusal(place, args, { status: 2, says: [place.folder, "it is a folder"] });
  });

  test("a file as modules folder", async () => {
    const place = await workshop();
    const args = buildArguments({ ...place, inputs: { ...place.inputs, modules: place.inputs.kernel } });
    expectRefusal(place, args, { status: 2, says: [place.inputs.kernel, "expected a folder"] });
  });

  test("a file that may not be read", async (context) => {
    requireRoot(context);
    const place = await workshop();
    chmodSync(place.folder, 0o755);
    chmodSync(place.parent, 0o777);
    chmodSync(place.inputs.initrd, 0o600);
    const expected = { status: 2, says: [place.inputs.initrd, "permission denied"] } as const;
    expectRefusal(place, buildArguments(place), expected, { uid: NOBODY });
  });
});

describe("kernels that are none", () => {
  const elf = Buffer.concat([Buffer.from("\x7fELF\x02\x01\x01", "latin1"), Buffer.alloc(2000)]);
  test.each([
    ["text", Buffer.from("no kernel\n"), /no bzImage/],
    ["nothing", Buffer.alloc(0), /it is empty; copy it again/],
    ["a gzip'ed vmlinux", gzipSync(elf), /gzip'ed; decompress it first/],
    ["an ELF vmlinux", elf, /ELF file \(vmlinux\); give the bootable image/],
    ["a truncated kernel", sampleBzImage().subarray(0, 1200), /truncated/],
  ])("%s", async (_, content, says) => {
    const place = await workshop();
    writeFileSync(place.inputs.kernel, content);
    expectRefusal(place, buildArguments(place), { status: 1, says: [place.inputs.kernel, says] });
  });
});

describe("modules that do not do", () => {
  const without = (...names: string[]): Record<string, string | Uint8Array> => {
    const files = sampleModuleFiles();
    for (const name of names) {
      for (const path of Object.keys(files)) if (basename(path) === `${name}.ko`) delete files[path];
      files["modules.dep"] = String(files["modules.dep"])
        .split("\n")
        .filter((line) => !line.includes(`/${name}.ko`))
        .join("\n");
    }
    return files;
  };

  test("no modules of this kernel in the folder that was named: no others are taken instead", async () => {
    const place = await workshop();
    rmSync(place.inputs.modules, { recursive: true });
    writeFiles(place.inputs.modules, { "lib/modules/6.0.0-other/modules.dep": "" });
    expectRefusal(place, buildArguments(place), {
      status: 2,
      says: ["Cannot find the modules of kernel 6.12.1-test", place.inputs.modules, "--modules"],
    });
  });

  test.each([
    ["erofs", "CONFIG_EROFS_FS"],
    ["dm-verity", "CONFIG_DM_VERITY"],
    ["dm-mod", "CONFIG_BLK_DEV_DM"],
    ["overlay", "CONFIG_OVERLAY_FS"],
  ])("no %s among them", async (name, symbol) => {
    const place = await workshop();
    rmSync(place.inputs.modules, { recursive: true });
    writeFiles(place.inputs.modules, without(name));
    expectRefusal(place, buildArguments(place), { status: 2, says: [place.inputs.modules, symbol, "--modules"] });
  });

  test("no erofs and no dm-verity: both are named", async () => {
    const place = await workshop();
    rmSync(place.inputs.modules, { recursive: true });
    writeFiles(place.inputs.modules, without("erofs", "dm-verity"));
    expectRefusal(place, buildArguments(place), { status: 2, says: ["CONFIG_EROFS_FS", "CONFIG_DM_VERITY"] });
  });

  test("a file that modules.dep names is missing", async () => {
    const place = await workshop();
    rmSync(join(place.inputs.modules, "kernel/fs/erofs/erofs.ko"));
    expectRefusal(place, buildArguments(place), { status: 2, says: [place.inputs.modules, "CONFIG_EROFS_FS"] });
  });

  test("a module that is damaged", async () => {
    const place = await workshop();
    writeFileSync(join(place.inputs.modules, "kernel/fs/erofs/erofs.ko"), "no module");
    expectRefusal(place, buildArguments(place), { status: 1, says: [place.inputs.modules, "erofs"] });
  });

  test("modules.dep is damaged", async () => {
    const place = await workshop();
    writeFileSync(join(place.inputs.modules, "modules.dep"), "this is no list of modules\n");
    expectRefusal(place, buildArguments(place), { status: 1, says: [place.inputs.modules, "modules.dep", "line 1"] });
  });

  test("the folder of another release", async () => {
    const place = await workshop();
    rmSync(place.inputs.modules, { recursive: true });
    writeFiles(place.inputs.modules, sampleModuleFiles("6.1.0-other"));
    expectRefusal(place, buildArguments(place), {
      status: 2,
      says: [place.inputs.modules, "6.12.1-test", "6.1.0-other"],
    });
  });
});

describe("settings that are none", () => {
  test.each([
    ["syntax", "[boot\ntimeout = 3\n", /lazyrd\.toml: line 1/],
    ["an unknown key", "[boot]\ntimout = 3\n", /lazyrd\.toml: boot.*timout/],
    ["an unknown table", "[bot]\n", /lazyrd\.toml.*bot/],
    ["a wrong type", '[boot]\ntimeout = "long"\n', /lazyrd\.toml: boot\.timeout/],
    ["a value out of range", "[boot]\ntimeout = 0\n", /lazyrd\.toml: boot\.timeout/],
    ["a value that is no choice", '[first-stage]\ncompression = "rar"\n', /first-stage\.compression.*none.*gzip.*zstd/],
    ["no drivers", "[first-stage]\ndrivers = []\n", /first-stage\.drivers/],
  ])("%s", async (_, text, says) => {
    const place = await workshop();
    const path = join(place.folder, "lazyrd.toml");
    writeFileSync(path, text);
    expectRefusal(place, buildArguments(place, "-c", path), { status: 2, says: [path, says, "docs/configuration.md"] });
    // The same when it is found in the current folder.
    expectRefusal(place, buildArguments(place), { status: 2, says: [says] }, { cwd: place.folder });
  });

  test("no such configuration", async () => {
    const place = await workshop();
    const path = join(place.folder, "other.toml");
    expectRefusal(place, buildArguments(place, "-c", path), { status: 2, says: [path, "there is no such file"] });
  });

  test.each([
    ["no_such_driver", /no_such_driver/],
    ["virtio_blk,no_such_driver", /no_such_driver/],
    ["", /generic, virtio, host/],
    ["virtio_blk,,erofs", /generic, virtio, host/],
    ["../evil", /generic, virtio, host/],
    ["toString", /toString/],
  ])("--drivers %j", async (drivers, says) => {
    const place = await workshop();
    const args = buildArguments(place, "-d", drivers);
    expectRefusal(place, args, { status: 2, says: [says] });
  });

  test("options that are missing or unknown", async () => {
    const place = await workshop();
    expectRefusal(place, ["build"], { status: 2, says: ["--kernel", "--help"] });
    expectRefusal(place, buildArguments(place, "--kernle", "x"), { status: 2, says: ["--kernle"] });
    expectRefusal(place, ["bild"], { status: 2, says: ["bild"] });
  });
});

describe("places that do not do", () => {
  test("a folder with files that lazyrd did not write", async () => {
    const place = await workshop();
    writeFiles(place.output, { "thesis.txt": "years of work" });
    expectRefusal(place, buildArguments(place), { status: 2, says: [place.output, "thesis.txt", "-o"] });
  });

  test("a folder whose manifest.json is somebody else's", async () => {
    const place = await workshop();
    writeFiles(place.output, { "manifest.json": "{}", "index.html": "a web application" });
    expectRefusal(place, buildArguments(place), { status: 2, says: [place.output, "index.html"] });
  });

  test("a folder with a kernel of its own", async () => {
    const place = await workshop();
    writeFiles(place.output, { vmlinuz: "the only kernel" });
    expectRefusal(place, buildArguments(place), { status: 2, says: [place.output, "vmlinuz"] });
  });

  test("a file", async () => {
    const place = await workshop();
    writeFiles(place.parent, { gen: "a file" });
    expectRefusal(place, buildArguments(place), { status: 2, says: [place.output, "it is a file"] });
  });

  test("below a file", async () => {
    const place = await workshop();
    writeFiles(place.parent, { file: "a file" });
    const output = join(place.parent, "file", "gen");
    expectRefusal(place, buildArguments({ ...place, output }), { status: 2, says: [join(place.parent, "file")] });
  });

  test("a parent that may not be written", async (context) => {
    requireRoot(context);
    const place = await workshop();
    chmodSync(place.folder, 0o755);
    const expected = { status: 2, says: [place.parent, "permission denied"] } as const;
    expectRefusal(place, buildArguments(place), expected, { uid: NOBODY });
  });

  test("a file system that is read-only", async (context) => {
    const place = await workshop();
    mountTmpfs(context, place.parent, "ro");
    expectRefusal(place, buildArguments(place), { status: 2, says: [place.parent, "the file system is read-only"] });
  });

  test("too little space, noticed before anything is written", async (context) => {
    const place = await workshop();
    mountTmpfs(context, place.parent, "size=256k");
    expectRefusal(place, buildArguments(place), { status: 2, says: [place.output, "only 0.3 MB are free", "-o"] });
  });

  test("space that runs out while it is being written", async (context) => {
    const place = await workshop();
    // Room for the root folder, the output folder and its first file.
    mountTmpfs(context, place.parent, "size=64m,nr_inodes=3");
    expectRefusal(place, buildArguments(place), { status: 2, says: [place.output, "no space is left", "-o"] });
  });

  test("a limit on the size of files", async () => {
    const place = await workshop();
    // In units of 512 bytes; the image has 300 kB.
    const expected = { status: 2, says: [place.output, "larger than is allowed"] } as const;
    expectRefusal(place, buildArguments(place), expected, { shellPrefix: "trap '' XFSZ; ulimit -f 100" });
  });

  test("parents that were made for it are removed as well", async () => {
    const place = await workshop();
    writeFileSync(place.inputs.initrd, "no initrd");
    const output = join(place.parent, "a", "b", "gen");
    expectRefusal(place, buildArguments({ ...place, output }), { status: 1, says: [place.inputs.initrd] });
  });

  test("a generation that is there survives a build that fails", async () => {
    const place = await workshop();
    expect(lazyrd(buildArguments(place)).status).toBe(0);
    writeFileSync(place.inputs.initrd, "no initrd");
    expectRefusal(place, buildArguments(place), { status: 1, says: [place.inputs.initrd] });
  });
});

describe("the same inputs give the same bytes", () => {
  const variations: [string, CliOptions][] = [
    ["again", {}],
    ["in another time zone", { env: { TZ: "Pacific/Kiritimati", LC_ALL: "C", LANG: "tr_TR.UTF-8" } }],
    ["with another umask", { shellPrefix: "umask 077" }],
    ["from another folder", { cwd: "/" }],
  ];
  test.each(variations)("%s", async (_, options) => {
    const place = await workshop();
    const other = join(place.parent, "other");
    expect(lazyrd(buildArguments(place)).status).toBe(0);
    expect(lazyrd(buildArguments({ ...place, output: other }), options).status).toBe(0);
    expect(contentsOf(other)).toEqual(contentsOf(place.output));
  });

  test("as another user, with files of other owners, times and order", async (context) => {
    requireRoot(context);
    const place = await workshop();
    expect(lazyrd(buildArguments(place)).status).toBe(0);
    // Written in the opposite order, at another time.
    const files = Object.entries(sampleModuleFiles()).reverse();
    rmSync(place.inputs.modules, { recursive: true });
    writeFiles(place.inputs.modules, Object.fromEntries(files));
    spawnSync("find", [place.inputs.modules, "-exec", "touch", "-d", "2001-02-03", "{}", "+"]);
    chmodSync(place.folder, 0o755);
    chmodSync(place.parent, 0o777);
    const other = join(place.parent, "other");
    expect(lazyrd(buildArguments({ ...place, output: other }), { uid: NOBODY }).stderr).toBe("");
    expect(contentsOf(other)).toEqual(contentsOf(place.output));
  });

  test("a generation is replaced as a whole", async () => {
    const place = await workshop();
    expect(lazyrd(buildArguments(place)).status).toBe(0);
    const first = contentsOf(place.output);
    writeFileSync(place.inputs.initrd, await sampleInitrd("gzip"));
    expect(lazyrd(buildArguments(place)).status).toBe(0);
    const second = contentsOf(place.output);
    expect(Object.keys(second)).toEqual(Object.keys(first));
    expect(second["image.raw"]).not.toBe(first["image.raw"]);
    expect(readdirSync(place.parent)).toEqual(["gen"]);
  });

  test("the umask decides who may read a generation: initrds can hold secrets", async () => {
    const place = await workshop();
    expect(lazyrd(buildArguments(place), { shellPrefix: "umask 077" }).status).toBe(0);
    expect(statSync(place.output).mode & 0o777).toBe(0o700);
    expect(statSync(join(place.output, "image.raw")).mode & 0o777).toBe(0o600);
  });
});

function requireRoot(context: TestContext): void {
  if (getuid?.() !== 0) context.skip("needs root");
}

/** Mounts a file system in memory at a folder until the test is over. */
function mountTmpfs(context: TestContext, folder: string, options: string): void {
  requireRoot(context);
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], { encoding: "utf8" });
  if (status !== 0) {
    if (process.env["CI"] !== undefined) throw new Error(`Cannot mount a tmpfs: ${stderr}`);
    context.skip("cannot mount a tmpfs");
  }
  onTestFinished(() => void spawnSync("umount", [folder]));
}
