import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import type { ProgressListener } from "../build/index.ts";
import { type ByteSource, type ByteString, chunksOf, FormatError } from "../bytes/index.ts";
import { FileSource, inFile } from "../host/index.ts";
import { diskReader, headOf, inspectFile, inspectGeneration } from "../inspect/index.ts";
import { counted, formatExactSize } from "../text/index.ts";
import type { Node } from "../tree/index.ts";
import { shownPath } from "./locate.ts";
import { type OpenContent, type Root, withContent } from "./open.ts";

/** What was read and found to be sound. */
export interface Verified {
  /** One line for each thing that was checked. */
  readonly checked: readonly string[];
  /** What a person should know although nothing is wrong. */
  readonly warnings: readonly string[];
  /** SHA-256 in hexadecimal of every regular file, by path. */
  readonly digests: ReadonlyMap<string, string>;
}

/**
 * Reads everything of something that is a file tree: every block through its hash tree where there is one, all
 * metadata, every byte of every file.
 * @throws FormatError that names the first fault.
 */
export async function verifyContent(path: string, progress: ProgressListener): Promise<Verified> {
  const hashed = await verifyHashes(path, progress);
  return withContent(path, async (content) => {
    const digests = new Map<string, string>();
    const checked = [...hashed];
    for (const root of content.roots) checked.push(await readAll(root, digests, progress));
    return { checked, warnings: warningsOf(content, hashed), digests };
  });
}

function warningsOf(content: OpenContent, hashed: readonly string[]): string[] {
  const unprotected = content.kind === "disk" && hashed.length === 0;
  return [
    ...content.warnings,
    ...(unprotected ? ["it has no hash tree: nothing tells whether it is what it was"] : []),
  ];
}

/** What the hashes of a generation or disk say; nothing for what has none. */
async function verifyHashes(path: string, progress: ProgressListener): Promise<readonly string[]> {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    const isGeneration = await withContent(path, ({ kind }) => kind === "generation");
    if (!isGeneration) return [];
    const { problems, verify } = await inspectGeneration(path);
    const [problem] = problems;
    if (problem !== undefined) throw new FormatError(`Cannot trust ${path}: ${problem}`, { format: "generation" });
    const verified = (await verify?.(progress)) ?? [];
    return ["manifest: all files are as it says", ...verified];
  }
  const source = new FileSource(path, "the file");
  try {
    return await inFile(path, async () => {
      if (!(await hasHashTree(source))) return [];
      const { verify } = await inspectFile({ path, source });
      return (await verify?.(progress)) ?? [];
    });
  } finally {
    source.close();
  }
}

async function hasHashTree(source: FileSource): Promise<boolean> {
  if (!diskReader.matches(headOf(source), { path: source.path, source })) return false;
  const { facts } = await inspectFile({ path: source.path, source });
  const trees = facts["trees"];
  return Array.isArray(trees) && trees.some(({ rootHash }: { rootHash: string | null }) => rootHash !== null);
}

/** Reads a tree: its metadata, which the walk checks, and every byte of its files. */
async function readAll(root: Root, digests: Map<string, string>, progress: ProgressListener): Promise<string> {
  const stage = `reading ${root.name === "" ? "files" : root.name}`;
  await progress(stage);
  const entries = [...root.tree.walk()];
  const known = new Map<Node, string>();
  const contents = new Set(entries.flatMap(({ node }) => (node.kind === "file" ? [node.content] : [])));
  const totalBytes = [...contents].reduce((bytes, { size }) => bytes + size, 0);
  let doneBytes = 0;
  const digestOf = (path: ByteString, content: ByteSource): string => {
    const hash = createHash("sha256");
    try {
      for (const chunk of chunksOf(content)) {
        hash.update(chunk);
        doneBytes += chunk.length;
        progress(stage, { doneBytes, totalBytes });
      }
    } catch (cause) {
      if (cause instanceof FormatError) cause.message = `${shownPath(root, path)}: ${cause.message}`;
      throw cause;
    }
    return hash.digest("hex");
  };
  for (const { path, node } of entries) {
    if (node.kind !== "file") continue;
    const digest = known.get(node) ?? digestOf(path, node.content);
    known.set(node, digest);
    digests.set(shownPath(root, path), digest);
  }
  const name = root.name === "" ? "" : `${root.name}: `;
  return `${name}${counted(entries.length, "entry", "entries")}, ${counted(known.size, "file")} with ${formatExactSize(totalBytes)} read`;
}
