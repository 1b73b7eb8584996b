import { FILE_TYPE_BITS, PERMISSIONS_MASK } from "../../../src/tree/index.ts";
import { KernelFault } from "./errno.ts";
import type { DeviceNumber } from "./layout.ts";

/** The super block's part of a file system: what all its inodes have in common. */
export class FileSystem {
  readonly type: string;
  /** `st_dev`. */
  readonly device: DeviceNumber;
  readonly readOnly: boolean;
  readonly root: DirectoryInode;
  readonly #onRelease: () => void;
  #users = 0;

  constructor(type: string, device: DeviceNumber, more: { readOnly?: boolean; onRelease?: () => void } = {}) {
    this.type = type;
    this.device = device;
    this.readOnly = more.readOnly ?? false;
    this.#onRelease = more.onRelease ?? (() => undefined);
    this.root = new DirectoryInode(this);
  }

  retain(): void {
    this.#users++;
  }

  release(): void {
    if (--this.#users === 0) this.#onRelease();
  }
}

/** Where the bytes of a regular file come from. */
export interface Content {
  readonly size: number;
  read(): Uint8Array;
  /** Files without this cannot be written to. */
  write?(bytes: Uint8Array, offset: number): void;
  truncate?(): void;
}

export class MemoryContent implements Content {
  #bytes: Uint8Array;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  read(): Uint8Array {
    return this.#bytes;
  }

  write(bytes: Uint8Array, offset: number): void {
    const grown = new Uint8Array(Math.max(this.#bytes.length, offset + bytes.length));
    grown.set(this.#bytes);
    grown.set(bytes, offset);
    this.#bytes = grown;
  }

  truncate(): void {
    this.#bytes = new Uint8Array(0);
  }
}

/** Text that is made when it is read, as in /proc and /sys; `store` takes what is written. */
export function generated(show: () => string, store?: (text: string) => void): Content {
  const read = () => Buffer.from(show(), "latin1");
  if (store === undefined) return { size: 0, read };
  const write = (bytes: Uint8Array) => store(Buffer.from(bytes).toString("latin1"));
  return { size: 0, read, write, truncate: () => undefined };
}

let lastNumber = 0;

abstract class BaseInode {
  abstract readonly kind: keyof typeof FILE_TYPE_BITS;
  readonly fileSystem: FileSystem;
  readonly number: number;
  permissions: number;
  uid = 0;
  gid = 0;

  constructor(fileSystem: FileSystem, permissions: number) {
    this.fileSystem = fileSystem;
    this.number = ++lastNumber;
    this.permissions = permissions & PERMISSIONS_MASK;
  }

  get mode(): number {
    return FILE_TYPE_BITS[this.kind] | this.permissions;
  }
}

export class DirectoryInode extends BaseInode {
  readonly kind = "directory";
  readonly entries = new Map<string, Inode>();
  parent: DirectoryInode = this;

  constructor(fileSystem: FileSystem, permissions = 0o755) {
    super(fileSystem, permissions);
  }

  /** @throws KernelFault EEXIST. */
  link<I extends Inode>(name: string, inode: I): I {
    if (this.entries.has(name)) throw new KernelFault("EEXIST");
    if (inode instanceof DirectoryInode) inode.parent = this;
    this.entries.set(name, inode);
    return inode;
  }

  /** The directory at a path of plain names below this one; what is missing is made. For setting things up. */
  directory(path: string): DirectoryInode {
    let place: DirectoryInode = this;
    for (const name of path.split("/").filter((part) => part !== "")) {
      const next = place.entries.get(name) ?? place.link(name, new DirectoryInode(this.fileSystem));
      if (!(next instanceof DirectoryInode)) throw new Error(`${path} is not a directory`);
      place = next;
    }
    return place;
  }

  /** Puts an inode at a path below this directory, replacing what was there. For setting things up. */
  put<I extends Inode>(path: string, inode: I): I {
    const slash = path.lastIndexOf("/");
    const parent = this.directory(path.slice(0, Math.max(slash, 0)));
    parent.entries.delete(path.slice(slash + 1));
    return parent.link(path.slice(slash + 1), inode);
  }
}

/** A part of a file on its device. Bytes. */
export interface Extent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  /** FIEMAP_EXTENT_* */
  readonly flags?: number;
}

export class FileInode extends BaseInode {
  readonly kind = "file";
  readonly content: Content;
  /** Where it stands, for file systems that tell. */
  extents?: readonly Extent[];

  constructor(fileSystem: FileSystem, permissions = 0o644, content: Content = new MemoryContent()) {
    super(fileSystem, permissions);
    this.content = content;
  }
}

export class SymlinkInode extends BaseInode {
  readonly kind = "symlink";
  readonly target: string;

  constructor(fileSystem: FileSystem, target: string) {
    super(fileSystem, 0o777);
    this.target = target;
  }
}

/** A device node, a pipe or a socket. */
export class SpecialInode extends BaseInode {
  readonly kind: "character-device" | "block-device" | "fifo" | "socket";
  readonly device: DeviceNumber;

  constructor(fileSystem: FileSystem, kind: SpecialInode["kind"], permissions: number, device: DeviceNumber) {
    super(fileSystem, permissions);
    this.kind = kind;
    this.device = device;
  }
}

export type Inode = DirectoryInode | FileInode | SymlinkInode | SpecialInode;
