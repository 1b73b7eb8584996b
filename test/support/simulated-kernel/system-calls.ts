import { alignUp, byteStringBytes, byteStringFrom } from "../../../src/bytes/index.ts";
import { FILE_TYPE_BITS, kindOfMode, PERMISSIONS_MASK } from "../../../src/tree/index.ts";
import { call, type SystemCall } from "./call.ts";
import { Ended } from "./ends.ts";
import { KernelFault } from "./errno.ts";
import { MAGIC } from "./file-systems.ts";
import { DirectoryInode, type Extent, FileInode, type Inode, SpecialInode, SymlinkInode } from "./inodes.ts";
import type { SimulatedKernel } from "./kernel.ts";
import * as linux from "./layout.ts";
import type { Place } from "./mounts.ts";
import {
  OpenBlockDevice,
  OpenConsole,
  OpenDeviceMapper,
  OpenDirectory,
  type OpenFile,
  OpenKernelLog,
  OpenLoopControl,
  OpenRegularFile,
  OpenSink,
} from "./open-files.ts";
import { socketCalls } from "./socket-calls.ts";
import { OpenTpm } from "./tpm.ts";

/** The number of the only child that there ever is. */
const CHILD = 2;
const SHEBANG = "#!";
const ELF_MAGIC = "\x7fELF";
const EXECUTABLE_BITS = 0o111;
const SET_UID_BITS = 0o6000;

/** All system calls but the clock's, which answers with 64 bits. All throw KernelFault. */
export function systemCalls(kernel: SimulatedKernel): Readonly<Record<string, SystemCall>> {
  return {
    ...fileCalls(kernel),
    ...treeCalls(kernel),
    ...mountCalls(kernel),
    ...deviceCalls(kernel),
    ...socketCalls(kernel),
    ...processCalls(kernel),
  };
}

function fileCalls(kernel: SimulatedKernel): Record<string, SystemCall> {
  const { descriptors } = kernel;
  return {
    openat: call(["number", "text", "number", "number"], (directory, path, flags, mode) =>
      descriptors.add(open(kernel, startOf(kernel, directory), path, flags, mode), (flags & linux.O_CLOEXEC) !== 0),
    ),
    close: call(["number"], (descriptor) => {
      descriptors.close(descriptor);
      return 0;
    }),
    read: call(["number", "buffer"], (descriptor, buffer) =>
      fill(buffer, descriptors.get(descriptor).read(buffer.length)),
    ),
    pread: call(["number", "buffer", "long"], (descriptor, buffer, offset) =>
      fill(buffer, descriptors.get(descriptor).readAt(Number(offset), buffer.length)),
    ),
    readahead: call(["number", "long", "number"], (descriptor, offset, length) => {
      // Nobody waits for it, and nobody hears when it fails. What the disk's driver does then, it does all the same.
      try {
        descriptors.get(descriptor).readAt(Number(offset), length);
      } catch (error) {
        if (!(error instanceof KernelFault) || error.errno === "EBADF") throw error;
      }
      return 0;
    }),
    write: call(["number", "buffer"], (descriptor, buffer) => descriptors.get(descriptor).write(buffer.slice())),
    pwrite: call(["number", "buffer", "long"], (descriptor, buffer, offset) =>
      descriptors.get(descriptor).writeAt(Number(offset), buffer.slice()),
    ),
    getdents64: call(["number", "buffer"], (descriptor, buffer) => listDirectory(descriptors.get(descriptor), buffer)),
    readlinkat: call(["number", "text", "buffer"], (directory, path, buffer) => {
      const { inode } = kernel.mounts.resolve(path, { from: startOf(kernel, directory), follow: false });
      if (!(inode instanceof SymlinkInode)) throw new KernelFault("EINVAL");
      return fill(buffer, byteStringBytes(inode.target).subarray(0, buffer.length));
    }),
    statx: call(["number", "text", "number", "number", "buffer"], (directory, path, flags, _mask, buffer) => {
      if (buffer.length < linux.Statx.size) throw new Ended({ kind: "trap", reason: "statx: the buffer is too small" });
      const from = startOf(kernel, directory);
      const isItself = path === "" && (flags & linux.AT_EMPTY_PATH) !== 0;
      const follow = (flags & linux.AT_SYMLINK_NOFOLLOW) === 0;
      writeStatx(isItself ? from.inode : kernel.mounts.resolve(path, { from, follow }).inode, buffer);
      return 0;
    }),
    statfs: call(["text", "buffer"], (path, buffer) => {
      const { type } = kernel.mounts.resolve(path).inode.fileSystem;
      linux.Statfs.write(buffer, 0, { f_type: MAGIC[type] ?? 0n, f_bsize: 4096n });
      return 0;
    }),
  };
}

