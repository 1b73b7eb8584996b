/**
 * Everything that the first stage can ask of the kernel: one function a system call, nothing more.
 *
 * Paths are addresses of NUL-terminated bytes, buffers are an address and a length in bytes. All return a value
 * of zero or more, or the negated error number. In the shipped binary these are the functions of shim.c; under
 * Node they are the methods of a simulated kernel.
 */

// @ts-ignore: decorator
@external("kernel", "openat")
export declare function openat(directory: i32, path: usize, flags: i32, mode: i32): i32;
// @ts-ignore: decorator
@external("kernel", "close")
export declare function close(descriptor: i32): i32;
// @ts-ignore: decorator
@external("kernel", "read")
export declare function read(descriptor: i32, buffer: usize, length: i32): i32;
// @ts-ignore: decorator
@external("kernel", "pread")
export declare function pread(descriptor: i32, buffer: usize, length: i32, offset: i64): i32;
/** Has the kernel read a part of a file into its cache, without waiting for it. */
// @ts-ignore: decorator
@external("kernel", "readahead")
export declare function readahead(descriptor: i32, offset: i64, length: i32): i32;
// @ts-ignore: decorator
@external("kernel", "write")
export declare function write(descriptor: i32, buffer: usize, length: i32): i32;
// @ts-ignore: decorator
@external("kernel", "pwrite")
export declare function pwrite(descriptor: i32, buffer: usize, length: i32, offset: i64): i32;
// @ts-ignore: decorator
@external("kernel", "getdents64")
export declare function getdents64(descriptor: i32, buffer: usize, length: i32): i32;
// @ts-ignore: decorator
@external("kernel", "readlinkat")
export declare function readlinkat(directory: i32, path: usize, buffer: usize, length: i32): i32;
// @ts-ignore: decorator
@external("kernel", "statx")
export declare function statx(directory: i32, path: usize, flags: i32, mask: i32, buffer: usize, length: i32): i32;
// @ts-ignore: decorator
@external("kernel", "statfs")
export declare function statfs(path: usize, buffer: usize, length: i32): i32;
// @ts-ignore: decorator
@external("kernel", "mkdir")
export declare function mkdir(path: usize, mode: i32): i32;
// @ts-ignore: decorator
@external("kernel", "mknod")
export declare function mknod(path: usize, mode: i32, device: i32): i32;
// @ts-ignore: decorator
@external("kernel", "symlink")
export declare function symlink(target: usize, path: usize): i32;
// @ts-ignore: decorator
@external("kernel", "unlinkat")
export declare function unlinkat(directory: i32, path: usize, flags: i32): i32;
// @ts-ignore: decorator
@external("kernel", "chmod")
export declare function chmod(path: usize, mode: i32): i32;
// @ts-ignore: decorator
@external("kernel", "lchown")
export declare function lchown(path: usize, uid: i32, gid: i32): i32;
// @ts-ignore: decorator
@external("kernel", "mount")
export declare function mount(source: usize, target: usize, type: usize, flags: i32, data: usize): i32;
// @ts-ignore: decorator
@external("kernel", "umount2")
export declare function umount2(target: usize, flags: i32): i32;
// @ts-ignore: decorator
@external("kernel", "pivot_root")
export declare function pivotRoot(newRoot: usize, putOld: usize): i32;
// @ts-ignore: decorator
@external("kernel", "chroot")
export declare function chroot(path: usize): i32;
// @ts-ignore: decorator
@external("kernel", "chdir")
export declare function chdir(path: usize): i32;
// @ts-ignore: decorator
@external("kernel", "ioctl")
export declare function ioctl(descriptor: i32, request: u32, buffer: usize, length: i32): i32;
/** Puts a key with this payload into a keyring; its serial number. */
// @ts-ignore: decorator
@external("kernel", "add_key")
export declare function addKey(type: usize, description: usize, payload: usize, length: i32, keyring: i32): i32;
// @ts-ignore: decorator
@external("kernel", "finit_module")
export declare function finitModule(descriptor: i32, parameters: usize, flags: i32): i32;
// @ts-ignore: decorator
@external("kernel", "socket")
export declare function socket(family: i32, type: i32, protocol: i32): i32;
// @ts-ignore: decorator
@external("kernel", "bind")
export declare function bind(descriptor: i32, address: usize, length: i32): i32;
// @ts-ignore: decorator
@external("kernel", "connect")
export declare function connect(descriptor: i32, address: usize, length: i32): i32;
// @ts-ignore: decorator
@external("kernel", "sendto")
export declare function sendto(descriptor: i32, buffer: usize, length: i32, address: usize, addressLength: i32): i32;
// @ts-ignore: decorator
@external("kernel", "setsockopt")
export declare function setsockopt(descriptor: i32, level: i32, option: i32, value: usize, length: i32): i32;
/** Waits until `descriptor` can be written to, or has failed, or `timeoutMs` have passed; 1 when so, 0 when not. */
// @ts-ignore: decorator
@external("kernel", "wait_writable")
export declare function waitWritable(descriptor: i32, timeoutMs: i32): i32;
// @ts-ignore: decorator
@external("kernel", "memfd_create")
export declare function memfdCreate(name: usize, flags: i32): i32;
/** Waits until `descriptor` can be read or `timeoutMs` have passed; 1 when it can be read, 0 when not. */
// @ts-ignore: decorator
@external("kernel", "wait_readable")
export declare function waitReadable(descriptor: i32, timeoutMs: i32): i32;
/** Nanoseconds since the kernel started (CLOCK_MONOTONIC). */
// @ts-ignore: decorator
@external("kernel", "clock")
export declare function clock(): i64;
// @ts-ignore: decorator
@external("kernel", "sleep")
export declare function sleep(milliseconds: i32): i32;
// @ts-ignore: decorator
@external("kernel", "sync")
export declare function sync(): i32;
// @ts-ignore: decorator
@external("kernel", "reboot")
export declare function reboot(command: u32): i32;
/** Becomes the program at `path`, with the environment that this program was given, and with its arguments if wanted. */
// @ts-ignore: decorator
@external("kernel", "execve")
export declare function execve(path: usize, withArguments: i32): i32;
// @ts-ignore: decorator
@external("kernel", "fork")
export declare function fork(): i32;
// @ts-ignore: decorator
@external("kernel", "setsid")
export declare function setsid(): i32;
// @ts-ignore: decorator
@external("kernel", "dup2")
export declare function dup2(from: i32, to: i32): i32;
/** Waits until the child process `process` has ended; its number. */
// @ts-ignore: decorator
@external("kernel", "wait_for")
export declare function waitFor(process: i32): i32;
// @ts-ignore: decorator
@external("kernel", "exit")
export declare function exit(status: i32): void;

