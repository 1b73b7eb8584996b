import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import fc from "fast-check";
import { byteStringBytes, byteStringFrom, chunksOf, toHex } from "../../src/bytes/index.ts";
import {
  type Device,
  directory,
  kindOfMode,
  type Metadata,
  metadata,
  modeOf,
  type Node,
  regularFile,
  symlink,
  Tree,
} from "../../src/tree/index.ts";
import { run } from "./tools.ts";

const ACL_VERSION_2 = "02000000";
const ACL_ENTRIES = "01000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff";

export function xattrs(given: Readonly<Record<string, string>>): Map<string, Uint8Array> {
  return new Map(Object.entries(given).map(([name, value]) => [name, byteStringBytes(value)]));
}

/** Bytes that do not repeat and look the same every time. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 24;
  });
}

export function device(kind: Device["kind"], major: number, minor: number, given: Partial<Metadata> = {}): Device {
  return { kind, major, minor, ...metadata(0o600, given) };
}

/** A little of everything that EROFS can hold. */
export function everything(): Tree {
  const tree = new Tree(directory({ mtime: 1700000000, permissions: 0o1755 }));
  const at = { mtime: 1700000000 };
  const set = (path: string, node: Node): void => tree.setWithParents(path, node);
  set("empty", regularFile(new Uint8Array(0), at));
  for (const size of [1, 4031, 4032, 4064, 4065, 4095, 4096, 4097, 8192, 123456]) {
    set(`size/${size}`, regularFile(noise(size, size), at));
  }
  set("big-ids", regularFile(noise(10), { ...at, uid: 4000000000, gid: 70000, permissions: 0o6711 }));
  set("old", regularFile(noise(10), { mtime: -1 }));
  set("late", regularFile(noise(5000), { mtime: 5_000_000_000 }));
  set("link/fast", symlink("../size/4097", at));
  set("link/long", symlink("/x".repeat(2047), at));
  set("link/attributes", symlink("y".repeat(4000), { ...at, xattrs: xattrs({ "trusted.a": "b".repeat(200) }) }));
  set("null", device("character-device", 1, 3, at));
  set("disk", device("block-device", 259, 0xfffff, at));
  set("highest", device("block-device", 4095, 300, at));
  set("pipe", { kind: "fifo", ...metadata(0o600, at) });
  set("socket", { kind: "socket", ...metadata(0o600, at) });
  const hard = regularFile(noise(6000), at);
  for (const path of ["hard/one", "hard/two", "three"]) set(path, hard);
  const acl = new Uint8Array(Buffer.from(ACL_VERSION_2 + ACL_ENTRIES, "hex"));
  set(
    "x/acl",
    regularFile(noise(9), { ...at, permissions: 0o644, xattrs: new Map([["system.posix_acl_access", acl]]) }),
  );
  const shared = { "security.label": "system_u:object_r:unlabeled", "user.shared": "s" };
  set("x/a", regularFile(noise(4000), { ...at, xattrs: xattrs({ ...shared, "user.empty": "" }) }));
  set("x/b", regularFile(noise(4096), { ...at, xattrs: xattrs({ ...shared, "user.large": "v".repeat(9000) }) }));
  set("x/c", directory({ ...at, xattrs: xattrs(shared) }));
  const name = "a name that is rather long, to fill blocks";
  for (let index = 0; index < 300; index++) set(`many/${name} ${index}`, regularFile(noise(index % 7), at));
  for (let byte = 1; byte < 256; byte++) {
    const character = String.fromCharCode(byte);
    if (character !== "/" && character !== ".") set(`bytes/${character}`, regularFile(new Uint8Array(0), at));
  }
  set(`bytes/${"n".repeat(255)}`, regularFile(new Uint8Array(0), at));
  set("a/b/c/d/e/f", directory());
  return tree;
}

