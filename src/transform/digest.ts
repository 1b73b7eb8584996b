import { createHash } from "node:crypto";
import { chunksOf, toHex } from "../bytes/index.ts";
import { FILE_TYPE_BITS, modeOf, type Node, type Tree } from "../tree/index.ts";

/**
 * SHA-256 of everything a tree says but times, for trees that are no file: one line of JSON for each entry in the order
 * of a walk, with the digest of a file's content, attributes in byte order.
 */
export function digestOfTree(tree: Tree): Uint8Array {
  const whole = createHash("sha256");
  const numbers = new Map<Node, number>();
  for (const { path, node } of tree.walk()) {
    const first = numbers.get(node) ?? numbers.size;
    // A further name of the same file says which file, not again what is in it.
    const facts = numbers.has(node) ? [] : factsOf(node);
    numbers.set(node, first);
    whole.update(`${JSON.stringify([path, first, ...facts])}\n`);
  }
  return whole.digest();
}

function factsOf(node: Node): unknown[] {
  const xattrs = [...node.xattrs].map(([name, value]) => [name, toHex(value)]).sort();
  // Nobody asks for the mode of a symlink, and archives disagree about it.
  const mode = node.kind === "symlink" ? FILE_TYPE_BITS.symlink : modeOf(node);
  return [mode, node.uid, node.gid, xattrs, contentOf(node)];
}

function contentOf(node: Node): unknown {
  if (node.kind === "symlink") return node.target;
  if ("major" in node) return [node.major, node.minor];
  if (node.kind !== "file") return null;
  const hash = createHash("sha256");
  for (const chunk of chunksOf(node.content)) hash.update(chunk);
  return hash.digest("hex");
}
