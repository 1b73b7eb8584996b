import { createHash } from "node:crypto";
import { type ByteSource, chunksOf, customGuid, GUID_SIZE, UsageError } from "../bytes/index.ts";
import { planErofs } from "../formats/erofs/index.ts";
import { FileSource, isFolder, readHostTree } from "../host/index.ts";
import { diskReader, headOf, isErofs } from "../inspect/index.ts";
import { modeOf, type Node, type Tree } from "../tree/index.ts";
import { type RootFileSystem, rootPartitionGuid } from "./plan.ts";

/** An opened root file system, and a digest of all that is in it. */
export interface OpenRoot {
  readonly fileSystem: RootFileSystem;
  readonly digest: Uint8Array;
  /** What a person should know; one line each. */
  readonly warnings: readonly string[];
  close(): void;
}

/**
 * Opens what a person gives as root file system: an image file of one, taken as it is, or a folder, which becomes an
 * EROFS image. Reads all of it once, for its digest.
 * @throws UsageError when it is neither.
 */
export function openRoot(path: string): OpenRoot {
  return isFolder(path) ? openFolder(path) : openImage(path);
}

function openImage(path: string): OpenRoot {
  const source = new FileSource(path, "the root file system");
  try {
    const head = headOf(source);
    if (source.size === 0 || diskReader.matches(head, { path, source })) {
      const what = source.size === 0 ? "it is empty" : "it is a whole disk";
      throw new UsageError(`Cannot use ${path} as root file system: ${what}`, {
        hint: "give the image of a file system, or a folder",
      });
    }
    const digest = digestOfSource(source);
    const fileSystem = {
      sizeBytes: source.size,
      content: source,
      partitionGuid: rootPartitionGuid(digest),
      isReadOnly: isErofs(head),
    };
    return { fileSystem, digest, warnings: [], close: () => source.close() };
  } catch (cause) {
    source.close();
    throw cause;
  }
}

function openFolder(path: string): OpenRoot {
  const tree = readHostTree(path);
  const digest = digestOfTree(tree);
  const plan = planErofs(tree, { uuid: customGuid(digest.subarray(0, GUID_SIZE)) });
  const fileSystem = {
    sizeBytes: plan.sizeBytes,
    content: (sink: Parameters<typeof plan.emit>[0]) => plan.emit(sink),
    partitionGuid: rootPartitionGuid(digest),
    isReadOnly: true,
  };
  const warnings = [`${path}: extended attributes (capabilities, ACLs, labels) are not taken over`];
  return { fileSystem, digest, warnings, close: () => undefined };
}

function digestOfSource(source: ByteSource): Uint8Array {
  const hash = createHash("sha256");
  for (const chunk of chunksOf(source)) hash.update(chunk);
  return hash.digest();
}

/** Of everything that an EROFS image holds of a tree. */
function digestOfTree(tree: Tree): Uint8Array {
  const hash = createHash("sha256");
  const numbers = new Map<Node, number>();
  for (const { path, node } of tree.walk()) {
    // A hard link is told by the number of the entry that it is the same as.
    const number = numbers.get(node) ?? numbers.size;
    const isFirst = !numbers.has(node);
    numbers.set(node, number);
    const device = "major" in node ? [node.major, node.minor] : [];
    const content = node.kind === "file" ? node.content.size : node.kind === "symlink" ? node.target : "";
    const facts = [path, number, modeOf(node), node.uid, node.gid, node.mtime, device, content];
    hash.update(`${JSON.stringify(facts)}\n`, "utf8");
    if (node.kind === "file" && isFirst) for (const chunk of chunksOf(node.content)) hash.update(chunk);
  }
  return hash.digest();
}
