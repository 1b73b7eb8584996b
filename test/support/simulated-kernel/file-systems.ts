import { FormatError } from "../../../src/bytes/index.ts";
import { readErofs } from "../../../src/formats/erofs/index.ts";
import type { Directory, Node } from "../../../src/tree/index.ts";
import type { BlockDevices } from "./block-devices.ts";
import { KernelFault } from "./errno.ts";
import {
  type Content,
  DirectoryInode,
  type Extent,
  FileInode,
  FileSystem,
  type Inode,
  MemoryContent,
  SpecialInode,
  SymlinkInode,
} from "./inodes.ts";
import type { MountNamespace, Place } from "./mounts.ts";

/** linux/magic.h: what statfs(2) says. */
export const MAGIC: Readonly<Record<string, bigint>> = {
  ramfs: 0x858458f6n,
  tmpfs: 0x01021994n,
  devtmpfs: 0x01021994n,
  proc: 0x9fa0n,
  sysfs: 0x62656572n,
  nullfs: 0x4e554c4cn,
  ext2: 0xef53n,
  erofs: 0xe0f5e1e2n,
  overlay: 0x794c7630n,
};

const BUILT_IN = ["ramfs", "tmpfs", "proc", "sysfs", "devtmpfs"];
/** What mount(2) takes as one text for a tmpfs, and that a person may write into a plan. */
const TMPFS_OPTION = /^(mode=0?[0-7]{3,4}|size=\d+[kmg%]?|nr_inodes=\d+[kmg]?)$/i;

/** Types whose own format nobody here reads. */
const VOLUMES = ["ext4", "xfs", "vfat", "btrfs"];

export interface Volume {
  readonly type: string;
  readonly files: Readonly<Record<string, readonly Extent[]>>;
}

let lastAnonymous = 0;

/** A file system without a device: its number is the next free one. */
export function anonymousFileSystem(type: string, more: ConstructorParameters<typeof FileSystem>[2] = {}): FileSystem {
  return new FileSystem(type, { major: 0, minor: ++lastAnonymous }, more);
}

/** The types of file system that this kernel has, and how each is mounted. */
export class FileSystems {
  readonly #types = new Set(BUILT_IN);
  /** Those of which there is only one. */
  readonly #single: Readonly<Record<string, FileSystem>>;
  readonly #volumes = new Map<string, Volume>();
  readonly #blockDevices: BlockDevices;
  readonly #mounts: MountNamespace;

  constructor(single: Readonly<Record<string, FileSystem>>, blockDevices: BlockDevices, mounts: MountNamespace) {
    this.#single = single;
    this.#blockDevices = blockDevices;
    this.#mounts = mounts;
  }

  register(type: string): void {
    this.#types.add(type);
  }

  /** The file system that mount(2) with these arguments shows. @throws KernelFault. */
  open(type: string, source: string, options: string): FileSystem {
    if (!this.#types.has(type)) throw new KernelFault("ENODEV");
    if (type === "overlay") return this.#overlay(options);
    if (type === "erofs") return this.#erofs(source, options);
    const volume = VOLUMES.includes(type) ? this.#volume(type, source) : undefined;
    return volume ?? this.#single[type] ?? memoryFileSystem(type, options);
  }

  /** What a device holds as a file system of some other kind: files, and where they stand. */
  addVolume(device: string, volume: Volume): void {
    this.#volumes.set(`/dev/${device}`, volume);
  }

  #volume(type: string, source: string): FileSystem {
    const { inode } = this.#mounts.resolve(source);
    if (inode.kind !== "block-device") throw new KernelFault("ENOTBLK");
    const volume = this.#volumes.get(source);
    if (volume?.type !== type) throw new KernelFault("EINVAL");
    const device = this.#blockDevices.get(inode.device);
    device.open();
    const fileSystem = new FileSystem(type, device.number, { readOnly: true, onRelease: () => device.close() });
    for (const [path, extents] of Object.entries(volume.files)) {
      const size = extents.reduce((end, { logical, length }) => Math.max(end, logical + length), 0);
      const read = (): Uint8Array => {
        const bytes = new Uint8Array(size);
        for (const { logical, physical, length } of extents) bytes.set(device.content.read(physical, length), logical);
        return bytes;
      };
      const file = fileSystem.root.put(path, new FileInode(fileSystem, 0o644, { size, read }));
      file.extents = extents;
    }
    return fileSystem;
  }