/** A small tree with each data layout that the writer has, for golden files and exhaustive damage. */
export function small(): Tree {
  const tree = new Tree(directory({ mtime: 7 }));
  const at = { mtime: 7, xattrs: xattrs({ "user.shared": "the same everywhere" }) };
  const hard = regularFile(noise(20), at);
  tree.set("plain", regularFile(noise(4096), { mtime: 7 }));
  tree.set("inline", hard);
  tree.set("both", regularFile(noise(4106), { mtime: 8, uid: 70000 }));
  tree.set("directory", directory(at));
  tree.set("directory/link", symlink("../inline", { mtime: 7 }));
  tree.set("directory/hard", hard);
  tree.set("null", device("character-device", 1, 3, { mtime: 7, xattrs: xattrs({ "trusted.one": "1" }) }));
  tree.set("pipe", { kind: "fifo", ...metadata(0o600, { mtime: 7 }) });
  return tree;
}

/** A tree as plain values: equal trees give equal lists. Hard links show as the path of the first name. */
export function factsOf(tree: Tree): unknown[] {
  const first = new Map<Node, string>();
  return [...tree.walk()].map(({ path, node }) => {
    const same = first.get(node);
    if (same !== undefined) return { path, sameAs: same };
    first.set(node, path);
    return { path, mode: modeOf(node).toString(8), uid: node.uid, gid: node.gid, mtime: node.mtime, ...bodyOf(node) };
  });
}

function bodyOf(node: Node): object {
  const attributes = [...node.xattrs].map(([name, value]) => `${name}=${toHex(value)}`).sort();
  switch (node.kind) {
    case "file": {
      const hash = createHash("sha256");
      for (const chunk of chunksOf(node.content)) hash.update(chunk);
      return { attributes, size: node.content.size, sha256: hash.digest("hex") };
    }
    case "symlink":
      return { attributes, target: node.target };
    case "character-device":
    case "block-device":
      return { attributes, major: node.major, minor: node.minor };
    default:
      return { attributes };
  }
}

/** How many links each path should show. */
export function linksOf(tree: Tree): Map<string, number> {
  const names = new Map<Node, number>();
  for (const { node } of tree.walk()) names.set(node, (names.get(node) ?? 0) + 1);
  return new Map(
    [...tree.walk()].map(({ path, node }) => {
      if (node.kind !== "directory") return [path, names.get(node) ?? 0];
      return [path, 2 + [...node.entries.values()].filter(({ kind }) => kind === "directory").length];
    }),
  );
}

const LIST_ATTRIBUTES = `
import os, sys
root = os.fsencode(sys.argv[1])
for folder, folders, files in os.walk(root):
    for path in [folder] + [os.path.join(folder, name) for name in files + [f for f in folders if os.path.islink(os.path.join(folder, f))]]:
        for name in os.listxattr(path, follow_symlinks=False):
            value = os.getxattr(path, name, follow_symlinks=False)
            print(path[len(root) + 1:].hex() + ":" + os.fsencode(name).hex() + ":" + value.hex())
`;

/** The folder as the kernel shows it; `python` lists the extended attributes, which Node cannot. */
export function treeOfFolder(root: string, python: string): Tree {
  const attributes = new Map<string, Map<string, Uint8Array>>();
  for (const line of run(python, ["-c", LIST_ATTRIBUTES, root]).stdout.split("\n").filter(Boolean)) {
    const [path = "", name = "", value = ""] = line
      .split(":")
      .map((part) => Buffer.from(part, "hex").toString("latin1"));
    const list = attributes.get(path) ?? new Map<string, Uint8Array>();
    attributes.set(path, list.set(name, byteStringBytes(value)));
  }
  // The device, too: an overlay shows the inodes of several.
  const byInode = new Map<string, Node>();
  const read = (path: string): Node => {
    const place = Buffer.from(path === "" ? root : `${root}/${path}`, "latin1");
    const stat = lstatSync(place, { bigint: true });
    const inode = `${stat.dev}:${stat.ino}`;
    const known = byInode.get(inode);
    const kind = kindOfMode(Number(stat.mode));
    if (known !== undefined && kind !== "directory") return known;
    const given = metadata(Number(stat.mode & 0o7777n), {
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtime: Number(stat.mtimeNs / 1_000_000_000n),
      xattrs: attributes.get(path) ?? new Map(),
    });
    const node = readNode(kind, place, Number(stat.rdev), given);
    byInode.set(inode, node);
    if (node.kind === "directory") {
      for (const name of readdirSync(place, { encoding: "buffer" }).map(byteStringFrom)) {
        node.entries.set(name, read(path === "" ? name : `${path}/${name}`));
      }
    }
    return node;
  };
  return new Tree(read("") as ReturnType<typeof directory>);
}