function treeCalls(kernel: SimulatedKernel): Record<string, SystemCall> {
  const { mounts } = kernel;
  /** The writable directory that a new name comes into, and the name. */
  const placeOfNew = (path: string) => {
    const { parent, name } = mounts.resolveParent(path);
    if (parent.inode.entries.has(name)) throw new KernelFault("EEXIST");
    if (parent.mount.readOnly) throw new KernelFault("EROFS");
    return { directory: parent.inode, name };
  };
  const writable = (place: Place): Inode => {
    if (place.mount.readOnly) throw new KernelFault("EROFS");
    return place.inode;
  };
  return {
    mkdir: call(["text", "number"], (path, mode) => {
      const { directory, name } = placeOfNew(path);
      directory.link(name, new DirectoryInode(directory.fileSystem, mode & ~linux.UMASK));
      return 0;
    }),
    mknod: call(["text", "number", "number"], (path, mode, device) => {
      const { directory, name } = placeOfNew(path);
      const kind = kindOfMode(mode);
      const permissions = mode & PERMISSIONS_MASK & ~linux.UMASK;
      if (kind === undefined || kind === "directory" || kind === "symlink") throw new KernelFault("EINVAL");
      const number = linux.parseDeviceNumber(device);
      const { fileSystem } = directory;
      const inode =
        kind === "file"
          ? new FileInode(fileSystem, permissions)
          : new SpecialInode(fileSystem, kind, permissions, number);
      directory.link<Inode>(name, inode);
      return 0;
    }),
    symlink: call(["text", "text"], (target, path) => {
      if (target === "") throw new KernelFault("ENOENT");
      const { directory, name } = placeOfNew(path);
      directory.link(name, new SymlinkInode(directory.fileSystem, target));
      return 0;
    }),
    unlinkat: call(["number", "text", "number"], (from, path, flags) => {
      const { parent, name } = mounts.resolveParent(path, startOf(kernel, from));
      const inode = parent.inode.entries.get(name);
      if (inode === undefined) throw new KernelFault("ENOENT");
      if (parent.mount.readOnly) throw new KernelFault("EROFS");
      if (mounts.isMountPoint({ mount: parent.mount, inode })) throw new KernelFault("EBUSY");
      const removesDirectory = (flags & linux.AT_REMOVEDIR) !== 0;
      if (removesDirectory && !(inode instanceof DirectoryInode)) throw new KernelFault("ENOTDIR");
      if (!removesDirectory && inode instanceof DirectoryInode) throw new KernelFault("EISDIR");
      if (inode instanceof DirectoryInode && inode.entries.size > 0) throw new KernelFault("ENOTEMPTY");
      parent.inode.entries.delete(name);
      return 0;
    }),
    chmod: call(["text", "number"], (path, mode) => {
      writable(mounts.resolve(path)).permissions = mode & PERMISSIONS_MASK;
      return 0;
    }),
    lchown: call(["text", "number", "number"], (path, uid, gid) => {
      const inode = writable(mounts.resolve(path, { follow: false }));
      inode.uid = uid;
      inode.gid = gid;
      // fs/attr.c: a change of owner takes the set-uid bits of a file away.
      if (inode instanceof FileInode) inode.permissions &= ~SET_UID_BITS;
      return 0;
    }),
  };
}

