/** Error numbers as Linux has them on x86-64 and arm64 (asm-generic/errno.h). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  ENOTBLK: 15,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EMFILE: 24,
  ENOTTY: 25,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNRESET: 104,
  ECONNREFUSED: 111,
  EALREADY: 114,
  EINPROGRESS: 115,
  EUCLEAN: 117,
  EBADMSG: 74,
  ENOKEY: 126,
  EKEYREJECTED: 129,
} as const;

export type ErrnoName = keyof typeof ERRNO;

/** What a system call answers instead of a result. */
export class KernelFault extends Error {
  override readonly name = "KernelFault";
  readonly errno: ErrnoName;

  constructor(errno: ErrnoName) {
    super(errno);
    this.errno = errno;
  }
}
