import { createHash } from "node:crypto";
import { join } from "node:path";
import { type BaseTree, GENERATION_FILES, readGeneration } from "../build/index.ts";
import { chunksOf, toHex } from "../bytes/index.ts";
import { readDdi } from "../formats/ddi/index.ts";
import { readGpt, verityPartitionType } from "../formats/gpt/index.ts";
import { FileSource } from "../host/index.ts";
import { contentBytes, digestOfTree } from "../transform/index.ts";
import { type OpenContent, openContent } from "./open.ts";

/** Something that an image can be the difference to, opened. */
export interface OpenBase {
  readonly base: BaseTree;
  /** What a person should know of it; one line each. */
  readonly warnings: readonly string[];
  close(): void;
}

/**
 * Opens what `image.against` names: anything that is a file tree. Of several trees the first one counts: of a
 * generation its image.
 * @throws UsageError when it cannot be read, FormatError when it is damaged or something else.
 */
export async function openBase(path: string): Promise<OpenBase> {
  const content = await openContent(path);
  try {
    const { tree, knowsXattrs } = content.roots[0];
    const unseen = `${path} is a folder: whether its files have extended attributes is not known, they count as having none`;
    return {
      base: { name: path, tree, identity: identityOf(content) },
      warnings: [...content.warnings, ...(knowsXattrs ? [] : [unseen])],
      close: content.close,
    };
  } catch (cause) {
    content.close();
    throw cause;
  }
}

function identityOf({ kind, path, roots }: OpenContent): BaseTree["identity"] {
  if (kind === "folder") {
    const { tree } = roots[0];
    return { kind, sizeBytes: contentBytes(tree), sha256: toHex(digestOfTree(tree)) };
  }
  const source = new FileSource(kind === "generation" ? join(path, GENERATION_FILES.image) : path, "the base");
  try {
    const rootHash = kind === "generation" ? readGeneration(path).manifest.image.rootHash : rootHashOf(kind, source);
    const identity = { kind, sizeBytes: source.size, sha256: digestOf(source) };
    return rootHash === undefined ? identity : { ...identity, rootHash };
  } finally {
    source.close();
  }
}

/** Of a disk with one tree that a hash protects; with several trees, none stands for the disk. */
function rootHashOf(kind: OpenContent["kind"], source: FileSource): string | undefined {
  if (kind !== "disk") return undefined;
  const isData = ({ typeGuid }: { typeGuid: string }): boolean => verityPartitionType(typeGuid)?.role === "data";
  if (!readGpt(source).partitions.some(isData)) return undefined;
  const [tree, ...others] = readDdi(source).trees;
  return tree?.verity === undefined || others.length > 0 ? undefined : toHex(tree.verity.rootHash);
}

function digestOf(source: FileSource): string {
  const hash = createHash("sha256");
  for (const chunk of chunksOf(source)) hash.update(chunk);
  return hash.digest("hex");
}