function mountCalls(kernel: SimulatedKernel): Record<string, SystemCall> {
  const { mounts } = kernel;
  return {
    mount: call(["text", "text", "text", "number", "text"], (source, target, type, flags, options) => {
      const place = mounts.resolve(target);
      if ((flags & linux.MS_BIND) !== 0) mounts.mount(mounts.resolve(source).inode, place, flags);
      else if ((flags & linux.MS_MOVE) !== 0) mounts.move(mounts.resolve(source), place);
      else mounts.mount(kernel.fileSystems.open(type, source, options).root, place, flags);
      return 0;
    }),
    umount2: call(["text", "number"], (target, flags) => {
      mounts.unmount(mounts.resolve(target), (flags & linux.MNT_DETACH) !== 0);
      return 0;
    }),
    pivot_root: call(["text", "text"], (newRoot, putOld) => {
      mounts.pivotRoot(mounts.resolve(newRoot), mounts.resolve(putOld));
      return 0;
    }),
    chroot: call(["text"], (path) => {
      mounts.root = mounts.resolveDirectory(path);
      return 0;
    }),
    chdir: call(["text"], (path) => {
      mounts.cwd = mounts.resolveDirectory(path);
      return 0;
    }),
  };
}

function deviceCalls(kernel: SimulatedKernel): Record<string, SystemCall> {
  const { descriptors } = kernel;
  return {
    ioctl: call(["number", "number", "buffer"], (descriptor, request, buffer) => {
      const file = descriptors.get(descriptor);
      if (file instanceof OpenLoopControl && request === linux.LOOP_CTL_GET_FREE) return kernel.loopDevices.getFree();
      if (file instanceof OpenConsole && request >>> 0 === linux.TIOCSCTTY) return 0;
      if (file instanceof OpenRegularFile) return extentsIoctl(file.inode, request >>> 0, buffer);
      if (file instanceof OpenDeviceMapper) kernel.deviceMapper.ioctl(request >>> 0, buffer);
      else if (file instanceof OpenBlockDevice && request >>> 0 === linux.BLKGETSIZE64) {
        Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length).writeBigUInt64LE(BigInt(file.device.content.size));
      } else if (file instanceof OpenBlockDevice && request === linux.LOOP_CONFIGURE) {
        const config = linux.LoopConfig.parse(buffer);
        kernel.loopDevices.configure(file.device, config, descriptors.get(config.fd));
      } else throw new KernelFault("ENOTTY");
      return 0;
    }),
    add_key: call(["text", "text", "buffer", "number"], (type, description, payload, keyring) =>
      kernel.keyrings.add(type, description, payload, keyring),
    ),
    finit_module: call(["number", "text", "number"], (descriptor) => {
      const file = descriptors.get(descriptor);
      if (!(file instanceof OpenRegularFile)) throw new KernelFault("EINVAL");
      kernel.modules.load(file.inode.content.read());
      return 0;
    }),
  };
}

/** FAT knows no FIEMAP. */
const BLOCK_BYTES = 512;

/** How a file's places on its device are asked for. */
function extentsIoctl({ extents, fileSystem }: FileInode, request: number, buffer: Uint8Array): number {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  const isFat = fileSystem.type === "vfat";
  if (extents === undefined) throw new KernelFault("ENOTTY");
  if (request === linux.FS_IOC_FIEMAP && !isFat) {
    const { fm_start, fm_length, fm_extent_count } = linux.Fiemap.parse(buffer);
    const inside = ({ logical, length }: Extent) => logical < fm_start + fm_length && logical + length > fm_start;
    const found = extents.filter(inside).slice(0, fm_extent_count);
    for (const [index, { logical, physical, length, flags = 0 }] of found.entries()) {
      const at = linux.Fiemap.size + index * linux.FiemapExtent.size;
      linux.FiemapExtent.write(buffer, at, {
        fe_logical: BigInt(logical),
        fe_physical: BigInt(physical),
        fe_length: BigInt(length),
        fe_flags: flags,
      });
    }
    view.setUint32(20, found.length, true);
    return 0;
  }
  if (request === linux.FIGETBSZ) view.setUint32(0, BLOCK_BYTES, true);
  else if (request === linux.FIBMAP) {
    const at = view.getUint32(0, true) * BLOCK_BYTES;
    const extent = extents.find(({ logical, length }) => logical <= at && at < logical + length);
    view.setUint32(0, extent === undefined ? 0 : (extent.physical + at - extent.logical) / BLOCK_BYTES, true);
  } else throw new KernelFault(isFat ? "EOPNOTSUPP" : "ENOTTY");
  return 0;
}

