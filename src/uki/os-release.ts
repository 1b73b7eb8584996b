import type { Tree } from "../tree/index.ts";

/** In this order: an initrd says under the first two names what it was made for. */
const PATHS = ["etc/initrd-release", "usr/lib/initrd-release", "etc/os-release", "usr/lib/os-release"] as const;

/** The os-release text of an initrd or system; undefined where there is none. */
export function findOsRelease(tree: Tree): Uint8Array | undefined {
  for (const path of PATHS) {
    const node = tree.resolve(path);
    if (node?.kind === "file") return node.content.read(0, node.content.size);
  }
  return undefined;
}
