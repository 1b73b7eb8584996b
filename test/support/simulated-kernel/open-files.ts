import type { ByteSource } from "../../../src/bytes/index.ts";
import type { BlockDevice } from "./block-devices.ts";
import { KernelFault } from "./errno.ts";
import type { FileInode, Inode } from "./inodes.ts";
import { type KernelLog, LINES_AN_OPENING } from "./kernel-log.ts";
import { asDirectory, type DirectoryPlace, type Place } from "./mounts.ts";
import type { UeventSocket } from "./uevents.ts";

/** What a descriptor stands for. The calls that a kind of file does not know fail as on Linux. */
export abstract class OpenFile {
  read(_length: number): Uint8Array {
    throw new KernelFault("EINVAL");
  }

  readAt(_offset: number, _length: number): Uint8Array {
    throw new KernelFault("EINVAL");
  }

  write(_bytes: Uint8Array): number {
    throw new KernelFault("EINVAL");
  }

  writeAt(_offset: number, _bytes: Uint8Array): number {
    throw new KernelFault("EINVAL");
  }

  /** Where relative paths begin. */
  get place(): Place {
    throw new KernelFault("ENOTDIR");
  }

  close(): void {
    // Most files have nothing to give back.
  }
}

/** A regular file, or one whose text the kernel makes. */
export class OpenRegularFile extends OpenFile {
  readonly inode: FileInode;
  readonly #place: Place;
  readonly #access: { readonly read: boolean; readonly write: boolean; readonly append?: boolean };
  readonly #largestTransfer: number;
  #position = 0;

  constructor(
    place: Place,
    inode: FileInode,
    access: { read: boolean; write: boolean; append?: boolean },
    largestTransfer: number,
  ) {
    super();
    this.#place = place;
    this.inode = inode;
    this.#access = access;
    this.#largestTransfer = largestTransfer;
  }

  override get place(): Place {
    return this.#place;
  }

  override read(length: number): Uint8Array {
    const bytes = this.readAt(this.#position, Math.min(length, this.#largestTransfer));
    this.#position += bytes.length;
    return bytes;
  }

  override readAt(offset: number, length: number): Uint8Array {
    if (!this.#access.read) throw new KernelFault("EBADF");
    return this.inode.content.read().subarray(offset, offset + length);
  }

  override write(bytes: Uint8Array): number {
    if (this.#access.append) this.#position = this.inode.content.size;
    const length = this.writeAt(this.#position, bytes);
    this.#position += length;
    return length;
  }

  override writeAt(offset: number, bytes: Uint8Array): number {
    if (!this.#access.write || this.inode.content.write === undefined) throw new KernelFault("EBADF");
    const part = bytes.subarray(0, this.#largestTransfer);
    this.inode.content.write(part, offset);
    return part.length;
  }
}

export class OpenDirectory extends OpenFile {
  readonly #place: DirectoryPlace;
  /** The names as they were when reading began, with how far it got. */
  #names: string[] | undefined;
  #next = 0;

  constructor(place: Place) {
    super();
    this.#place = asDirectory(place);
  }

  override get place(): DirectoryPlace {
    return this.#place;
  }

  override read(_length: number): Uint8Array {
    throw new KernelFault("EISDIR");
  }

  /** Hands out names for as long as `take` has room for them. */
  list(take: (name: string, inode: Inode) => boolean): void {
    const { inode } = this.#place;
    this.#names ??= [".", "..", ...inode.entries.keys()];
    for (; this.#next < this.#names.length; this.#next++) {
      const name = this.#names[this.#next] ?? "";
      const entry = name === "." ? inode : name === ".." ? inode.parent : inode.entries.get(name);
      if (entry !== undefined && !take(name, entry)) return;
    }
  }
}

export class OpenBlockDevice extends OpenFile {
  readonly device: BlockDevice;
  #position = 0;

  constructor(device: BlockDevice) {
    super();
    device.open();
    this.device = device;
  }

  override read(length: number): Uint8Array {
    const bytes = this.readAt(this.#position, length);
    this.#position += bytes.length;
    return bytes;
  }

  override readAt(offset: number, length: number): Uint8Array {
    const content: ByteSource = this.device.content;
    if (offset < 0) throw new KernelFault("EINVAL");
    const available = Math.max(0, Math.min(length, content.size - offset));
    return available === 0 ? new Uint8Array(0) : content.read(offset, available);
  }

  override close(): void {
    this.device.close();
  }
}

/** A character device: /dev/null, /dev/console. */
export class OpenSink extends OpenFile {
  readonly #take: (bytes: Uint8Array) => void;

  constructor(take: (bytes: Uint8Array) => void) {
    super();
    this.#take = take;
  }

  override read(_length: number): Uint8Array {
    return new Uint8Array(0);
  }

  override write(bytes: Uint8Array): number {
    this.#take(bytes);
    return bytes.length;
  }
}

/** /dev/console: a terminal. */
export class OpenConsole extends OpenSink {}

export class OpenKernelLog extends OpenFile {
  readonly #log: KernelLog;
  readonly #now: () => number;
  #lines = 0;

  constructor(log: KernelLog, now: () => number) {
    super();
    this.#log = log;
    this.#now = now;
  }

  override write(bytes: Uint8Array): number {
    // What is too much is dropped without a word.
    if (++this.#lines <= LINES_AN_OPENING) this.#log.write(bytes, this.#now());
    return bytes.length;
  }
}

export class OpenDeviceMapper extends OpenFile {}

export class OpenLoopControl extends OpenFile {}

export class OpenSocket extends OpenFile {
  readonly socket: UeventSocket;

  constructor(socket: UeventSocket) {
    super();
    this.socket = socket;
  }

  override read(length: number): Uint8Array {
    return this.socket.receive().subarray(0, length);
  }
}

const FIRST_DESCRIPTOR = 3;
/** RLIMIT_NOFILE of PID 1. */
const MOST_DESCRIPTORS = 1024;

/** The one process's descriptors. 0 to 2 are the console, as the kernel hands it to PID 1. */
export class DescriptorTable {
  readonly #files = new Map<number, OpenFile>();
  readonly #closedByExec = new Set<number>();

  add(file: OpenFile, isClosedByExec: boolean): number {
    let descriptor = FIRST_DESCRIPTOR;
    while (this.#files.has(descriptor)) descriptor++;
    if (descriptor >= MOST_DESCRIPTORS) throw new KernelFault("EMFILE");
    this.#files.set(descriptor, file);
    if (isClosedByExec) this.#closedByExec.add(descriptor);
    return descriptor;
  }

  get(descriptor: number): OpenFile {
    const file = this.#files.get(descriptor);
    if (file === undefined) throw new KernelFault("EBADF");
    return file;
  }

  close(descriptor: number): void {
    this.get(descriptor).close();
    this.#files.delete(descriptor);
    this.#closedByExec.delete(descriptor);
  }

  /** A second descriptor for the same file, which execve(2) does not close. */
  duplicate(from: number, to: number): void {
    this.#files.set(to, this.get(from));
    this.#closedByExec.delete(to);
  }

  /** Closes what execve(2) closes. */
  exec(): void {
    for (const descriptor of this.#closedByExec) this.close(descriptor);
  }

  /** How many are open. */
  get count(): number {
    return this.#files.size;
  }
}