function processCalls(kernel: SimulatedKernel): Record<string, SystemCall> {
  const { clock, mounts, descriptors } = kernel;
  return {
    sleep: call(["number"], (milliseconds) => {
      clock.wait(milliseconds, () => false);
      return 0;
    }),
    sync: call([], () => 0),
    reboot: call(["number"], (command) => {
      if (command >>> 0 === linux.REBOOT_RESTART) throw new Ended({ kind: "reboot" });
      if (command >>> 0 === linux.REBOOT_POWER_OFF) throw new Ended({ kind: "poweroff" });
      throw new KernelFault("EINVAL");
    }),
    fork: call([], () => (kernel.forksInto === "child" ? 0 : CHILD)),
    setsid: call([], () => CHILD),
    dup2: call(["number", "number"], (from, to) => {
      descriptors.duplicate(from, to);
      return to;
    }),
    wait_for: call(["number"], (process) => {
      if (process !== CHILD) throw new KernelFault("ECHILD");
      return process;
    }),
    exit: call(["number"], (status) => {
      throw new Ended({ kind: "exit", status });
    }),
    execve: call(["text", "number"], (path, withArguments) => {
      const { inode, mount } = mounts.resolve(path);
      const mayRun = inode instanceof FileInode && (inode.permissions & EXECUTABLE_BITS) !== 0;
      if (!mayRun || (mount.flags & linux.MS_NOEXEC) !== 0) throw new KernelFault("EACCES");
      const text = byteStringFrom(inode.content.read());
      if (!text.startsWith(ELF_MAGIC) && !text.startsWith(SHEBANG)) throw new KernelFault("ENOEXEC");
      kernel.descriptors.exec();
      throw new Ended(withArguments === 0 ? { kind: "exec", path, isAlone: true } : { kind: "exec", path });
    }),
  };
}

function startOf(kernel: SimulatedKernel, directory: number): Place {
  return directory === linux.AT_FDCWD ? kernel.mounts.cwd : kernel.descriptors.get(directory).place;
}

function fill(buffer: Uint8Array, bytes: Uint8Array): number {
  buffer.set(bytes);
  return bytes.length;
}

function open(kernel: SimulatedKernel, from: Place, path: string, flags: number, mode: number): OpenFile {
  const access = {
    read: (flags & linux.O_ACCMODE) !== 1,
    write: (flags & linux.O_ACCMODE) !== linux.O_RDONLY,
    append: (flags & linux.O_APPEND) !== 0,
  };
  const place = findOrCreate(kernel, from, path, flags, mode);
  const { inode, mount } = place;
  if (inode instanceof SymlinkInode) throw new KernelFault("ELOOP");
  if (inode instanceof DirectoryInode) {
    if (access.write) throw new KernelFault("EISDIR");
    return new OpenDirectory(place);
  }
  if ((flags & linux.O_DIRECTORY) !== 0) throw new KernelFault("ENOTDIR");
  if (inode instanceof SpecialInode) {
    if ((mount.flags & linux.MS_NODEV) !== 0) throw new KernelFault("EACCES");
    return openSpecial(kernel, inode);
  }
  if (access.write && mount.readOnly) throw new KernelFault("EROFS");
  if (access.write && inode.content.write === undefined) throw new KernelFault("EACCES");
  if (access.write && (flags & linux.O_TRUNC) !== 0) inode.content.truncate?.();
  return new OpenRegularFile(place, inode, access, kernel.largestTransfer);
}

