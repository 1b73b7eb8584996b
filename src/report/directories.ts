import type { ByteString } from "../bytes/index.ts";
import type { DirectoryUse, EntryUse } from "./types.ts";

/** As many parts as a picture has room for. */
const MAX_PARTS = 36;
/** Of one directory: what is smaller is shown together. */
const MAX_SHOWN = 24;
/** A part is worth being taken apart when it is this share of everything. */
const MIN_SHARE = 0.03;
/** Deeper than any initrd; the rest is counted where it is cut. */
const MAX_DEPTH = 64;

interface Folder {
  readonly path: ByteString;
  bytes: number;
  readBytes: number;
  files: number;
  readonly folders: Map<ByteString, Folder>;
  /** What lies in the folder itself. */
  own: { bytes: number; readBytes: number; files: number };
}

/** The tree taken apart where it is large: the largest part first, as long as there is room. */
export function directoriesOf(entries: readonly EntryUse[]): DirectoryUse {
  const root = newFolder("");
  for (const entry of entries) addEntry(root, entry);
  const open = new Set<Folder>();
  const shown = [root];
  while (shown.length < MAX_PARTS) {
    shown.sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
    const index = shown.findIndex(({ bytes, folders }) => folders.size > 0 && bytes >= root.bytes * MIN_SHARE);
    const [folder] = index === -1 ? [] : shown.splice(index, 1);
    if (folder === undefined) break;
    open.add(folder);
    shown.push(...folder.folders.values());
  }
  return useOf(root, open);
}

function newFolder(path: ByteString): Folder {
  const nothing = { bytes: 0, readBytes: 0, files: 0 };
  return { path, ...nothing, folders: new Map(), own: { ...nothing } };
}

function addEntry(root: Folder, { path, bytes, readBytes }: EntryUse): void {
  const names = path.split("/").slice(0, -1).slice(0, MAX_DEPTH);
  let folder = root;
  for (let depth = 0; ; depth++) {
    folder.bytes += bytes;
    folder.readBytes += readBytes;
    folder.files++;
    const name = names[depth];
    if (name === undefined) break;
    const child = folder.folders.get(name) ?? newFolder(names.slice(0, depth + 1).join("/"));
    folder.folders.set(name, child);
    folder = child;
  }
  folder.own = {
    bytes: folder.own.bytes + bytes,
    readBytes: folder.own.readBytes + readBytes,
    files: folder.own.files + 1,
  };
}

function useOf(folder: Folder, open: ReadonlySet<Folder>): DirectoryUse {
  const { path, bytes, readBytes, files, folders, own } = folder;
  const parts = open.has(folder) ? [...folders.values()].map((part) => useOf(part, open)) : [];
  if (parts.length > 0 && own.files > 0) parts.push({ path: pathIn(path, "*"), ...own, parts: [] });
  parts.sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
  if (parts.length > MAX_SHOWN) parts.push(mergedParts(pathIn(path, "..."), parts.splice(MAX_SHOWN)));
  return { path, bytes, readBytes, files, parts };
}

function mergedParts(path: ByteString, parts: readonly DirectoryUse[]): DirectoryUse {
  const sum = { bytes: 0, readBytes: 0, files: 0 };
  for (const { bytes, readBytes, files } of parts) {
    sum.bytes += bytes;
    sum.readBytes += readBytes;
    sum.files += files;
  }
  return { path, ...sum, parts: [] };
}

function pathIn(path: ByteString, name: ByteString): ByteString {
  return path === "" ? name : `${path}/${name}`;
}
