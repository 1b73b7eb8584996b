import { createHash } from "node:crypto";
import { type ByteString, byteStringBytes, chunksOf, toHex, UsageError } from "../bytes/index.ts";
import type { LaidOver } from "../plan/index.ts";
import { type Base, isOpaque, isWhiteout, type TransformedTree, withNode } from "../transform/index.ts";
import { directory, Tree } from "../tree/index.ts";

/**
 * A tree that an image is to be laid over, at the place where the layout has it. The images in it are no part of it: the
 * image must be the same before and after it was put there.
 * @throws UsageError when it is the tree around that place instead.
 */
export function baseAt(base: Omit<Base, "at">, laidOver: LaidOver | undefined): Base {
  if (laidOver === undefined) return base;
  const { path, images } = laidOver;
  if (base.tree.get(path)?.kind === "directory") {
    throw new UsageError(
      `Cannot leave out what ${base.name} has: expected a /${path}, got a tree with a directory ${path}`,
      {
        hint: `give its directory ${path}`,
      },
    );
  }
  const { root } = withNode(base.tree, images, directory());
  return { ...base, tree: withNode(new Tree(), path, root), at: path };
}

/** What of a base decides what a layer holds: the same for all bases that come to the same layer. */
export function outlineOf(layer: Tree): string {
  const hash = createHash("sha256");
  for (const { path, node } of layer.walk()) {
    hash.update(`${JSON.stringify([path, isWhiteout(node), isOpaque(node)])}\n`);
  }
  return toHex(hash.digest());
}

/** The files that were left out, as sha256sum checks them in the directory that the image is laid over. */
export function checksumsOf({ leftOut, whole }: NonNullable<TransformedTree["layer"]>, at: string): Uint8Array {
  const lines = leftOut.map((path) => {
    const node = whole.get(path);
    if (node?.kind !== "file") throw new Error(`no file is left out at ${path}`);
    const hash = createHash("sha256");
    for (const chunk of chunksOf(node.content)) hash.update(chunk);
    return checksumLine(toHex(hash.digest()), at === "" ? path : path.slice(at.length + 1));
  });
  return byteStringBytes(lines.join(""));
}

/** A line that begins with a backslash has a name with escapes (sha256sum(1)). */
function checksumLine(digest: string, name: ByteString): ByteString {
  const escaped = name.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  return `${escaped === name ? "" : "\\"}${digest}  ${escaped}\n`;
}
