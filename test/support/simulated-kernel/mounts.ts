import { KernelFault } from "./errno.ts";
import { DirectoryInode, type FileSystem, type Inode, SymlinkInode } from "./inodes.ts";
import { MS_RDONLY, NAME_MAX, PATH_MAX } from "./layout.ts";

/** fs/namei.c: MAXSYMLINKS. */
const MOST_SYMLINKS = 40;

/** A directory tree of a file system, shown at a place. */
export class Mount {
  readonly fileSystem: FileSystem;
  /** What is shown: for a bind mount any directory or file, else the file system's root. */
  readonly root: Inode;
  readonly flags: number;
  parent: Mount | undefined;
  mountPoint: Inode | undefined;
  readonly children: Mount[] = [];

  constructor(root: Inode, flags = 0) {
    this.fileSystem = root.fileSystem;
    this.root = root;
    this.flags = flags;
    this.fileSystem.retain();
  }

  get readOnly(): boolean {
    return this.fileSystem.readOnly || (this.flags & MS_RDONLY) !== 0;
  }
}

/** An inode as it is reached through a mount. */
export interface Place {
  readonly mount: Mount;
  readonly inode: Inode;
}

export interface DirectoryPlace extends Place {
  readonly inode: DirectoryInode;
}

/** The mounts, and where the one process stands in them. */
export class MountNamespace {
  readonly #base: Mount;
  root: DirectoryPlace;
  cwd: DirectoryPlace;

  /** `below`: what the first root file system is mounted on; from Linux 7 on there is something. */
  constructor(rootfs: FileSystem, below?: FileSystem) {
    const mount = new Mount(rootfs.root);
    this.#base = below === undefined ? mount : new Mount(below.root);
    if (below !== undefined) this.#attach(mount, { mount: this.#base, inode: below.root });
    this.root = this.cwd = { mount, inode: rootfs.root };
  }

  /** What a path names. @throws KernelFault. */
  resolve(path: string, options: { from?: Place; follow?: boolean } = {}): Place {
    if (path === "") throw new KernelFault("ENOENT");
    return this.#walk(path, options.from ?? this.cwd, options.follow ?? true, { count: 0 });
  }

  /** The same, and through everything that is mounted on it. */
  resolveTop(path: string): Place {
    return this.#top(this.resolve(path));
  }

  resolveDirectory(path: string): DirectoryPlace {
    return asDirectory(this.resolve(path));
  }

  /** The directory that holds the last component of a path, and that component. @throws KernelFault. */
  resolveParent(path: string, from: Place = this.cwd): { parent: DirectoryPlace; name: string } {
    checkLength(path);
    const trimmed = path.replace(/\/+$/, "");
    const slash = trimmed.lastIndexOf("/");
    const name = trimmed.slice(slash + 1);
    if (path === "") throw new KernelFault("ENOENT");
    if (name === "" || name === ".") throw new KernelFault("EEXIST");
    if (name === "..") throw new KernelFault("EEXIST");
    if (name.length > NAME_MAX) throw new KernelFault("ENAMETOOLONG");
    const folder = slash < 0 ? "." : path.slice(0, slash + 1);
    return { parent: asDirectory(this.resolve(folder, { from })), name };
  }

  isMountPoint(place: Place): boolean {
    return place.mount.children.some((child) => child.mountPoint === place.inode);
  }

  mount(root: Inode, target: Place, flags: number): void {
    const top = this.#top(target);
    if (root instanceof DirectoryInode !== top.inode instanceof DirectoryInode) throw new KernelFault("ENOTDIR");
    this.#attach(new Mount(root, flags), top);
  }

  /** MS_MOVE (fs/namespace.c: do_move_mount). */
  move(source: Place, target: Place): void {
    const { mount } = source;
    if (mount.root !== source.inode || mount.parent === undefined) throw new KernelFault("EINVAL");
    const top = this.#top(target);
    if (isWithin(top.mount, mount)) throw new KernelFault("ELOOP");
    if (mount.root instanceof DirectoryInode !== top.inode instanceof DirectoryInode) throw new KernelFault("EINVAL");
    detach(mount);
    this.#attach(mount, top);
  }

  unmount(target: Place, lazily: boolean): void {
    const { mount, inode } = this.#top(target);
    if (mount.root !== inode || mount.parent === undefined) throw new KernelFault("EINVAL");
    if (!lazily && mount.children.length > 0) throw new KernelFault("EBUSY");
    detach(mount);
    releaseAll(mount);
  }

