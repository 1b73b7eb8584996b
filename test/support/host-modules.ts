import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ByteSource } from "../../src/bytes/index.ts";
import { regularFile, Tree } from "../../src/tree/index.ts";

/** A file that is read when somebody asks for its bytes: a modules folder has 400 MB, of which a test reads little. */
class LazyFile implements ByteSource {
  readonly #path: string;
  readonly size: number;

  constructor(path: string) {
    this.#path = path;
    this.size = statSync(path).size;
  }

  read(offset: number, length: number): Uint8Array {
    return readFileSync(this.#path).subarray(offset, offset + length);
  }
}

/** The folder lib/modules/<release> of a machine as a tree with that path, without the files that `leaveOut` names. */
export function hostModules(folder: string, release: string, leaveOut: readonly string[] = []): Tree {
  const tree = new Tree();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || leaveOut.includes(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    tree.setWithParents(`lib/modules/${release}/${path.slice(folder.length + 1)}`, regularFile(new LazyFile(path)));
  }
  return tree;
}
