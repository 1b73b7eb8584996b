import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { chunksOf, toText } from "../../src/bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { modeOf, type Node, type Tree } from "../../src/tree/index.ts";
import { type InitrdGenerator, initrdFixture, type KernelFlavour } from "./fixtures.ts";

/** Sections of a probe that list what the image has in it: mounted once more, without what lies over it. */
export const LISTING_SECTIONS = {
  mount: "bb mkdir /tmp/image && bb mount -t erofs -o ro /dev/dm-0 /tmp/image",
  entries: "cd /tmp/image && bb find . -exec $BB stat -c '%f %u:%g %h %s %Y %t:%T %N' {} +",
  contents: "cd /tmp/image && bb find . -type f -exec $BB sha256sum {} +",
} as const;

/** What of an initrd belongs into its image. */
export async function treeOfInitrd(initrd: InitrdGenerator, kernel: KernelFlavour): Promise<Tree> {
  const initramfs = await readInitramfs(readFileSync(initrdFixture(initrd, kernel)));
  return treeOfInitramfs(initramfs, { includeEarly: false }).tree;
}

/** The lines that only one of the two has. */
export function differences(seen: readonly string[], expected: readonly string[]): string[] {
  const [left, right] = [new Set(seen), new Set(expected)];
  return [
    ...expected.filter((line) => !left.has(line)).map((line) => `missing: ${line}`),
    ...seen.filter((line) => !right.has(line)).map((line) => `unexpected: ${line}`),
  ];
}

/** How many links and bytes a directory has is the file system's own affair. */
export function withoutDirectorySize(line: string): string {
  return line.replace(/^(4\w{3} \S+) \d+ \d+ /, "$1 0 0 ");
}

const nameOf = (path: string): string => (path === "" ? "." : `./${toText(path)}`);

/** What `stat` prints for each entry, with zeros for links and bytes of directories. */
export function entriesOf(tree: Tree): string[] {
  const links = new Map<Node, number>();
  for (const { node } of tree.walk()) links.set(node, (links.get(node) ?? 0) + 1);
  return [...tree.walk()].map(({ path, node }) => {
    const count = node.kind === "directory" ? 0 : links.get(node);
    const size = node.kind === "file" ? node.content.size : node.kind === "symlink" ? node.target.length : 0;
    const device = "major" in node ? `${node.major.toString(16)}:${node.minor.toString(16)}` : "0:0";
    // busybox quotes names where there are two of them.
    const name = node.kind === "symlink" ? `'${nameOf(path)}' -> '${toText(node.target)}'` : nameOf(path);
    const mode = modeOf(node).toString(16);
    return `${mode} ${node.uid}:${node.gid} ${count} ${size} ${node.mtime} ${device} ${name}`;
  });
}

/** What `sha256sum` prints for each file. */
export function contentsOf(tree: Tree): string[] {
  const lines: string[] = [];
  for (const { path, node } of tree.walk()) {
    if (node.kind !== "file") continue;
    const hash = createHash("sha256");
    for (const chunk of chunksOf(node.content)) hash.update(chunk);
    lines.push(`${hash.digest("hex")}  ${nameOf(path)}`);
  }
  return lines;
}