export const AT_FDCWD: i32 = -100;
export const AT_REMOVEDIR: i32 = 0x200;
export const AT_SYMLINK_NOFOLLOW: i32 = 0x100;
export const AT_EMPTY_PATH: i32 = 0x1000;

export const O_RDONLY: i32 = 0;
export const O_WRONLY: i32 = 1;
export const O_RDWR: i32 = 2;
export const O_CREAT: i32 = 0o100;
export const O_EXCL: i32 = 0o200;
export const O_NOCTTY: i32 = 0o400;
export const O_TRUNC: i32 = 0o1000;
export const O_APPEND: i32 = 0o2000;
export const O_DIRECTORY: i32 = 0o200000;
export const O_NOFOLLOW: i32 = 0o400000;
export const O_CLOEXEC: i32 = 0o2000000;

export const MS_RDONLY: i32 = 1;
export const MS_NOSUID: i32 = 2;
export const MS_NODEV: i32 = 4;
export const MS_NOEXEC: i32 = 8;
export const MS_BIND: i32 = 4096;
export const MS_MOVE: i32 = 8192;
export const MS_STRICTATIME: i32 = 1 << 24;
export const MNT_DETACH: i32 = 2;

export const S_IFMT: i32 = 0o170000;
export const S_IFDIR: i32 = 0o040000;
export const S_IFREG: i32 = 0o100000;
export const S_IFLNK: i32 = 0o120000;

/** <linux/keyctl.h>: a keyring of this thread alone, made when it is first used, and gone when it becomes another program. */
export const KEY_SPEC_THREAD_KEYRING: i32 = -1;

export const AF_INET: i32 = 2;
export const AF_NETLINK: i32 = 16;
export const SOCK_STREAM: i32 = 1;
export const SOCK_DGRAM: i32 = 2;
export const SOCK_RAW: i32 = 3;
export const SOCK_CLOEXEC: i32 = 0o2000000;
export const SOCK_NONBLOCK: i32 = 0o4000;
export const NETLINK_ROUTE: i32 = 0;
export const NETLINK_KOBJECT_UEVENT: i32 = 15;
export const SOL_SOCKET: i32 = 1;
export const SO_BROADCAST: i32 = 6;
export const SO_BINDTODEVICE: i32 = 25;
export const MFD_CLOEXEC: i32 = 1;

export const REBOOT_RESTART: u32 = 0x01234567;
export const REBOOT_POWER_OFF: u32 = 0x4321fedc;

export const ENOENT: i32 = 2;
export const EIO: i32 = 5;
export const EAGAIN: i32 = 11;
export const EBUSY: i32 = 16;
export const EEXIST: i32 = 17;
export const ENODEV: i32 = 19;
export const EINVAL: i32 = 22;
export const ENOTTY: i32 = 25;
export const EOPNOTSUPP: i32 = 95;
export const ENOEXEC: i32 = 8;
export const ENAMETOOLONG: i32 = 36;
export const ELOOP: i32 = 40;
export const ECONNRESET: i32 = 104;
export const ETIMEDOUT: i32 = 110;
export const EINPROGRESS: i32 = 115;
