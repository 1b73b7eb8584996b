import { type ByteString, byteStringFrom, MemorySource } from "../../bytes/index.ts";
import {
  componentsOf,
  type Directory,
  directory,
  FILE_TYPE_MASK,
  kindOfMode,
  type Metadata,
  metadata,
  type Node,
  PERMISSIONS_MASK,
  regularFile,
  symlink,
  Tree,
} from "../../tree/index.ts";
import type { CpioArchive, CpioEntry } from "./entry.ts";
import type { Initramfs } from "./initramfs.ts";
import { BUILT_IN_DIRECTORIES } from "./layout.ts";

/** An entry that the kernel does not unpack as one might think, with the reason. */
export interface UnpackWarning {
  readonly name: ByteString;
  readonly message: string;
}

export interface Unpacked {
  readonly tree: Tree;
  readonly warnings: readonly UnpackWarning[];
}

/** The tree that the kernel makes of an initrd's segments, in their order; without the early ones where told so. */
export function treeOfInitramfs(
  initramfs: Pick<Initramfs, "segments">,
  { includeEarly = true }: { includeEarly?: boolean } = {},
): Unpacked {
  const segments = initramfs.segments.filter((segment) => includeEarly || !segment.early);
  return treeOfArchives(segments.map((segment) => segment.archive));
}

/**
 * The tree that the kernel makes of `archives`, unpacked one over the other (init/initramfs.c): the later entry wins,
 * directories only give way when empty, and an entry whose parent is missing is lost. What is lost is in `warnings`.
 * Files' contents are views of the archives' bytes.
 */
export function treeOfArchives(archives: Iterable<CpioArchive>): Unpacked {
  const unpacker = new Unpacker();
  for (const archive of archives) unpacker.unpack(archive);
  return { tree: unpacker.tree, warnings: unpacker.warnings };
}

interface Place {
  readonly parent: Directory;
  readonly name: ByteString;
}

class Unpacker {
  readonly tree = new Tree();
  readonly warnings: UnpackWarning[] = [];
  /** By device, inode and type, the name that was unpacked first; until the next trailer. */
  readonly #links = new Map<string, ByteString>();

  unpack(archive: CpioArchive): void {
    const { trailers } = archive;
    let trailer = 0;
    for (const entry of archive.entries) {
      for (; (trailers[trailer]?.offset ?? Number.POSITIVE_INFINITY) < entry.offset; trailer++) this.#links.clear();
      this.#unpackEntry(entry);
    }
    if (trailer < trailers.length) this.#links.clear();
    for (const { name, reason } of archive.skipped) this.#warn(name, `The kernel skips this entry: ${reason}`);
  }

  #unpackEntry(entry: CpioEntry): void {
    const kind = kindOfMode(entry.mode);
    const given = metadata(entry.mode & PERMISSIONS_MASK, { uid: entry.uid, gid: entry.gid, mtime: entry.mtime });
    if (kind === undefined) {
      this.#warn(entry.name, `The kernel skips this entry: mode 0${entry.mode.toString(8)} names no type of file`);
      return;
    }
    if (kind === "directory" && componentsOf(entry.name).length === 0) {
      Object.assign(this.tree.root, given);
      return;
    }
    // Before anything that can fail, as the kernel does: links to a name that was not unpacked fail as well.
    const link = kind === "directory" || kind === "symlink" ? undefined : this.#linkOf(entry);
    const place = this.#placeOf(entry.name);
    if (place === undefined) return;
    if (kind === "symlink") {
      this.#placeSymlink(entry, place, given);
      return;
    }
    if (!this.#clear(place, kind, entry.name)) return;
    if (kind === "directory") {
      const existing = place.parent.entries.get(place.name);
      if (existing === undefined) place.parent.entries.set(place.name, directory(given));
      else Object.assign(existing, given);
      return;
    }
    if (link !== undefined) {
      this.#placeLink(entry, place, link, given);
      return;
    }
    const existing = place.parent.entries.get(place.name);
    if (existing === undefined) {
      place.parent.entries.set(place.name, newNode(entry, kind, given));
      return;
    }
    // Of the same type: the kernel opens what is there, so further names of a file see the new content too.
    Object.assign(existing, given);
    if (existing.kind === "file") existing.content = new MemorySource(entry.data);
    else if ("major" in existing && (existing.major !== entry.rdevMajor || existing.minor !== entry.rdevMinor)) {
      this.#warn(entry.name, `The kernel keeps the device ${existing.major}:${existing.minor} that is already there`);
    }
  }

