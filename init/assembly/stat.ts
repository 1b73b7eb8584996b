import * as kernel from "./kernel";

// <linux/stat.h>: struct statx
const STATX_SIZE: i32 = 256;
const UID: usize = 20;
const GID: usize = 24;
const MODE: usize = 28;
const SIZE: usize = 40;
const RDEV_MAJOR: usize = 128;
const RDEV_MINOR: usize = 132;
const DEV_MAJOR: usize = 136;
const DEV_MINOR: usize = 140;
const STATX_BASIC_STATS: i32 = 0x7ff;

/** What the kernel says of one file; symbolic links are not followed. */
@final
export class Stat {
  private readonly buffer: usize = heap.alloc(STATX_SIZE);

  /** 0 or -errno. An empty path means the opened file `directory` itself. */
  read(directory: i32, path: usize): i32 {
    const flags = kernel.AT_SYMLINK_NOFOLLOW | kernel.AT_EMPTY_PATH;
    return kernel.statx(directory, path, flags, STATX_BASIC_STATS, this.buffer, STATX_SIZE);
  }

  get mode(): i32 {
    return load<u16>(this.buffer + MODE);
  }

  get isDirectory(): bool {
    return (this.mode & kernel.S_IFMT) == kernel.S_IFDIR;
  }

  get isSymlink(): bool {
    return (this.mode & kernel.S_IFMT) == kernel.S_IFLNK;
  }

  get isRegular(): bool {
    return (this.mode & kernel.S_IFMT) == kernel.S_IFREG;
  }

  get uid(): i32 {
    return load<i32>(this.buffer + UID);
  }

  get gid(): i32 {
    return load<i32>(this.buffer + GID);
  }

  get size(): i64 {
    return load<i64>(this.buffer + SIZE);
  }

  /** The device number of a device node, as mknod(2) takes it. */
  get device(): i32 {
    const major = load<u32>(this.buffer + RDEV_MAJOR);
    const minor = load<u32>(this.buffer + RDEV_MINOR);
    return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
  }

  /** Which file system this file is on: comparable, without further meaning. */
  get fileSystem(): u64 {
    return (<u64>load<u32>(this.buffer + DEV_MAJOR) << 32) | load<u32>(this.buffer + DEV_MINOR);
  }
}