function findOrCreate(kernel: SimulatedKernel, from: Place, path: string, flags: number, mode: number): Place {
  const creates = (flags & linux.O_CREAT) !== 0;
  const isExclusive = creates && (flags & linux.O_EXCL) !== 0;
  try {
    const follow = (flags & linux.O_NOFOLLOW) === 0 && !isExclusive;
    const found = kernel.mounts.resolve(path, { from, follow });
    if (isExclusive) throw new KernelFault("EEXIST");
    return found;
  } catch (error) {
    if (!creates || !(error instanceof KernelFault) || error.errno !== "ENOENT") throw error;
  }
  const { parent, name } = kernel.mounts.resolveParent(path, from);
  if (parent.mount.readOnly) throw new KernelFault("EROFS");
  const inode = parent.inode.link(name, new FileInode(parent.inode.fileSystem, mode & ~linux.UMASK));
  return { mount: parent.mount, inode };
}

function openSpecial(kernel: SimulatedKernel, inode: SpecialInode): OpenFile {
  const { device, kind } = inode;
  const numbers = linux.DEVICE_NUMBERS;
  const is = (number: linux.DeviceNumber) => device.major === number.major && device.minor === number.minor;
  if (kind === "block-device") return new OpenBlockDevice(kernel.blockDevices.get(device));
  if (kind !== "character-device") throw new KernelFault("ENXIO");
  if (is(numbers.kmsg)) return new OpenKernelLog(kernel.log, () => kernel.clock.now);
  if (is(numbers.deviceMapperControl)) return new OpenDeviceMapper();
  if (is(numbers.loopControl)) return new OpenLoopControl();
  if (is(numbers.tpmrm0) && kernel.tpm !== undefined) return new OpenTpm(kernel.tpm);
  if (is(numbers.null)) return new OpenSink(() => undefined);
  if (!is(numbers.console)) throw new KernelFault("ENXIO");
  return new OpenConsole((bytes) => {
    kernel.log.console += byteStringFrom(bytes);
  });
}

/** Fills a buffer with struct linux_dirent64; as many as have room. */
function listDirectory(file: OpenFile, buffer: Uint8Array): number {
  if (!(file instanceof OpenDirectory)) throw new KernelFault("ENOTDIR");
  let end = 0;
  let isTooSmall = false;
  file.list((name, inode) => {
    const length = alignUp(linux.Dirent64.size + name.length + 1, linux.DIRENT_ALIGNMENT);
    if (end + length > buffer.length) {
      isTooSmall = end === 0;
      return false;
    }
    buffer.fill(0, end, end + length);
    const d_type = FILE_TYPE_BITS[inode.kind] >> 12;
    linux.Dirent64.write(buffer, end, { d_ino: BigInt(inode.number), d_off: 0n, d_reclen: length, d_type });
    buffer.set(byteStringBytes(name), end + linux.Dirent64.size);
    end += length;
    return true;
  });
  if (isTooSmall) throw new KernelFault("EINVAL");
  return end;
}

function writeStatx(inode: Inode, buffer: Uint8Array): void {
  const device = inode instanceof SpecialInode ? inode.device : { major: 0, minor: 0 };
  linux.Statx.write(buffer, 0, {
    stx_mask: linux.STATX_BASIC_STATS,
    stx_blksize: 4096,
    stx_nlink: 1,
    stx_uid: inode.uid,
    stx_gid: inode.gid,
    stx_mode: inode.mode,
    stx_ino: BigInt(inode.number),
    stx_size: BigInt(inode instanceof FileInode ? inode.content.size : 0),
    stx_rdev_major: device.major,
    stx_rdev_minor: device.minor,
    stx_dev_major: inode.fileSystem.device.major,
    stx_dev_minor: inode.fileSystem.device.minor,
  });
}