  #placeSymlink(entry: CpioEntry, place: Place, given: Metadata): void {
    if (!this.#clear(place, undefined, entry.name)) return;
    const target = byteStringFrom(entry.data).split("\0", 1)[0] ?? "";
    if (target === "") this.#warn(entry.name, "The kernel creates no symlink without a target");
    else place.parent.entries.set(place.name, symlink(target, { ...given, permissions: 0o777 }));
  }

  /** maybe_link(): entries with two or more names are links to the one of them that came first. */
  #linkOf(entry: CpioEntry): ByteString | undefined {
    if (entry.nlink < 2) return undefined;
    const key = `${entry.devMajor}:${entry.devMinor}:${entry.ino}:${entry.mode & FILE_TYPE_MASK}`;
    const first = this.#links.get(key);
    if (first === undefined) this.#links.set(key, entry.name);
    return first;
  }

  #placeLink(entry: CpioEntry, place: Place, first: ByteString, given: Metadata): void {
    if (!this.#clear(place, undefined, entry.name)) return;
    const firstPlace = this.#find(first);
    const node = firstPlace?.parent.entries.get(firstPlace.name);
    if (node === undefined || node.kind === "directory") {
      this.#warn(entry.name, "The kernel cannot make this link: the first of its names was not unpacked or is gone");
      return;
    }
    place.parent.entries.set(place.name, node);
    if (node.kind !== "file") return;
    Object.assign(node, given);
    // Content may come with any of the names; without any here, what is there stays.
    if (entry.data.length > 0) node.content = new MemorySource(entry.data);
  }

  /**
   * clean_path(): makes way for a node of `kind` (undefined: for anything). Says whether the place is free, or taken
   * by a node of that same kind.
   */
  #clear(place: Place, kind: Node["kind"] | undefined, entryName: ByteString): boolean {
    const existing = place.parent.entries.get(place.name);
    if (existing === undefined || existing.kind === kind) return true;
    if (existing.kind === "directory" && existing.entries.size > 0) {
      this.#warn(entryName, "The kernel skips this entry: a directory that is not empty stands in its place");
      return false;
    }
    place.parent.entries.delete(place.name);
    return true;
  }

  #placeOf(name: ByteString): Place | undefined {
    const place = this.#find(name);
    if (place === undefined) this.#warn(name, "The kernel skips this entry: its directory does not exist");
    return place;
  }

  /** The directory and name that a path leads to. Symlinks on the way are followed, as the kernel does. */
  #find(path: ByteString): Place | undefined {
    const components = componentsOf(path);
    const name = components.pop();
    if (name === undefined || name === "..") return undefined;
    if (components.length === 0) return { parent: this.tree.root, name };
    const first = components[0] as ByteString;
    const permissions = BUILT_IN_DIRECTORIES.get(first);
    if (permissions !== undefined && !this.tree.root.entries.has(first)) {
      this.tree.root.entries.set(first, directory({ permissions }));
    }
    const parent = this.tree.resolve(components.join("/"));
    return parent?.kind === "directory" ? { parent, name } : undefined;
  }

  #warn(name: ByteString, message: string): void {
    this.warnings.push({ name, message });
  }
}

function newNode(entry: CpioEntry, kind: Exclude<Node["kind"], "directory" | "symlink">, given: Metadata): Node {
  switch (kind) {
    case "file":
      return regularFile(entry.data, given);
    case "character-device":
    case "block-device":
      return { kind, major: entry.rdevMajor, minor: entry.rdevMinor, ...given };
    case "fifo":
    case "socket":
      return { kind, ...given };
  }
}
