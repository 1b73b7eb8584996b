import { type ByteString, byteStringBytes, byteStringFrom, FormatError, MemorySource, toText } from "../bytes/index.ts";
import { encodeKmodIndex, parseKmodIndex } from "../formats/kmod-index/index.ts";
import { counted } from "../text/index.ts";
import type { RegularFile, Symlink, Tree } from "../tree/index.ts";
import {
  entryPath,
  findRenames,
  modulesIn,
  type ReleaseFolder,
  releaseFolders,
  withoutSuffix,
} from "./module-renames.ts";
import { contentBytes, type Outcome } from "./report.ts";

/** How modules are to be in the image. */
export interface ModulePreparation {
  /** A module's file, perhaps compressed, to what the image holds instead. Called for several of them at a time. */
  readonly prepare: (file: Uint8Array) => Promise<Uint8Array>;
  /** What that is, for the explanation. */
  readonly purpose: string;
  /** Hears how many bytes of the modules' files are done, of how many. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

type ChangeText = (text: ByteString) => ByteString;

const changeTextList = (bytes: Uint8Array, change: ChangeText): Uint8Array =>
  byteStringBytes(change(byteStringFrom(bytes)));

const changeIndex = (bytes: Uint8Array, change: ChangeText): Uint8Array =>
  encodeKmodIndex(
    parseKmodIndex(bytes).map(({ key, values }) => ({
      key,
      values: values.map(({ priority, value }) => ({ priority, value: change(value) })),
    })),
  );

/** Of the lists in a folder of modules those that name files, as words between blanks and colons. */
const LISTS: readonly (readonly [name: ByteString, change: typeof changeTextList])[] = [
  ["modules.dep", changeTextList],
  ["modules.dep.bin", changeIndex],
  ["modules.order", changeTextList],
];
const WORD = /[^\s:]+/g;

/** A file and what it is to hold. */
interface NewContent {
  readonly path: ByteString;
  readonly file: RegularFile;
  readonly content: Uint8Array;
}

/**
 * Prepares all modules in `tree`, takes `.gz`, `.xz` and `.zst` off their names, and changes what names them: the lists
 * of depmod, and symlinks. A module whose new name is taken stays as it is, with a warning.
 * @throws FormatError for a module or list that cannot be read, with its path.
 */
export async function unpackModules(tree: Tree, { prepare, purpose, onProgress }: ModulePreparation): Promise<Outcome> {
  const bytesBefore = contentBytes(tree);
  const folders = releaseFolders(tree);
  const modules = folders.flatMap(modulesIn);
  const warnings: string[] = [];
  const renamed = findRenames(tree, modules, warnings);
  const lists = await changedLists(tree, folders, renamed);
  const links = changedLinks(tree, renamed);

  const files = new Map<RegularFile, ByteString>();
  for (const { path, node } of modules) {
    if (node.kind === "file" && (renamed.has(path) || withoutSuffix(path) === path)) files.set(node, path);
  }
  const totalBytes = [...files.keys()].reduce((bytes, { content }) => bytes + content.size, 0);
  let doneBytes = 0;
  const prepareFile = async (file: RegularFile, path: ByteString): Promise<void> => {
    const { size } = file.content;
    const content = await inFile(path, () => prepare(file.content.read(0, size)));
    file.content = new MemorySource(content);
    doneBytes += size;
    onProgress?.(doneBytes, totalBytes);
  };
  await Promise.all([...files].map(([file, path]) => prepareFile(file, path)));
  for (const { file, content } of lists) file.content = new MemorySource(content);
  for (const [path, link] of links) tree.set(path, link);
  for (const path of renamed) {
    const node = tree.get(path);
    tree.remove(path);
    if (node !== undefined) tree.set(withoutSuffix(path), node);
  }
  return {
    done: [
      {
        setting: "modules",
        purpose,
        entries: files.size,
        bytesBefore,
        bytesAfter: contentBytes(tree),
        details: [
          ...(renamed.size > 0 ? [`${counted(renamed.size, "name")} without .xz, .zst or .gz`] : []),
          ...(links.size > 0 ? [`${counted(links.size, "symlink")} changed to lead to them`] : []),
          ...lists.map(({ path }) => `/${toText(path)} changed to name them`),
        ],
      },
    ],
    warnings,
  };
}

/** What the lists of all releases are to hold; none of those that stay the same. */
async function changedLists(
  tree: Tree,
  folders: readonly ReleaseFolder[],
  renamed: ReadonlySet<ByteString>,
): Promise<NewContent[]> {
  const lists: NewContent[] = [];
  for (const folder of folders) {
    const newNames = (text: ByteString): ByteString =>
      text.replace(WORD, (word) =>
        renamed.has(entryPath(tree, folder.path, word) ?? "") ? withoutSuffix(word) : word,
      );
    for (const [name, change] of LISTS) {
      const path = `${folder.path}/${name}`;
      const file = tree.resolve(path);
      if (file?.kind !== "file") continue;
      const old = file.content.read(0, file.content.size);
      const content = await inFile(path, () => change(old, newNames));
      if (Buffer.compare(old, content) !== 0) lists.push({ path, file, content });
    }
  }
  return lists;
}

/** Symlinks anywhere in the tree that name something renamed, as they are to be. */
function changedLinks(tree: Tree, renamed: ReadonlySet<ByteString>): Map<ByteString, Symlink> {
  const links = new Map<ByteString, Symlink>();
  for (const { path, node } of tree.walk()) {
    if (node.kind !== "symlink" || withoutSuffix(node.target) === node.target) continue;
    const folder = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
    if (!renamed.has(entryPath(tree, folder, node.target) ?? "")) continue;
    links.set(path, { ...node, target: withoutSuffix(node.target) });
  }
  return links;
}

/** Puts the path of a file in the tree in front of what was found wrong in it. */
async function inFile<T>(path: ByteString, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof FormatError) cause.message = `/${toText(path)}: ${cause.message}`;
    throw cause;
  }
}
