import type { ByteSource, ByteString } from "../../bytes/index.ts";
import { decodeDevice } from "./device.ts";
import { Budget, ErofsImage, type ErofsInode } from "./image.ts";
import { readTarget } from "./read.ts";
import { walkDirectories } from "./walk.ts";

/** An entry of an image, without its content. */
export interface ErofsEntry extends Pick<ErofsInode, "kind" | "permissions" | "uid" | "gid" | "mtime" | "links"> {
  /** Without a leading slash; "" for the root. */
  readonly path: ByteString;
  readonly nid: number;
  /** Of a file's content or a symlink's target; bytes. */
  readonly size: number;
  readonly target: ByteString | undefined;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
}

/**
 * Every entry of an image, in the order of their paths. Needs no file's content, so that it also lists what cannot be
 * read (compressed files).
 * @throws FormatError for what is not sound, with the offset.
 */
export function listErofs(source: ByteSource): ErofsEntry[] {
  const image = new ErofsImage(source);
  const budget = new Budget(source.size);
  const paths = new Map<number, ByteString>();
  const entries: ErofsEntry[] = [];
  for (const { inode, entries: children } of walkDirectories(image, budget)) {
    const parent = paths.get(inode.nid) ?? "";
    if (entries.length === 0) entries.push(entryOf(image, inode, parent, budget));
    for (const { name, inode: child } of children) {
      const path = parent === "" ? name : `${parent}/${name}`;
      if (child.kind === "directory") paths.set(child.nid, path);
      entries.push(entryOf(image, child, path, budget));
    }
  }
  // A directory's entries stand right behind it when "/" sorts before every other byte.
  const key = (path: ByteString): ByteString => path.replaceAll("/", "\0");
  return entries.sort((a, b) => (key(a.path) < key(b.path) ? -1 : 1));
}

function entryOf(image: ErofsImage, inode: ErofsInode, path: ByteString, budget: Budget): ErofsEntry {
  const { kind, nid, permissions, uid, gid, mtime, links, size } = inode;
  const isDevice = kind === "character-device" || kind === "block-device";
  return {
    path,
    nid,
    kind,
    permissions,
    uid,
    gid,
    mtime,
    links,
    size,
    target: kind === "symlink" ? readTarget(image, inode, budget) : undefined,
    device: isDevice ? decodeDevice(inode.union) : undefined,
  };
}
