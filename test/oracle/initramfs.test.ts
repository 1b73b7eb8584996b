import { spawnSync } from "node:child_process";
import { linkSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { FormatError, MemorySink } from "../../src/bytes/index.ts";
import { type CompressionMethod, compress, decompress } from "../../src/formats/compression/index.ts";
import { decompressLzma } from "../../src/formats/compression/lzma.ts";
import { encodeCpio, parseCpio, readInitramfs, treeOfArchives, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { packWithTool } from "../../src/host/index.ts";
import { directory, metadata, modeOf, type Node, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { CountingSource } from "../support/counting-source.ts";
import { rawArchive } from "../support/newc.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool, run } from "../support/tools.ts";

const isRoot = process.getuid?.() === 0;

/** The standard output of a program, as bytes. */
function output(program: string, args: readonly string[], options: { cwd?: string; input?: Uint8Array }): Uint8Array {
  const result = spawnSync(program, args, { ...options, maxBuffer: 1 << 28 });
  if (result.error !== undefined || result.status !== 0) {
    throw new Error(`${program} ${args.join(" ")}: ${result.error ?? result.stderr.toString()}`);
  }
  return new Uint8Array(result.stdout);
}

/** What a reader must see the same: path, mode, owner, time, links, and content, target or device. */
function facts(tree: Tree): string[] {
  const numbers = new Map<unknown, number>();
  return [...tree.walk()].map(({ path, node }) => {
    if (!numbers.has(node)) numbers.set(node, numbers.size);
    const identity = node.kind === "symlink" ? "-" : numbers.get(node);
    const what =
      node.kind === "file"
        ? Buffer.from(node.content.read(0, node.content.size)).toString("latin1")
        : node.kind === "symlink"
          ? node.target
          : "major" in node
            ? `${node.major}:${node.minor}`
            : "";
    return `${path} ${modeOf(node).toString(8)} ${node.uid}:${node.gid} ${node.mtime} #${identity} ${what}`;
  });
}

const PATTERN = "some text that comes again and again, with a number: ";
const LARGE = Buffer.from(Array.from({ length: 8_000 }, (_, i) => `${PATTERN}${i * 7919}\n`).join(""));

function sampleTree({ devices = isRoot } = {}): Tree {
  const tree = new Tree(directory({ permissions: 0o700, mtime: 1_600_000_000 }));
  const dated = { mtime: 1_700_000_000 };
  const shared = regularFile(Buffer.from("shared content"), { ...dated, permissions: 0o755 });
  tree.set("a-first-name", shared);
  tree.set("bin", directory({ ...dated, permissions: 0o750 }));
  tree.set("bin/second-name", shared);
  tree.set("bin/third-name", shared);
  tree.set("bin/set-uid", regularFile(Buffer.from("1"), { ...dated, permissions: 0o4711 }));
  tree.set("empty", regularFile(new Uint8Array(0), dated));
  tree.set("large", regularFile(LARGE, dated));
  tree.set("link", symlink("bin/second-name", dated));
  tree.set("pipe", { kind: "fifo", ...metadata(0o600, dated) });
  if (devices) {
    tree.set("console", { kind: "character-device", major: 5, minor: 1, ...metadata(0o600, dated) });
    tree.set("disk", { kind: "block-device", major: 8, minor: 300, ...metadata(0o660, { ...dated, gid: 6 }) });
  }
  return tree;
}

function encode(tree: Tree): Uint8Array {
  const sink = new MemorySink();
  encodeCpio(tree, sink);
  return sink.bytes();
}

/** A folder with files, links and, for root, devices. */
function makeFolder(): string {
  const folder = tempFolder();
  mkdirSync(join(folder, "dir/deeper"), { recursive: true });
  writeFileSync(join(folder, "dir/file"), "content", { mode: 0o640 });
  writeFileSync(join(folder, "dir/large"), LARGE);
  writeFileSync(join(folder, "empty"), "");
  linkSync(join(folder, "dir/file"), join(folder, "dir/deeper/hard"));
  linkSync(join(folder, "dir/file"), join(folder, "another"));
  symlinkSync("dir/file", join(folder, "soft"));
  run("mkfifo", ["-m", "600", join(folder, "pipe")]);
  if (isRoot) run("mknod", ["-m", "660", join(folder, "block"), "b", "259", "70000"]);
  return folder;
}

function expectFolder(tree: Tree, folder: string, isDated = (_: Node): boolean => true): void {
  for (const { path, node } of tree.walk()) {
    const status = lstatSync(join(folder, path));
    expect({ path, mode: status.mode }).toEqual({ path, mode: modeOf(node) });
    if (isDated(node)) expect({ path, time: Math.floor(status.mtimeMs / 1000) }).toEqual({ path, time: node.mtime });
    if (isRoot) expect({ path, uid: status.uid, gid: status.gid }).toEqual({ path, uid: node.uid, gid: node.gid });
    if (node.kind === "symlink") expect(readlinkSync(join(folder, path))).toBe(node.target);
    if (node.kind === "file") {
      const content = Buffer.from(node.content.read(0, node.content.size));
      expect(readFileSync(join(folder, path)).equals(content)).toBe(true);
    }
    if ("major" in node) {
      const out = run("stat", ["-c", "%Hr:%Lr", join(folder, path)]).stdout.trim();
      expect({ path, device: out }).toEqual({ path, device: `${node.major}:${node.minor}` });
    }
  }
}

describe("foreign readers", () => {
  it("GNU cpio unpacks what we write", (context) => {
    const cpio = requireTool(context, "cpio");
    const folder = tempFolder();
    const tree = sampleTree();
    run(cpio, ["-i", "-d", "-m", "--quiet", ...(isRoot ? [] : ["--no-preserve-owner"])], {
      cwd: folder,
      input: encode(tree),
    });
    // GNU cpio dates a directory when it meets it, before it fills it, and symlinks not at all.
    expectFolder(tree, folder, ({ kind }) => kind !== "directory" && kind !== "symlink");
    expect(lstatSync(join(folder, "a-first-name")).ino).toBe(lstatSync(join(folder, "bin/third-name")).ino);
  });

  it("bsdtar unpacks what we write", (context) => {
    const bsdtar = requireTool(context, "bsdtar");
    const folder = tempFolder();
    const tree = sampleTree();
    run(bsdtar, ["-x", "-p", "-f", "-"], { cwd: folder, input: encode(tree) });
    // The folder itself is what is unpacked into last.
    expectFolder(tree, folder, (node) => node !== tree.root);
    expect(lstatSync(join(folder, "a-first-name")).ino).toBe(lstatSync(join(folder, "bin/third-name")).ino);
  });
});

describe("foreign writers", () => {
  it.for(["newc", "crc"])("reads what GNU cpio writes as %s", (format, context) => {
    const cpio = requireTool(context, "cpio");
    const folder = makeFolder();
    const names = output("find", [".", "-print0"], { cwd: folder });
    const bytes = output(cpio, ["-o", "-0", "-H", format, "--quiet"], { cwd: folder, input: names });
    const { tree, warnings } = treeOfArchives([parseCpio(bytes)]);
    expect(warnings).toEqual([]);
    expectFolder(tree, folder);
    expect(tree.get("another")).toBe(tree.get("dir/deeper/hard"));
    expect([...tree.walk()]).toHaveLength(names.filter((byte) => byte === 0).length);
  });

  it("says what to do about GNU cpio's default format", (context) => {
    const cpio = requireTool(context, "cpio");
    const folder = makeFolder();
    const bytes = output(cpio, ["-o", "-H", "odc", "--quiet"], { cwd: folder, input: Buffer.from("empty\n") });
    expect(() => parseCpio(bytes)).toThrow(FormatError);
    expect(() => parseCpio(bytes)).toThrow("cpio -H newc");
  });

  it("reads what bsdtar writes", (context) => {
    const bsdtar = requireTool(context, "bsdtar");
    const folder = makeFolder();
    const bytes = output(bsdtar, ["-c", "-f", "-", "--format", "newc", "."], { cwd: folder });
    const { tree, warnings } = treeOfArchives([parseCpio(bytes)]);
    expect(warnings).toEqual([]);
    expectFolder(tree, folder);
    expect(tree.get("another")).toBe(tree.get("dir/deeper/hard"));
  });
});

/** How distributions' tools call the compressors, and ways that change what the headers say. */
const COMPRESSORS: readonly [CompressionMethod, string, readonly string[]][] = [
  ["gzip", "gzip", ["-n", "-9", "-c"]],
  ["gzip", "gzip", ["-1", "-c"]],
  ["bzip2", "bzip2", ["-9", "-c"]],
  ["bzip2", "bzip2", ["-1", "-c"]],
  ["lzma", "xz", ["--format=lzma", "-6", "-c"]],
  ["lzma", "xz", ["--format=lzma", "--lzma1=dict=64KiB", "-c"]],
  ["xz", "xz", ["--check=crc32", "--lzma2=dict=1MiB", "-T0", "-c"]],
  ["xz", "xz", ["--check=none", "-0", "-c"]],
  ["xz", "xz", ["--check=crc64", "-9", "-c"]],
  ["xz", "xz", ["--check=crc32", "-T2", "--block-size=200KiB", "-c"]],
  ["lzo", "lzop", ["-9", "-c"]],
  ["lzo", "lzop", ["-1", "-c"]],
  ["lzo", "lzop", ["-3", "-c", "--crc32"]],
  ["lz4", "lz4", ["-l", "-9", "-c", "-q"]],
  ["lz4", "lz4", ["-l", "-1", "-c", "-q"]],
  ["zstd", "zstd", ["-q", "-19", "-c"]],
  ["zstd", "zstd", ["-q", "-1", "--no-check", "-c"]],
  ["zstd", "zstd", ["-q", "-15", "-T0", "--long=27", "-c"]],
  ["zstd", "zstd", ["-q", "--ultra", "-22", "-c"]],
];

function pack(context: TestContext, program: string, args: readonly string[], input: Uint8Array): Uint8Array {
  return output(requireTool(context, program), args, { input });
}

describe("foreign compressors", () => {
  it.each(["bzip2", "lzma", "xz", "lzo", "lz4"] as const)("pack with %s what is to be measured", async (method) => {
    const packed = packWithTool(LARGE, method);
    const { method: found, output } = await decompress(packed);
    expect([found, Buffer.compare(output, LARGE)]).toEqual([method, 0]);
  });

  for (const [method, program, args] of COMPRESSORS) {
    it(`unpacks what ${program} ${args.join(" ")} packs`, async (context) => {
      const noise = Uint8Array.from({ length: 300_000 }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) & 0xff);
      // More than the 8 MiB of a chunk of LZ4, the largest unit of all methods.
      const content = Buffer.concat([LARGE, noise, Buffer.alloc(9_000_000), LARGE.subarray(0, 70_001)]);
      for (const input of [content, Buffer.from("short"), Buffer.alloc(0)]) {
        const packed = pack(context, program, args, input);
        const result = await decompress(new CountingSource(Buffer.concat([packed, Buffer.alloc(64)])));
        expect(result.method).toBe(method);
        expect(result.consumed).toBe(packed.length);
        expect(Buffer.compare(result.output, input)).toBe(0);
      }
    });
  }

  it("unpacks LZMA with properties that the kernel's detection does not know", (context) => {
    const packed = pack(context, "xz", ["--format=lzma", "--lzma1=lc=1,lp=3,pb=0", "-c"], LARGE);
    const { output: unpacked, consumed } = decompressLzma(packed, { limitBytes: LARGE.length });
    expect(Buffer.compare(unpacked, LARGE)).toBe(0);
    expect(consumed).toBe(packed.length);
  });

  it("unpacks xz with the filter for x86 in front, as kernels have it", async (context) => {
    const program = readFileSync(process.execPath).subarray(0, 8 << 20);
    for (const input of [program, LARGE]) {
      const packed = pack(context, "xz", ["--check=crc32", "--x86", "--lzma2", "-c"], input);
      const { output: unpacked, consumed } = await decompress(Buffer.concat([packed, Buffer.from("more")]));
      expect(consumed).toBe(packed.length);
      expect(Buffer.compare(unpacked, input)).toBe(0);
    }
  });

  it("refuses xz with other filters in front, by name, and what it could not check", async (context) => {
    const packed = (...options: string[]) => decompress(pack(context, "xz", [...options, "--lzma2", "-c"], LARGE));
    await expect(packed("--check=crc32", "--delta")).rejects.toThrow("filter 0x3 is not supported");
    await expect(packed("--check=crc32", "--delta", "--x86")).rejects.toThrow("is not supported");
    await expect(packed("--check=crc64", "--x86")).rejects.toThrow("the filter x86 without a CRC32");
    await expect(packed("--check=crc32", "--x86", "--block-size=100000")).rejects.toThrow(/filter x86 and \d+ blocks/);
  });

  it("notices a changed byte behind the filter for x86", async (context) => {
    const packed = Buffer.from(
      pack(context, "xz", ["--check=crc32", "--x86", "--lzma2", "-c"], Buffer.from("some text")),
    );
    const at = packed.indexOf("some");
    packed[at] = 0x53;
    await expect(decompress(packed)).rejects.toThrow("wrong CRC32 of a block");
  });

  it("unpacks a zstd frame that names its size", async (context) => {
    const zstd = requireTool(context, "zstd");
    const file = join(tempFolder(), "input");
    writeFileSync(file, LARGE);
    const packed = output(zstd, ["-q", "-c", file], {});
    expect(Buffer.compare((await decompress(packed)).output, LARGE)).toBe(0);
  });

  it("unpacks gzip with every optional field of its header", async (context) => {
    const gzip = requireTool(context, "gzip");
    const file = join(tempFolder(), "a-name");
    writeFileSync(file, LARGE);
    const named = output(gzip, ["-c", file], {});
    expect(Buffer.compare((await decompress(named)).output, LARGE)).toBe(0);
  });

  it("reads an initrd of all methods, microcode first", async (context) => {
    const parts: Uint8Array[] = [rawArchive({ name: "early_cpio", data: "1" })];
    const expected: string[] = ["none"];
    for (const [index, [method, program, args]] of COMPRESSORS.entries()) {
      const tree = new Tree();
      tree.set(`from-${index}`, regularFile(LARGE));
      const packed = pack(context, program, args, encode(tree));
      // Padding to 4 bytes, and what ends an LZ4 stream.
      parts.push(packed, Buffer.alloc(8 - (packed.length % 4)), encode(tree));
      expected.push(method, "none");
    }
    const initramfs = await readInitramfs(new Uint8Array(Buffer.concat(parts)));
    expect(initramfs.segments.map((segment) => segment.method)).toEqual(expected);
    expect(initramfs.segments.filter((segment) => segment.early)).toHaveLength(1);
    const { tree, warnings } = treeOfInitramfs(initramfs);
    expect(warnings).toEqual([]);
    expect(tree.root.entries.size).toBe(COMPRESSORS.length + 1);
  });
});

describe("foreign decompressors", () => {
  it.for(["gzip", "zstd"] as const)("%s unpacks what we pack", async (method, context) => {
    const tool = requireTool(context, method);
    for (const level of [1, 9, undefined]) {
      const packed = await compress(LARGE, { method, ...(level === undefined ? {} : { level }) });
      expect(Buffer.compare(output(tool, ["-d", "-c"], { input: packed }), LARGE)).toBe(0);
    }
  });
});

describe("our own reader", () => {
  it("sees what our writer wrote", () => {
    const tree = sampleTree({ devices: true });
    expect(facts(treeOfArchives([parseCpio(encode(tree))]).tree)).toEqual(facts(tree));
  });
});