/** glibc's dev_t: 12 bits of major above 8 bits of minor, the other minor bits above (gnu_dev_makedev). */
function readNode(kind: Node["kind"] | undefined, place: Buffer, rdev: number, given: Metadata): Node {
  switch (kind) {
    case "directory":
      return directory(given);
    case "file":
      return regularFile(readFileSync(place), given);
    case "symlink":
      return symlink(byteStringFrom(readlinkSync(place, { encoding: "buffer" })), given);
    case "character-device":
    case "block-device":
      return { kind, ...given, major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
    case "fifo":
    case "socket":
      return { kind, ...given };
    default:
      throw new Error(`Cannot read ${place.toString()}: unknown kind`);
  }
}

const BLOCK = 4096;
const sizes = fc.oneof(
  fc.nat(100),
  fc
    .tuple(fc.constantFrom(1, 2, 3), fc.integer({ min: -100, max: 100 }))
    .map(([blocks, more]) => blocks * BLOCK + more),
);
const names = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 3 }),
    fc.integer({ min: 1, max: 255 }).map((length) => noise(length, length)),
  )
  .map((bytes) => byteStringFrom(bytes).replaceAll(/[\0/]/g, "_"))
  .filter((name) => name !== "." && name !== "..");
const attributeNames = fc
  .tuple(fc.constantFrom("user.", "trusted.", "security."), fc.constantFrom("a", "bb", "z".repeat(200)))
  .map((parts) => parts.join(""));
const attributes = fc
  .dictionary(attributeNames, fc.oneof(fc.constantFrom("", "same", "x".repeat(5000)), fc.string({ maxLength: 5 })), {
    maxKeys: 3,
  })
  .map((given) =>
    xattrs(Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value.replaceAll(/[^ -~]/g, "?")]))),
  );
const metadatas = fc.record({
  permissions: fc.nat(0o7777),
  uid: fc.constantFrom(0, 65535, 65536, 0xfffffffe),
  gid: fc.constantFrom(0, 65535, 65536),
  mtime: fc.constantFrom(0, 1, 1700000000, 2 ** 33),
  xattrs: attributes,
});
/** Linux shows user attributes of files and directories only (xattr(7)); the images hold them all the same. */
const metadatasOfOthers = metadatas.map((given) => ({
  ...given,
  xattrs: new Map([...given.xattrs].filter(([name]) => !name.startsWith("user."))),
}));
const nodes: fc.Arbitrary<Node> = fc.oneof(
  fc.tuple(sizes, fc.nat(3), metadatas).map(([size, seed, given]) => regularFile(noise(size, seed + size), given)),
  metadatas.map((given) => directory(given)),
  fc
    .tuple(fc.integer({ min: 1, max: 4095 }), metadatasOfOthers)
    .map(([length, given]) => symlink("t".repeat(length), given)),
  fc
    .tuple(
      fc.constantFrom("character-device" as const, "block-device" as const),
      fc.nat(4095),
      fc.nat(0xfffff),
      metadatasOfOthers,
    )
    .map(([kind, major, minor, given]) => device(kind, major, minor, given)),
  fc
    .tuple(fc.constantFrom("fifo" as const, "socket" as const), metadatasOfOthers)
    .map(([kind, given]) => ({ kind, ...given })),
);

/** Trees of all kinds of nodes: sizes around block boundaries, any bytes as names, hard links, shared attributes. */
export const trees: fc.Arbitrary<Tree> = fc
  .array(fc.record({ into: fc.nat(), name: names, node: nodes, again: fc.boolean(), alias: names }), { maxLength: 40 })
  .map((plan) => {
    const tree = new Tree();
    const folders = [tree.root];
    for (const { into, name, node, again, alias } of plan) {
      const folder = folders[into % folders.length] ?? tree.root;
      if (folder.entries.has(name)) continue;
      folder.entries.set(name, node);
      if (node.kind === "directory") folders.push(node);
      else if (again && !tree.root.entries.has(alias)) tree.root.entries.set(alias, node);
    }
    return tree;
  });
