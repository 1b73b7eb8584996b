import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { chunksOf, toText } from "../../src/bytes/index.ts";
import { readInitramfs, treeOfInitramfs } from "../../src/formats/cpio/index.ts";
import { modeOf, type Node, type Tree } from "../../src/tree/index.ts";
import { initrdFixture, type KernelFlavour } from "../support/fixtures.ts";
import { generation } from "../support/vm-generations.ts";
import { probeFor, section } from "../support/vm-probe.ts";
import { bootToReport } from "../support/vm-story.ts";

const SECTIONS = {
  mount: "bb mkdir /tmp/image && bb mount -t erofs -o ro /dev/dm-0 /tmp/image",
  entries: "cd /tmp/image && bb find . -exec $BB stat -c '%f %u:%g %h %s %Y %t:%T %N' {} +",
  contents: "cd /tmp/image && bb find . -type f -exec $BB sha256sum {} +",
};

const images: readonly (readonly [initrd: "dracut" | "initramfs-tools", kernel: KernelFlavour])[] = [
  ["dracut", "6.12-amd64"],
  ["dracut", "6.1-cloud-amd64"],
  ["initramfs-tools", "6.1-amd64"],
];

for (const [initrd, kernel] of images) {
  test(`${kernel} finds in the image all that is in the initrd of ${initrd}`, async () => {
    const built = generation({ initrd, kernel });
    const initramfs = await readInitramfs(readFileSync(initrdFixture(initrd, kernel)));
    const { tree } = treeOfInitramfs(initramfs, { includeEarly: false });
    const report = await bootToReport(built, { append: probeFor(initrd, SECTIONS), memoryMib: 2048 });
    expect(differences(section(report, "entries").map(withoutDirectorySize), entriesOf(tree))).toEqual([]);
    expect(differences(section(report, "contents"), contentsOf(tree))).toEqual([]);
  });
}

/** The lines that only one of the two has. */
function differences(seen: readonly string[], expected: readonly string[]): string[] {
  const [left, right] = [new Set(seen), new Set(expected)];
  return [
    ...expected.filter((line) => !left.has(line)).map((line) => `missing: ${line}`),
    ...seen.filter((line) => !right.has(line)).map((line) => `unexpected: ${line}`),
  ];
}

/** How many links and bytes a directory has is the file system's own affair. */
function withoutDirectorySize(line: string): string {
  return line.replace(/^(4\w{3} \S+) \d+ \d+ /, "$1 0 0 ");
}

const nameOf = (path: string): string => (path === "" ? "." : `./${toText(path)}`);

/** What `stat` prints for each entry, with zeros for links and bytes of directories. */
function entriesOf(tree: Tree): string[] {
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

function contentsOf(tree: Tree): string[] {
  const lines: string[] = [];
  for (const { path, node } of tree.walk()) {
    if (node.kind !== "file") continue;
    const hash = createHash("sha256");
    for (const chunk of chunksOf(node.content)) hash.update(chunk);
    lines.push(`${hash.digest("hex")}  ${nameOf(path)}`);
  }
  return lines;
}
