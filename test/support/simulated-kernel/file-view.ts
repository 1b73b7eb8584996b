import { createHash } from "node:crypto";
import { KernelFault } from "./errno.ts";
import { DirectoryInode, FileInode, type Inode, SymlinkInode } from "./inodes.ts";
import type { DirectoryPlace, Mount, MountNamespace, Place } from "./mounts.ts";

/** Looks at files from outside, without the program noticing: for tests. */
export class FileView {
  readonly #mounts: MountNamespace;
  readonly #root: DirectoryPlace;

  constructor(mounts: MountNamespace, root: DirectoryPlace) {
    this.#mounts = mounts;
    this.#root = root;
  }

  /** The inode at a path, symbolic links followed, or undefined. */
  get(path: string): Inode | undefined {
    return this.#place(path, true)?.inode;
  }

  /** The same, of a symbolic link itself. */
  getLink(path: string): Inode | undefined {
    return this.#place(path, false)?.inode;
  }

  /** The type of the file system at a path. */
  fileSystemType(path: string): string | undefined {
    return this.get(path)?.fileSystem.type;
  }

  text(path: string): string | undefined {
    const inode = this.get(path);
    return inode instanceof FileInode ? Buffer.from(inode.content.read()).toString("latin1") : undefined;
  }

  names(path: string): string[] {
    const inode = this.get(path);
    return inode instanceof DirectoryInode ? [...inode.entries.keys()].sort() : [];
  }

  /** One line for everything below the root, other file systems' mounts included but not entered: equal trees, equal lists. */
  facts(): string[] {
    return [...this.#walk(this.#root, "")].sort();
  }

  *#walk(place: DirectoryPlace, path: string): Generator<string> {
    yield `${path}/ ${describe(place.inode)}`;
    for (const [name, inode] of place.inode.entries) {
      const mounted = place.mount.children.findLast((child: Mount) => child.mountPoint === inode);
      if (mounted !== undefined && mounted.root.fileSystem.type in API) {
        yield `${path}/${name} is a ${mounted.root.fileSystem.type}`;
      } else if (mounted !== undefined && mounted.root instanceof DirectoryInode) {
        yield* this.#walk({ mount: mounted, inode: mounted.root }, `${path}/${name}`);
      } else if (inode instanceof DirectoryInode) {
        yield* this.#walk({ mount: place.mount, inode }, `${path}/${name}`);
      } else {
        yield `${path}/${name} ${describe(inode)}`;
      }
    }
  }

  #place(path: string, follow: boolean): Place | undefined {
    try {
      return this.#mounts.resolve(path, { from: this.#root, follow });
    } catch (error) {
      if (error instanceof KernelFault) return undefined;
      throw error;
    }
  }
}

/** Their content is the kernel's and changes. */
const API: Readonly<Record<string, true>> = { devtmpfs: true, proc: true, sysfs: true };

function describe(inode: Inode): string {
  const owner = `${inode.mode.toString(8)} ${inode.uid}:${inode.gid} ${inode.fileSystem.type}`;
  if (inode instanceof FileInode) {
    return `${owner} ${createHash("sha256").update(inode.content.read()).digest("hex")}`;
  }
  if (inode instanceof SymlinkInode) return `${owner} -> ${inode.target}`;
  return inode instanceof DirectoryInode ? owner : `${owner} ${inode.device.major}:${inode.device.minor}`;
}
