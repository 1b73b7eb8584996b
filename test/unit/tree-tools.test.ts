import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, MemorySource, UsageError } from "../../src/bytes/index.ts";
import { compareTrees, locate, openContent } from "../../src/content/index.ts";
import { encodeErofs, findEqualFiles, readErofs } from "../../src/formats/erofs/index.ts";
import { isPe, readPe, sectionNamed, sectionSource } from "../../src/formats/pe/index.ts";
import { DosHeader, FileHeader, OptionalHeader64, SectionHeader } from "../../src/formats/pe/layout.ts";
import { readHostTree, TreeWriter } from "../../src/host/index.ts";
import { groupSizes, measureTree, overBudget } from "../../src/sizes/index.ts";
import { packageOf } from "../../src/sizes/packages.ts";
import { parseSize } from "../../src/text/index.ts";
import { directory, type Node, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { encodeArchive, sampleInitrdTree, writeSampleInputs } from "../support/build-inputs.ts";
import { contentsOf, lazyrd } from "../support/cli.ts";
import { trees } from "../support/erofs-trees.ts";
import { SAMPLE_UUID, sampleDdi, sampleErofs } from "../support/inspect-samples.ts";
import { rawArchive, SYMLINK_MODE } from "../support/newc.ts";
import { tempFolder } from "../support/temp.ts";

function fileOf(bytes: Uint8Array | string, name = "file"): string {
  const path = join(tempFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

const text = (value: string): Uint8Array => Buffer.from(value, "latin1");

/** A PE file with sections; nothing that could run. */
function samplePe(sections: readonly { name: string; content: Uint8Array; padding?: number }[]): Uint8Array {
  const peOffset = 64;
  const optionalBytes = OptionalHeader64.size + 16 * 8;
  const table = peOffset + FileHeader.size + optionalBytes;
  const headers = new Uint8Array(1024);
  DosHeader.write(headers, 0, { e_magic: "MZ", e_lfanew: peOffset });
  FileHeader.write(headers, peOffset, {
    Signature: "PE",
    Machine: 0x8664,
    NumberOfSections: sections.length,
    SizeOfOptionalHeader: optionalBytes,
  });
  OptionalHeader64.write(headers, peOffset + FileHeader.size, {
    Magic: 0x20b,
    FileAlignment: 512,
    SectionAlignment: 4096,
    NumberOfRvaAndSizes: 16,
  });
  const parts: Uint8Array[] = [headers];
  let offset = headers.length;
  for (const [index, { name, content, padding = 0 }] of sections.entries()) {
    SectionHeader.write(headers, table + index * SectionHeader.size, {
      Name: name,
      VirtualSize: content.length,
      VirtualAddress: 4096 * (index + 1),
      SizeOfRawData: content.length + padding,
      PointerToRawData: offset,
    });
    parts.push(content, new Uint8Array(padding));
    offset += content.length + padding;
  }
  return Buffer.concat(parts);
}

const sampleUki = (): Uint8Array =>
  samplePe([
    { name: ".linux", content: text("kernel") },
    { name: ".initrd", content: encodeArchive(sampleInitrdTree()), padding: 100 },
  ]);

async function sampleGeneration(): Promise<string> {
  const folder = tempFolder();
  const { kernel, initrd, modules } = await writeSampleInputs(folder);
  const generation = join(folder, "gen");
  const args = ["build", "-q", "-k", kernel, "-i", initrd, "-m", modules, "-d", "virtio", "-o", generation];
  expect(lazyrd(args)).toMatchObject({ stderr: "", status: 0 });
  return generation;
}

describe("PE files", () => {
  const bytes = samplePe([
    { name: ".linux", content: text("kernel") },
    { name: ".initrd", content: text("initrd"), padding: 100 },
  ]);

  test("headers and sections are read", () => {
    const source = new MemorySource(bytes);
    expect(isPe(bytes)).toBe(true);
    const image = readPe(source);
    expect(image).toMatchObject({ machine: 0x8664, is64Bit: true, fileAlignment: 512, certificates: undefined });
    expect(image.sections.map(({ name }) => name)).toEqual([".linux", ".initrd"]);
    const section = sectionNamed(image, ".linux");
    expect(section && Buffer.from(sectionSource(source, section).read(0, 6)).toString()).toBe("kernel");
    expect(sectionNamed(image, ".cmdline")).toBeUndefined();
  });

  test("one that is cut off anywhere is refused, and no flipped byte crashes the reader", () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readPe(new MemorySource(bytes.subarray(0, length)))).toThrow(FormatError);
    }
    for (let offset = 0; offset < 1024; offset++) {
      for (const flip of [1, 0x80, 0xff]) {
        const damaged = Uint8Array.from(bytes);
        damaged[offset] = (damaged[offset] ?? 0) ^ flip;
        try {
          const source = new MemorySource(damaged);
          for (const section of readPe(source).sections) sectionSource(source, section);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    }
  });
});

describe("the same tree in every wrapping", () => {
  const plain = Object.fromEntries([...sampleInitrdTree().walk()].map(({ path, node }) => [path, node.kind]));
  const wrappings: readonly (readonly [string, () => Uint8Array])[] = [
    ["initramfs", () => encodeArchive(sampleInitrdTree())],
    ["erofs", sampleErofs],
    ["disk", sampleDdi],
    ["uki", sampleUki],
  ];
  test.each(wrappings)("%s", async (kind, make) => {
    const path = fileOf(make());
    const content = await openContent(path);
    expect(content.kind).toBe(kind);
    expect(Object.fromEntries([...content.roots[0].tree.walk()].map(({ path, node }) => [path, node.kind]))).toEqual(
      plain,
    );
    content.close();
    expect(lazyrd(["diff", fileOf(encodeArchive(sampleInitrdTree())), path])).toMatchObject({
      stdout: "all files are the same\n",
      status: 0,
    });
    const out = join(tempFolder(), "out");
    expect(lazyrd(["unpack", path, out])).toMatchObject({ stderr: "", status: 0 });
    expect((await openContent(out)).kind).toBe("folder");
    expect(lazyrd(["diff", path, out])).toMatchObject({ stdout: "all files are the same\n", status: 0 });
    expect(lazyrd(["verify", "-q", path]).stdout).toContain(`${path}: OK\n`);
    const firstFile = [...sampleInitrdTree().walk()].find(({ node }) => node.kind === "file");
    expect(lazyrd(["cat", path, `/${firstFile?.path}`])).toMatchObject({ status: 0 });
  });

  test("what holds no tree is refused in one line", () => {
    const refused: readonly (readonly [string | Uint8Array, RegExp])[] = [
      ["hello", /Cannot find a file tree: it begins with 0x68656c6c6f; known are/],
      ["", /it is empty/],
      [samplePe([{ name: ".linux", content: text("x") }]), /no section \.initrd/],
    ];
    for (const [bytes, says] of refused) {
      const { stderr, stdout, status } = lazyrd(["ls", fileOf(bytes)]);
      expect(stderr).toMatch(says);
      expect(stderr.split("\n")).toHaveLength(2);
      expect([stdout, status]).toEqual(["", 1]);
    }
    expect(lazyrd(["ls", "/nowhere"])).toMatchObject({ status: 2 });
  });
});

describe("paths", () => {
  const tree = new Tree();
  tree.setWithParents("usr/lib/deep/file", regularFile(text("x")));
  tree.set("lib", symlink("usr/lib"));
  tree.set("up", symlink("../../../usr/lib/deep"));
  tree.set("lost", symlink("/nowhere"));
  const content = {
    path: "sample",
    kind: "folder" as const,
    roots: [{ name: "", tree, knowsXattrs: true }] as const,
    storedBytes: undefined,
    warnings: [],
    close: () => undefined,
  };

  test.each([
    ["/", ""],
    ["", ""],
    ["usr/lib", "usr/lib"],
    ["/lib/deep/file", "usr/lib/deep/file"],
    ["/up/file", "usr/lib/deep/file"],
    ["/lib/../lib", "usr/lib"],
    ["/../../usr", "usr"],
  ])("%s is /%s", (given, path) => {
    expect(locate(content, given).path).toBe(path);
  });

  test("a symlink at the end is followed or not, as told", () => {
    expect(locate(content, "/lib", { followLast: false }).node.kind).toBe("symlink");
    expect(locate(content, "/lib/", { followLast: false }).node.kind).toBe("directory");
    expect(() => locate(content, "/lost")).toThrow(/the symlink to \/nowhere leads nowhere/);
    expect(() => locate(content, "other:/usr")).toThrow(UsageError);
  });
});

describe("ls, cat, size, diff of a generation", () => {
  test("both trees are there, and every block is verified", async () => {
    const generation = await sampleGeneration();
    expect(lazyrd(["ls", generation, "first-stage:/lazyrd"]).stdout).toContain("plan\n");
    const plan = lazyrd(["cat", generation, "first-stage:/lazyrd/plan"]).stdout;
    expect(plan).toBe(readFileSync(join(generation, "plan"), "utf8"));
    expect(lazyrd(["ls", generation, "other:/"]).stderr).toMatch(/Cannot find other: in .*\nhint: it has first-stage:/);
    const verified = lazyrd(["verify", "-q", generation]);
    expect(verified.stdout).toMatch(
      /manifest: all files are as it says\n.*root hash [0-9a-f]{64} says\n[\s\S]*first-stage: /,
    );
    const json = JSON.parse(lazyrd(["size", "--json", "--budget", "1k", generation]).stdout);
    expect(json).toMatchObject({ withinBudget: false, budgetBytes: 1000 });
    expect(json.trees.map(({ name }: { name: string }) => name)).toEqual(["", "first-stage"]);
    expect(lazyrd(["size", "--budget", "1k", generation])).toMatchObject({ status: 1 });
    expect(lazyrd(["size", "--budget", "1G", generation])).toMatchObject({ status: 0, stderr: "" });
    expect(lazyrd(["size", "--budget", "much", generation])).toMatchObject({ status: 2 });
    expect(lazyrd(["diff", generation, generation])).toMatchObject({ status: 0, stdout: "all files are the same\n" });

    const image = join(generation, "image.raw");
    const bytes = readFileSync(image);
    const at = bytes.indexOf("filler");
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(image, bytes);
    expect(lazyrd(["verify", "-q", generation])).toMatchObject({ status: 1, stdout: "" });
    expect(lazyrd(["verify", "-q", image]).stderr).toMatch(/^lazyrd: .*Cannot verify data block \d+: .* at offset 0x/);
  });

  test("a build over its budget leaves nothing behind", async () => {
    const folder = tempFolder();
    const { kernel, initrd, modules } = await writeSampleInputs(folder);
    const config = join(folder, "lazyrd.toml");
    writeFileSync(config, '[image]\nbudget = "10k"\n');
    const output = join(folder, "gen");
    const args = ["-q", "-k", kernel, "-i", initrd, "-m", modules, "-d", "virtio", "-c", config, "-o", output];
    const { stderr, status } = lazyrd(["build", ...args]);
    expect(stderr).toMatch(/Cannot build the image: it would have .* over the budget of 10\.0 kB; the largest are /);
    expect(status).toBe(2);
    expect(existsSync(output)).toBe(false);
  });
});

describe("compareTrees", () => {
  test("names every aspect, and nothing else", () => {
    const make = (change: (tree: Tree) => void): Tree => {
      const tree = new Tree();
      tree.set("same", regularFile(text("same")));
      tree.set("content", regularFile(text("one")));
      tree.set("mode", regularFile(text("x")));
      tree.set("target", symlink("a"));
      tree.set("gone", regularFile(text("12345")));
      tree.set("type", regularFile(text("")));
      change(tree);
      return tree;
    };
    const after = make((tree) => {
      tree.set("same", regularFile(text("same"), { mtime: 99 }));
      tree.set("content", regularFile(text("two")));
      tree.set(
        "mode",
        regularFile(text("x"), { permissions: 0o4755, uid: 7, xattrs: new Map([["user.a", text("1")]]) }),
      );
      tree.set("target", symlink("b"));
      tree.remove("gone");
      tree.set("type", directory());
      tree.set("new", regularFile(text("123")));
    });
    const found = compareTrees(
      make(() => undefined),
      after,
      { xattrs: true },
    );
    const short = found.map(
      ({ path, change, aspects }) => `${change} ${path} ${aspects.map(({ what }) => what).join(",")}`,
    );
    expect(short).toEqual([
      "changed content content",
      "removed gone ",
      "changed mode mode,owner,attributes",
      "added new ",
      "changed target target",
      "changed type type,mode",
    ]);
  });

  test("a tree and what was written of it and read back are the same", () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const back = readErofs(new MemorySource(encodeErofs(tree, { uuid: SAMPLE_UUID }))).tree();
        expect(compareTrees(tree, back, { xattrs: true })).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });
});

describe("sizes", () => {
  test.each([
    ["60", 60],
    ["60M", 60_000_000],
    ["1.5 kB", 1500],
    ["64MiB", 64 << 20],
    ["1Gi", 2 ** 30],
    ["", undefined],
    ["M", undefined],
    ["5i", undefined],
    ["-5M", undefined],
    ["99999999999T", undefined],
  ])("%s", (given, bytes) => {
    expect(parseSize(given)).toBe(bytes);
  });

  test.each([
    ["usr/lib/modules/6.1/kernel/drivers/net/e1000.ko", "kernel modules: drivers/net"],
    ["lib/modules/6.1/modules.dep", "kernel modules"],
    ["usr/lib/firmware/amdgpu/x.bin", "firmware: amdgpu"],
    ["usr/lib/x86_64-linux-gnu/libc.so.6", "libraries"],
    ["usr/lib/systemd/system/a.service", "systemd units"],
    ["usr/lib/systemd/systemd", "systemd"],
    ["usr/sbin/init", "programs"],
    ["etc/passwd", "configuration"],
    ["init", "other"],
  ])("%s belongs to %s", (path, name) => {
    expect(packageOf(path)).toBe(name);
  });

  test("what is shared is borne by all who share it", () => {
    const tree = new Tree();
    const shared = new Uint8Array(8192).fill(7);
    for (const name of ["a/one", "a/two", "b/three"]) tree.setWithParents(name, regularFile(shared));
    const image = encodeErofs(tree, { uuid: SAMPLE_UUID, equalFiles: findEqualFiles(tree) });
    const files = measureTree(readErofs(new MemorySource(image)).tree());
    const groups = groupSizes(files, "directory", 1);
    expect(groups.map(({ name, bytes, storedBytes }) => [name, bytes, storedBytes])).toEqual([
      ["/a", 16_384, 5461],
      ["/b", 8192, 2731],
    ]);
    expect(overBudget(9000, 10_000, groups)).toBeUndefined();
    expect(overBudget(12_000, 10_000, groups)).toMatch(
      /12\.0 kB .* 2\.0 kB over the budget of 10\.0 kB; the largest are \/a/,
    );
  });
});

describe("unpack stays inside", () => {
  const write = (folder: string, tree: Tree, force = false): void => {
    const writer = new TreeWriter(folder, { force });
    try {
      writer.write("", tree.root);
      writer.finish();
    } catch (error) {
      writer.undo();
      throw error;
    }
  };

  test.each(["..", ".", "a/b", "/abs", "", "nul\0"])("a name %j is refused and nothing is left", (name) => {
    const tree = new Tree();
    tree.root.entries.set("fine", regularFile(text("x")));
    const bad: Node = regularFile(text("bad"));
    tree.root.entries.set("sub", { ...directory(), entries: new Map([[name, bad]]) });
    const parent = tempFolder();
    expect(() => write(join(parent, "out"), tree)).toThrow(FormatError);
    expect(readdirSync(parent)).toEqual([]);
  });

  test("archives that want out: what the kernel would not unpack is not there, and nothing is outside", () => {
    const parent = tempFolder();
    const archive = join(parent, "evil.cpio");
    writeFileSync(
      archive,
      rawArchive(
        { name: "../outside", data: "bad" },
        { name: "/outside-abs", data: "fine" },
        { name: "link", data: "..", mode: SYMLINK_MODE },
        { name: "link/through", data: "bad" },
        { name: "abs", data: parent, mode: SYMLINK_MODE },
        { name: "abs/through", data: "bad" },
        { name: "file", data: "good" },
      ),
    );
    const out = join(parent, "in", "out");
    mkdirSync(join(parent, "in"));
    expect(lazyrd(["unpack", archive, out]).status).toBe(0);
    expect(readdirSync(parent).sort()).toEqual(["evil.cpio", "in"]);
    expect(readdirSync(join(parent, "in"))).toEqual(["out"]);
    expect(readFileSync(join(out, "file"), "utf8")).toBe("good");
    expect(readlinkSync(join(out, "link"))).toBe("..");
    expect(existsSync(join(out, "outside-abs"))).toBe(true);
  });

  test("symlinks that are there already are not followed", () => {
    const parent = tempFolder();
    const [out, elsewhere] = [join(parent, "out"), join(parent, "elsewhere")];
    mkdirSync(out);
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "victim"), "untouched");
    symlinkSync("../elsewhere", join(out, "sub"));
    symlinkSync("../elsewhere/victim", join(out, "file"));
    const folderTree = new Tree();
    folderTree.setWithParents("sub/victim", regularFile(text("bad")));
    expect(() => write(out, folderTree)).toThrow(/not empty/);
    expect(() => write(out, folderTree, true)).toThrow(/a symlink, which may lead elsewhere, is there already/);
    const fileTree = new Tree();
    fileTree.set("file", regularFile(text("new")));
    write(out, fileTree, true);
    expect(readFileSync(join(out, "file"), "utf8")).toBe("new");
    expect(lstatSync(join(out, "file")).isSymbolicLink()).toBe(false);
    expect(readFileSync(join(elsewhere, "victim"), "utf8")).toBe("untouched");
  });

  test("a fault in the middle leaves nothing, and says so", () => {
    const tree = new Tree();
    tree.setWithParents("a/b/c", regularFile(text("x")));
    const broken = {
      size: 10,
      read: () => {
        throw new FormatError("Cannot read it", { format: "test", offset: 5 });
      },
    };
    tree.setWithParents("a/z", regularFile(broken));
    const parent = tempFolder();
    const writer = new TreeWriter(join(parent, "out"), { force: false });
    expect(() => writer.write("", tree.root)).toThrow(/Cannot read it/);
    expect(writer.undo()).toContain("nothing of it is left");
    expect(readdirSync(parent)).toEqual([]);
  });

  test("modes, times, links and parts", () => {
    const tree = new Tree();
    const hard = regularFile(text("twice"), { permissions: 0o4711, mtime: 1_000_000_000 });
    tree.setWithParents("usr/bin/one", hard);
    tree.setWithParents("usr/bin/two", hard);
    tree.setWithParents("usr/share/old", regularFile(text("old"), { permissions: 0o400, mtime: -5 }));
    tree.set("closed", directory({ permissions: 0o500, mtime: 77 }));
    tree.set("closed/file", regularFile(text("x")));
    tree.set("bin", symlink("usr/bin", { mtime: 5 }));
    const out = join(tempFolder(), "out");
    write(out, tree);
    const back = readHostTree(out);
    expect(compareTrees(tree, back, { xattrs: false })).toEqual([]);
    for (const { path, node } of tree.walk())
      if (path.includes("/") && node.kind === "file") expect(back.get(path)?.mtime).toBe(node.mtime);
    expect(back.get("closed")?.mtime).toBe(77);
    expect(back.get("usr/bin/one")).toBe(back.get("usr/bin/two"));
    chmodSync(join(out, "closed"), 0o700);

    const part = join(tempFolder(), "part");
    // Archives know no times before 1970.
    tree.remove("usr/share/old");
    const archive = fileOf(encodeArchive(tree));
    expect(lazyrd(["unpack", archive, part, "/bin/one"]).status).toBe(0);
    expect(Object.keys(contentsOf(part))).toEqual(["usr", "usr/bin", "usr/bin/one"]);
  });
});
