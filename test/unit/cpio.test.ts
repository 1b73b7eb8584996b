import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError, MemorySink } from "../../src/bytes/index.ts";
import { dumpCpio, encodeCpio, parseCpio, treeOfArchives } from "../../src/formats/cpio/index.ts";
import { NewcHeader } from "../../src/formats/cpio/layout.ts";
import { directory, metadata, type Node, regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { DIRECTORY_MODE, type RawEntry, rawArchive, rawEntry, SYMLINK_MODE, TRAILER_ENTRY } from "../support/newc.ts";

const text = (node: Node | undefined): string | undefined =>
  node?.kind === "file" ? Buffer.from(node.content.read(0, node.content.size)).toString() : undefined;

const unpack = (...entries: readonly RawEntry[]) => treeOfArchives([parseCpio(rawArchive(...entries))]);

const encode = (tree: Tree): Uint8Array => {
  const sink = new MemorySink();
  encodeCpio(tree, sink);
  return sink.bytes();
};

function errorOf(action: () => unknown): FormatError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return error as FormatError;
  }
  throw new Error("expected an error");
}

/** One of every kind, with a hard link. */
function sampleTree(): Tree {
  const tree = new Tree(directory({ permissions: 0o700, mtime: 5 }));
  const shared = regularFile(Buffer.from("shared"), { permissions: 0o4755, uid: 1, gid: 2, mtime: 3 });
  tree.set("dev", directory());
  tree.set("dev/console", { kind: "character-device", major: 5, minor: 1, ...metadata(0o600) });
  tree.set("dev/sda", { kind: "block-device", major: 8, minor: 0, ...metadata(0o660, { gid: 6 }) });
  tree.set("etc", directory({ mtime: 1_700_000_000 }));
  tree.set("etc/first", shared);
  tree.set("etc/second", shared);
  tree.set("etc/empty", regularFile(new Uint8Array(0)));
  tree.set("init", symlink("usr/lib/systemd/systemd"));
  tree.set("pipe", { kind: "fifo", ...metadata(0o600) });
  tree.set("socket", { kind: "socket", ...metadata(0o755) });
  tree.set("\xe4\xff", regularFile(Buffer.from("a name that is no UTF-8")));
  return tree;
}

describe("newc header", () => {
  it("has the size and the order of the kernel's text", () => {
    expect(NewcHeader.size).toBe(110);
    expect(NewcHeader.fields.namesize.offset).toBe(94);
  });

  it("reads upper and lower case", () => {
    const upper = rawArchive({ name: "a", ino: 0xabcdef01 });
    const lower = new Uint8Array(Buffer.from(Buffer.from(upper).toString("latin1").replace("abcdef01", "ABCDEF01")));
    expect(parseCpio(upper).entries[0]?.ino).toBe(0xabcdef01);
    expect(parseCpio(lower).entries[0]?.ino).toBe(0xabcdef01);
  });
});

