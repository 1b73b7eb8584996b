import { ascii, struct, u8, u16, u32, u64 } from "../../../src/bytes/index.ts";

// fcntl.h
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EMPTY_PATH = 0x1000;
export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DIRECTORY = 0o200000;
export const O_NOFOLLOW = 0o400000;
export const O_CLOEXEC = 0o2000000;

// linux/mount.h
export const MS_RDONLY = 1;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MNT_DETACH = 2;

// linux/limits.h
export const PATH_MAX = 4096;
export const NAME_MAX = 255;

/** init/init_task.c: what PID 1 starts with. */
export const UMASK = 0o022;

// linux/netlink.h, linux/socket.h
export const AF_INET = 2;
export const AF_NETLINK = 16;
export const NETLINK_ROUTE = 0;
export const NETLINK_KOBJECT_UEVENT = 15;
export const SOCKET_TYPE_MASK = 0xf;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOL_SOCKET = 1;
export const SO_BROADCAST = 6;
export const SO_BINDTODEVICE = 25;
export const MFD_CLOEXEC = 1;
export const SockaddrNl = struct("sockaddr_nl", 12, { nl_family: u16(0), nl_pid: u32(4), nl_groups: u32(8) });

// linux/reboot.h
export const REBOOT_RESTART = 0x01234567;
export const REBOOT_POWER_OFF = 0x4321fedc;

/** tty_ioctl(4): makes a terminal that of the calling session. */
export const TIOCSCTTY = 0x540e;
/** linux/fs.h: the size of a block device in bytes. */
export const BLKGETSIZE64 = 0x80081272;

/** linux/loop.h: struct loop_config, with what matters of its struct loop_info64. */
export const LoopConfig = struct("loop_config", 304, {
  fd: u32(0),
  block_size: u32(4),
  lo_offset: u64(32),
  lo_sizelimit: u64(40),
  lo_flags: u32(60),
});
export const LOOP_CONFIGURE = 0x4c0a;
export const LOOP_CTL_GET_FREE = 0x4c82;
export const LO_FLAGS_READ_ONLY = 1;
export const LO_FLAGS_AUTOCLEAR = 4;
export const LOOP_MAJOR = 7;

/** linux/fiemap.h */
export const Fiemap = struct("fiemap", 32, {
  fm_start: u64(0),
  fm_length: u64(8),
  fm_mapped_extents: u32(20),
  fm_extent_count: u32(24),
});
export const FiemapExtent = struct("fiemap_extent", 56, {
  fe_logical: u64(0),
  fe_physical: u64(8),
  fe_length: u64(16),
  fe_flags: u32(40),
});
export const FS_IOC_FIEMAP = 0xc020660b;
export const FIBMAP = 1;
export const FIGETBSZ = 2;

/** linux/stat.h */
export const Statx = struct("statx", 256, {
  stx_mask: u32(0),
  stx_blksize: u32(4),
  stx_nlink: u32(16),
  stx_uid: u32(20),
  stx_gid: u32(24),
  stx_mode: u16(28),
  stx_ino: u64(32),
  stx_size: u64(40),
  stx_rdev_major: u32(128),
  stx_rdev_minor: u32(132),
  stx_dev_major: u32(136),
  stx_dev_minor: u32(140),
});
export const STATX_BASIC_STATS = 0x7ff;

/** The beginning of struct statfs on 64-bit machines (asm-generic/statfs.h). */
export const Statfs = struct("statfs", 120, { f_type: u64(0), f_bsize: u64(8) });

/** The fixed part of struct linux_dirent64 (getdents64(2)); the name follows, NUL-terminated. */
export const Dirent64 = struct("linux_dirent64", 19, {
  d_ino: u64(0),
  d_off: u64(8),
  d_reclen: u16(16),
  d_type: u8(18),
});
export const DIRENT_ALIGNMENT = 8;

/** linux/dm-ioctl.h */
export const DmIoctl = struct("dm_ioctl", 312, {
  version_major: u32(0),
  version_minor: u32(4),
  version_patch: u32(8),
  data_size: u32(12),
  data_start: u32(16),
  target_count: u32(20),
  open_count: u32(24),
  flags: u32(28),
  dev: u64(40),
  name: ascii(48, 128),
  uuid: ascii(176, 129),
});
export const DmTargetSpec = struct("dm_target_spec", 40, {
  sector_start: u64(0),
  length: u64(8),
  status: u32(16),
  next: u32(20),
  target_type: ascii(24, 16),
});
export const DM_VERSION_MAJOR = 4;
export const DM_DEV_CREATE = 0xc138fd03;
export const DM_DEV_REMOVE = 0xc138fd04;
export const DM_DEV_SUSPEND = 0xc138fd06;
export const DM_TABLE_LOAD = 0xc138fd09;
export const DM_READONLY_FLAG = 1 << 0;
export const DM_SUSPEND_FLAG = 1 << 1;
export const DM_DEFERRED_REMOVE = 1 << 17;
export const SECTOR_SIZE = 512;

/** linux/kdev_t.h: 12 bits of major, 20 bits of minor, the minor's low byte first. */
export const MAJOR_SHIFT = 8;
export const MINOR_LOW_MASK = 0xff;
export const MINOR_HIGH_SHIFT = 12;

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

export function encodeDeviceNumber({ major, minor }: DeviceNumber): number {
  return (minor & MINOR_LOW_MASK) | (major << MAJOR_SHIFT) | ((minor & ~MINOR_LOW_MASK) << MINOR_HIGH_SHIFT);
}

export function parseDeviceNumber(encoded: number): DeviceNumber {
  return {
    major: (encoded >>> MAJOR_SHIFT) & 0xfff,
    minor: (encoded & MINOR_LOW_MASK) | ((encoded >>> MINOR_HIGH_SHIFT) & 0xfff00),
  };
}

// Documentation/admin-guide/devices.txt
export const DEVICE_NUMBERS = {
  null: { major: 1, minor: 3 },
  kmsg: { major: 1, minor: 11 },
  console: { major: 5, minor: 1 },
  loopControl: { major: 10, minor: 237 },
  deviceMapperControl: { major: 10, minor: 236 },
  tpmrm0: { major: 253, minor: 65536 },
} as const;
export const DEVICE_MAPPER_MAJOR = 253;
export const FIRST_DISK_MAJOR = 254;
export const MINORS_A_DISK = 16;