  #erofs(source: string, options: string): FileSystem {
    if (options !== "" && options !== "dax=always") throw new KernelFault("EINVAL");
    const { inode } = this.#mounts.resolve(source);
    if (inode.kind !== "block-device") throw new KernelFault("ENOTBLK");
    const device = this.#blockDevices.get(inode.device);
    device.open();
    try {
      const root = soundOrFault(() => readErofs(device.content).tree().root);
      const fileSystem = new FileSystem("erofs", device.number, { readOnly: true, onRelease: () => device.close() });
      fill(fileSystem.root, root);
      return fileSystem;
    } catch (error) {
      device.close();
      throw error;
    }
  }

  /**
   * An overlay is a copy of both trees, in which files still read from where they are: what is written to it stays in
   * it. (On Linux it shows in the upper directory, which nobody looks at here.)
   */
  #overlay(options: string): FileSystem {
    const given = new Map(options.split(",").map((option) => option.split("=", 2) as [string, string | undefined]));
    const lowers =
      given
        .get("lowerdir")
        ?.split(":")
        .map((path) => this.#mounts.resolveDirectory(path)) ?? [];
    const [upper, work] = ["upperdir", "workdir"].map((key) => this.#layer(given.get(key)));
    if (lowers.length === 0 || upper === undefined || work === undefined) throw new KernelFault("EINVAL");
    if (given.size > 3 || upper.mount !== work.mount || upper.inode === work.inode) throw new KernelFault("EINVAL");
    if (upper.mount.readOnly) throw new KernelFault("EROFS");
    const layers = [...lowers, upper].map(({ inode }) => inode.fileSystem);
    for (const layer of layers) layer.retain();
    const fileSystem = anonymousFileSystem("overlay", {
      onRelease: () => {
        for (const layer of layers) layer.release();
      },
    });
    for (const lower of lowers.toReversed()) merge(fileSystem.root, lower.inode);
    merge(fileSystem.root, upper.inode);
    return fileSystem;
  }

  #layer(path: string | undefined): (Place & { readonly inode: DirectoryInode }) | undefined {
    return path === undefined ? undefined : this.#mounts.resolveDirectory(path);
  }
}

function memoryFileSystem(type: string, options: string): FileSystem {
  const fileSystem = anonymousFileSystem(type);
  // A new tmpfs is open to all (mm/shmem.c: SHMEM default mode 0777 with the sticky bit).
  fileSystem.root.permissions = 0o1777;
  for (const option of options === "" ? [] : options.split(",")) {
    if (!TMPFS_OPTION.test(option)) throw new KernelFault("EINVAL");
    const [key, value = ""] = option.split("=");
    if (key === "mode") fileSystem.root.permissions = Number.parseInt(value, 8);
  }
  return fileSystem;
}

/** What the kernel answers to data that is not sound; dm-verity's answers pass through. */
function soundOrFault<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof FormatError) throw new KernelFault(error.message.includes("magic") ? "EINVAL" : "EUCLEAN");
    throw error;
  }
}

/** Puts the entries of a tree into an empty directory. */
export function fill(directory: DirectoryInode, node: Directory, known = new Map<Node, Inode>()): void {
  takeMetadata(directory, node);
  for (const [name, child] of node.entries) {
    const inode = known.get(child) ?? inodeOf(directory.fileSystem, child);
    known.set(child, inode);
    directory.link(name, inode);
    if (inode instanceof DirectoryInode) fill(inode, child as Directory, known);
  }
}

function inodeOf(fileSystem: FileSystem, node: Node): Inode {
  const inode = newInode(fileSystem, node);
  takeMetadata(inode, node);
  return inode;
}

function newInode(fileSystem: FileSystem, node: Node): Inode {
  switch (node.kind) {
    case "directory":
      return new DirectoryInode(fileSystem);
    case "file":
      return new FileInode(
        fileSystem,
        0,
        lazyContent(node.content.size, () => node.content.read(0, node.content.size)),
      );
    case "symlink":
      return new SymlinkInode(fileSystem, node.target);
    case "character-device":
    case "block-device":
      return new SpecialInode(fileSystem, node.kind, 0, { major: node.major, minor: node.minor });
    default:
      return new SpecialInode(fileSystem, node.kind, 0, { major: 0, minor: 0 });
  }
}

function takeMetadata(inode: Inode, from: Pick<Inode, "permissions" | "uid" | "gid">): void {
  inode.permissions = from.permissions;
  inode.uid = from.uid;
  inode.gid = from.gid;
}

/** Lays the directory `layer` over `directory`: a device 0:0 says that a name is not there. */
function merge(directory: DirectoryInode, layer: DirectoryInode): void {
  takeMetadata(directory, layer);
  for (const [name, inode] of layer.entries) {
    const below = directory.entries.get(name);
    if (inode instanceof DirectoryInode) {
      if (!(below instanceof DirectoryInode)) directory.entries.delete(name);
      merge(directory.directory(name), inode);
    } else if (isWhiteout(inode)) {
      directory.entries.delete(name);
    } else {
      directory.entries.delete(name);
      directory.link(name, copyOf(directory.fileSystem, inode));
    }
  }
}

function isWhiteout(inode: Inode): boolean {
  return inode instanceof SpecialInode && inode.device.major === 0 && inode.device.minor === 0;
}

function copyOf(fileSystem: FileSystem, inode: Exclude<Inode, DirectoryInode>): Inode {
  const copy = (() => {
    if (inode instanceof FileInode) {
      return new FileInode(
        fileSystem,
        0,
        lazyContent(inode.content.size, () => inode.content.read()),
      );
    }
    if (inode instanceof SymlinkInode) return new SymlinkInode(fileSystem, inode.target);
    return new SpecialInode(fileSystem, inode.kind, 0, inode.device);
  })();
  takeMetadata(copy, inode);
  return copy;
}

/** Content that is read from elsewhere until it is written to. */
function lazyContent(size: number, read: () => Uint8Array): Content {
  let own: MemoryContent | undefined;
  const writable = (start: () => Uint8Array): MemoryContent => {
    own ??= new MemoryContent(start());
    return own;
  };
  return {
    get size() {
      return own?.size ?? size;
    },
    read: () => own?.read() ?? soundOrFault(read),
    write: (bytes, offset) => writable(read).write(bytes, offset),
    truncate: () => writable(() => new Uint8Array(0)).truncate(),
  };
}
