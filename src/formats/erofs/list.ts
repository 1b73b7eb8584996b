import type { ByteSource, ByteString } from "../../bytes/index.ts";
import { ContentReader } from "./content-reader.ts";
import { BUILT_IN_DECODERS, type ExtentDecoders } from "./decoders.ts";
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
 * read.
 * @throws FormatError for what is not sound, with the offset.
 */
export function listErofs(source: ByteSource, decoders: ExtentDecoders = BUILT_IN_DECODERS): ErofsEntry[] {
  const reader = new ContentReader(new ErofsImage(source), new Budget(source.size), decoders);
  const paths = new Map<number, ByteString>();
  const entries: ErofsEntry[] = [];
  for (const { inode, entries: children } of walkDirectories(reader)) {
    const parent = paths.get(inode.nid) ?? "";
    if (entries.length === 0) entries.push(entryOf(reader, inode, parent));
    for (const { name, inode: child } of children) {
      const path = parent === "" ? name : `${parent}/${name}`;
      if (child.kind === "directory") paths.set(child.nid, path);
      entries.push(entryOf(reader, child, path));
    }
  }
  // A directory's entries stand right behind it when "/" sorts before every other byte.
  const key = (path: ByteString): ByteString => path.replaceAll("/", "\0");
  return entries.sort((a, b) => (key(a.path) < key(b.path) ? -1 : 1));
}

function entryOf(reader: ContentReader, inode: ErofsInode, path: ByteString): ErofsEntry {
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
    target: kind === "symlink" ? readTarget(reader, inode) : undefined,
    device: isDevice ? decodeDevice(inode.union) : undefined,
  };
}