  /** fs/namespace.c: pivot_root. */
  pivotRoot(newPlace: Place, putOldPlace: Place): void {
    const fresh = asDirectory(newPlace);
    const putOld = this.#top(putOldPlace);
    const old = this.root;
    if (old.mount.root !== old.inode || fresh.mount.root !== fresh.inode) throw new KernelFault("EINVAL");
    const { parent, mountPoint } = old.mount;
    // The root of all mounts cannot be put elsewhere: before Linux 7 that is the rootfs, and this is the answer.
    if (parent === undefined || mountPoint === undefined) throw new KernelFault("EINVAL");
    if (fresh.mount.parent === undefined) throw new KernelFault("EINVAL");
    if (fresh.mount === old.mount || putOld.mount === old.mount) throw new KernelFault("EBUSY");
    if (!isWithin(putOld.mount, fresh.mount)) throw new KernelFault("EINVAL");
    detach(fresh.mount);
    detach(old.mount);
    this.#attach(old.mount, putOld);
    this.#attach(fresh.mount, { mount: parent, inode: mountPoint });
    if (samePlace(this.cwd, old)) this.cwd = fresh;
    this.root = fresh;
  }

  /** All mounts that can be reached, in the order of a walk, with what they are mounted on. */
  *all(start: Mount = this.#base): Generator<Mount> {
    yield start;
    for (const child of start.children) yield* this.all(child);
  }

  #walk(path: string, from: Place, follow: boolean, symlinks: { count: number }): Place {
    checkLength(path);
    let place: Place = path.startsWith("/") ? this.root : from;
    const names = path.split("/").filter((part) => part !== "");
    for (const [index, name] of names.entries()) {
      const directory = asDirectory(place);
      if (name === ".") continue;
      if (name === "..") {
        place = this.#up(directory);
        continue;
      }
      if (name.length > NAME_MAX) throw new KernelFault("ENAMETOOLONG");
      const inode = directory.inode.entries.get(name);
      if (inode === undefined) throw new KernelFault("ENOENT");
      place = this.#top({ mount: directory.mount, inode });
      const isLast = index === names.length - 1 && !path.endsWith("/");
      if (place.inode instanceof SymlinkInode && (follow || !isLast)) {
        if (++symlinks.count > MOST_SYMLINKS) throw new KernelFault("ELOOP");
        place = this.#walk(place.inode.target, directory, true, symlinks);
      }
    }
    if (path.endsWith("/")) asDirectory(place);
    return place;
  }

  #up(place: DirectoryPlace): Place {
    let at: Place = place;
    while (!samePlace(at, this.root)) {
      if (at.inode !== at.mount.root) {
        return this.#top({ mount: at.mount, inode: (at.inode as DirectoryInode).parent });
      }
      if (at.mount.parent === undefined || at.mount.mountPoint === undefined) return at;
      at = { mount: at.mount.parent, inode: at.mount.mountPoint };
    }
    return at;
  }

  #top(place: Place): Place {
    let at = place;
    for (;;) {
      const above = at.mount.children.findLast((child) => child.mountPoint === at.inode);
      if (above === undefined) return at;
      at = { mount: above, inode: above.root };
    }
  }

  #attach(mount: Mount, { mount: parent, inode }: Place): void {
    mount.parent = parent;
    mount.mountPoint = inode;
    parent.children.push(mount);
  }
}

export function asDirectory(place: Place): DirectoryPlace {
  const { mount, inode } = place;
  if (!(inode instanceof DirectoryInode)) throw new KernelFault("ENOTDIR");
  return { mount, inode };
}

function samePlace(a: Place, b: Place): boolean {
  return a.mount === b.mount && a.inode === b.inode;
}

function isWithin(mount: Mount, ancestor: Mount): boolean {
  for (let at: Mount | undefined = mount; at !== undefined; at = at.parent) if (at === ancestor) return true;
  return false;
}

function detach(mount: Mount): void {
  const siblings = mount.parent?.children ?? [];
  siblings.splice(siblings.indexOf(mount), 1);
  mount.parent = undefined;
  mount.mountPoint = undefined;
}

function releaseAll(mount: Mount): void {
  for (const child of mount.children) releaseAll(child);
  mount.fileSystem.release();
}

function checkLength(path: string): void {
  if (path.length >= PATH_MAX) throw new KernelFault("ENAMETOOLONG");
}