describe("parseCpio", () => {
  it("gives views, not copies", () => {
    const bytes = rawArchive({ name: "file", data: "content" });
    expect(parseCpio(bytes).entries[0]?.data.buffer).toBe(bytes.buffer);
  });

  it("reads archives one after another, with padding between them", () => {
    const bytes = Buffer.concat([rawArchive({ name: "a" }), Buffer.alloc(512), rawArchive({ name: "b" })]);
    const archive = parseCpio(new Uint8Array(bytes));
    expect(archive.entries.map((entry) => entry.name)).toEqual(["a", "b"]);
    expect(archive.trailers).toHaveLength(2);
  });

  it("needs no trailer", () => {
    expect(parseCpio(new Uint8Array(rawEntry({ name: "a", data: "1" }))).entries).toHaveLength(1);
  });

  it("takes further NUL bytes in the name's field", () => {
    expect(parseCpio(rawArchive({ nameField: "name\0\0\0\0\0" })).entries[0]?.name).toBe("name");
  });

  it.each<[string, RawEntry, string]>([
    ["the old format", { name: "a", magic: "070707" }, "cpio -H newc"],
    ["another magic", { name: "a", magic: "070703" }, "expected 070701 or 070702, got the bytes 303730373033"],
    ["a name without NUL", { nameField: "abc" }, "does not end with NUL"],
    ["a wrong checksum", { name: "a", magic: "070702", data: "ab", check: 1 }, "add up to 0x1, got 0xc3"],
    ["data beyond the end", { name: "a", filesize: 0x7fffffff }, "ends after"],
  ])("refuses %s", (_, entry, message) => {
    expect(errorOf(() => parseCpio(rawArchive(entry))).message).toContain(message);
  });

  it("verifies checksums", () => {
    expect(parseCpio(rawArchive({ name: "a", magic: "070702", data: "ab", check: 0xc3 })).entries).toHaveLength(1);
  });

  it("says which field is no number, and where", () => {
    const bytes = rawArchive({ name: "a" });
    bytes[22 + 3] = 0x67;
    const error = errorOf(() => parseCpio(bytes));
    expect(error).toMatchObject({ field: "uid", offset: 22 });
  });

  it("refuses junk and padding that is not a multiple of 4", () => {
    const entry = rawEntry({ name: "a" });
    const junk = errorOf(() => parseCpio(new Uint8Array(Buffer.concat([entry, Buffer.from("junk")]))));
    expect(junk).toMatchObject({ offset: entry.length });
    const askew = errorOf(() => parseCpio(new Uint8Array(Buffer.concat([entry, Buffer.alloc(2), entry]))));
    expect(askew).toMatchObject({ offset: entry.length + 2 });
  });

  it.each<[string, RawEntry]>([
    ["names of 4097 bytes", { name: "n".repeat(4096) }],
    ["no name", { nameField: "" }],
    ["symlinks with a target of 4097 bytes", { name: "link", mode: SYMLINK_MODE, data: "t".repeat(4097) }],
    ["directories with data", { name: "dir", mode: DIRECTORY_MODE, data: "data" }],
  ])("passes over %s, as the kernel does, and says so", (_, entry) => {
    const archive = parseCpio(rawArchive(entry, { name: "next" }));
    expect(archive.entries.map(({ name }) => name)).toEqual(["next"]);
    expect(archive.skipped).toHaveLength(1);
    expect(treeOfArchives([archive]).warnings).toHaveLength(1);
  });

  it("reports an archive that was cut short, at every length", () => {
    const bytes = encode(sampleTree());
    const whole = parseCpio(bytes);
    const ends = [...whole.entries, ...whole.trailers].flatMap(({ end }) => [end - 3, end - 2, end - 1, end]);
    for (let length = 1; length < bytes.length; length++) {
      try {
        parseCpio(bytes.slice(0, length));
        // Without a trailer, or the last padding, an archive is still whole.
        expect(ends).toContain(length);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
  });
});

describe("treeOfArchives", () => {
  it("lets the later entry win", () => {
    const { tree, warnings } = unpack({ name: "a", data: "long content" }, { name: "a", data: "new", mode: 0o100600 });
    expect(text(tree.get("a"))).toBe("new");
    expect(tree.get("a")?.permissions).toBe(0o600);
    expect(warnings).toEqual([]);
  });

  it("replaces a node of another type, but no directory that holds something", () => {
    const { tree, warnings } = unpack(
      { name: "empty", mode: DIRECTORY_MODE },
      { name: "empty", data: "file" },
      { name: "full", mode: DIRECTORY_MODE },
      { name: "full/inner" },
      { name: "full", data: "file" },
      { name: "full", mode: SYMLINK_MODE, data: "empty" },
      { name: "link", mode: SYMLINK_MODE, data: "full" },
      { name: "link", mode: DIRECTORY_MODE },
    );
    expect(tree.get("empty")?.kind).toBe("file");
    expect(tree.get("full")?.kind).toBe("directory");
    expect(tree.get("link")?.kind).toBe("directory");
    expect(warnings.map(({ name }) => name)).toEqual(["full", "full"]);
  });

  it("keeps what a directory holds when it comes again", () => {
    const { tree } = unpack(
      { name: "dir", mode: DIRECTORY_MODE },
      { name: "dir/file", data: "1" },
      { name: "dir", mode: 0o040700, uid: 7 },
    );
    expect(text(tree.get("dir/file"))).toBe("1");
    expect(tree.get("dir")).toMatchObject({ permissions: 0o700, uid: 7 });
  });

  it("follows symlinks on the way to a name", () => {
    const { tree } = unpack(
      { name: "usr", mode: DIRECTORY_MODE },
      { name: "usr/lib", mode: DIRECTORY_MODE },
      { name: "lib", mode: SYMLINK_MODE, data: "usr/lib" },
      { name: "lib/file", data: "1" },
    );
    expect(text(tree.get("usr/lib/file"))).toBe("1");
  });

  it("warns about entries whose directory is missing", () => {
    const { tree, warnings } = unpack({ name: "missing/file" }, { name: "dev/null", mode: 0o020666, rdevMajor: 1 });
    expect(warnings).toEqual([{ name: "missing/file", message: expect.stringContaining("does not exist") }]);
    // /dev and /root are in every kernel.
    expect(tree.get("dev/null")?.kind).toBe("character-device");
    expect(tree.get("root")).toBeUndefined();
  });

  it("gives the root directory what '.' says", () => {
    const { tree } = unpack({ name: ".", mode: 0o040711, mtime: 9 }, { name: "./etc", mode: DIRECTORY_MODE });
    expect(tree.root).toMatchObject({ permissions: 0o711, mtime: 9 });
    expect(tree.get("etc")?.kind).toBe("directory");
  });

  it.each([
    ["first", ["data", "", ""]],
    ["middle", ["", "data", ""]],
    ["last", ["", "", "data"]],
  ])("links names that share an inode, the data at the %s of them", (_, datas) => {
    const { tree } = unpack(...datas.map((data, i) => ({ name: `name${i}`, ino: 7, nlink: 3, data })));
    expect(text(tree.get("name0"))).toBe("data");
    expect(tree.get("name1")).toBe(tree.get("name0"));
    expect(tree.get("name2")).toBe(tree.get("name0"));
  });

  it("does not link across devices, types, trailers, or with one link only", () => {
    const link = { ino: 7, nlink: 2 };
    const bytes = Buffer.concat([
      rawArchive({ name: "a", ...link }, { name: "b", ...link, devMinor: 1 }, { name: "c", ...link, mode: 0o010644 }),
      rawArchive({ name: "d", ...link }, { name: "e", ino: 7 }),
    ]);
    const { tree } = treeOfArchives([parseCpio(new Uint8Array(bytes))]);
    const nodes = ["a", "b", "c", "d", "e"].map((name) => tree.get(name));
    expect(nodes).not.toContain(undefined);
    expect(new Set(nodes).size).toBe(5);
  });

  it("keeps the links' meaning from one archive to the next where no trailer stands between them", () => {
    const first = parseCpio(new Uint8Array(rawEntry({ name: "a", ino: 7, nlink: 2, data: "1" })));
    const second = parseCpio(rawArchive({ name: "b", ino: 7, nlink: 2 }));
    const { tree } = treeOfArchives([first, second]);
    expect(tree.get("b")).toBe(tree.get("a"));
  });

  it("changes all names of a file that is unpacked again", () => {
    const { tree } = unpack(
      { name: "a", ino: 7, nlink: 2, data: "old" },
      { name: "b", ino: 7, nlink: 2 },
      { name: "a", data: "new" },
    );
    expect(text(tree.get("b"))).toBe("new");
  });

  it("warns about links to what was not unpacked", () => {
    const { warnings } = unpack(
      { name: "missing/a", ino: 7, nlink: 2, data: "1" },
      { name: "b", ino: 7, nlink: 2 },
      { name: "link", mode: SYMLINK_MODE },
      { name: "odd", mode: 0o000644 },
    );
    expect(warnings.map(({ name }) => name)).toEqual(["missing/a", "b", "link", "odd"]);
  });

  it("keeps a device that is already there", () => {
    const device = { name: "dev/x", mode: 0o020600, rdevMajor: 1, rdevMinor: 3 };
    const { tree, warnings } = unpack(device, { ...device, mode: 0o020666, rdevMinor: 5 });
    expect(tree.get("dev/x")).toMatchObject({ minor: 3, permissions: 0o666 });
    expect(warnings).toHaveLength(1);
  });
});

describe("encodeCpio", () => {
  it("writes the same bytes for the same tree", () => {
    const bytes = encode(sampleTree());
    expect(bytes.length % 4).toBe(0);
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(
      "f16a6c6e31a5fe403d2c793e13b36d0c4d02fada460730ddee70011563f1ac2a",
    );
  });

  it("looks like this", async () => {
    await expect(dumpCpio(parseCpio(encode(sampleTree())))).toMatchFileSnapshot("../golden/cpio-sample.txt");
  });

  it("is read back as the same tree", () => {
    const { tree, warnings } = treeOfArchives([parseCpio(encode(sampleTree()))]);
    expect(warnings).toEqual([]);
    expect(Buffer.from(encode(tree))).toEqual(Buffer.from(encode(sampleTree())));
    expect(tree.get("etc/first")).toBe(tree.get("etc/second"));
  });

  it("round-trips any tree", () => {
    const name = fc.stringMatching(/^[a-z\xff]{1,6}$/).filter((value) => value !== "TRAILER!!!");
    const file = fc.record({ data: fc.uint8Array({ maxLength: 9 }), mtime: fc.nat(), permissions: fc.nat(0o7777) });
    const content = fc.dictionary(
      fc.tuple(name, name).map((parts) => parts.join("/")),
      file,
      { maxKeys: 20 },
    );
    fc.assert(
      fc.property(content, (files) => {
        const tree = new Tree();
        for (const [path, { data, ...given }] of Object.entries(files)) {
          tree.setWithParents(path, regularFile(data, given));
        }
        const bytes = encode(tree);
        const again = treeOfArchives([parseCpio(bytes)]);
        expect(again.warnings).toEqual([]);
        expect(Buffer.compare(encode(again.tree), bytes)).toBe(0);
      }),
    );
  });

  const extended = new Map([["security.capability", new Uint8Array(4)]]);
  it.each<[string, string, Node, string]>([
    ["extended attributes", "file", regularFile(new Uint8Array(0), { xattrs: extended }), "security.capability"],
    ["a name that ends archives", "TRAILER!!!", directory(), "ends an archive"],
    ["a long name", "n".repeat(4096), directory(), "longer than 4095"],
    ["a time before 1970", "file", regularFile(new Uint8Array(0), { mtime: -1 }), "(mtime)"],
    ["half a second", "file", regularFile(new Uint8Array(0), { mtime: 0.5 }), "(mtime)"],
    ["a file of 4 GiB", "file", regularFile({ size: 2 ** 32, read: () => new Uint8Array() }), "(filesize)"],
    ["a symlink to nothing", "link", symlink(""), "target of 0 bytes"],
  ])("refuses %s", (_, path, node, message) => {
    const tree = new Tree();
    tree.set(path, node);
    expect(errorOf(() => encode(tree)).message).toContain(message);
  });

  it("leaves out extended attributes when told to", () => {
    const tree = new Tree(directory({ xattrs: extended }));
    expect(() => encodeCpio(tree, new MemorySink(), { xattrs: "drop" })).not.toThrow();
  });
});

describe("dumpCpio", () => {
  it("accounts for every byte", () => {
    const skipped = rawEntry({ name: "dir", mode: DIRECTORY_MODE, data: "data" });
    const bytes = Buffer.concat([rawEntry({ name: "a" }), Buffer.alloc(8), skipped, TRAILER_ENTRY, Buffer.alloc(100)]);
    const lines = dumpCpio(parseCpio(new Uint8Array(bytes)))
      .trimEnd()
      .split("\n");
    const ranges = lines.map((line) =>
      line
        .split(" ", 1)[0]
        ?.split("-")
        .map((digits) => Number.parseInt(digits, 16)),
    );
    expect(ranges[0]?.[0]).toBe(0);
    for (const [index, range] of ranges.entries()) expect(range?.[1]).toBe(ranges[index + 1]?.[0] ?? bytes.length);
    expect(lines).toHaveLength(5);
  });
});
