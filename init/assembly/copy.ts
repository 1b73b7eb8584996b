import { writeAll } from "./files";
import * as kernel from "./kernel";
import { Stat } from "./stat";
import { PATH_MAX } from "./text";

const BUFFER_SIZE: i32 = 64 * 1024;

const buffer = memory.data(BUFFER_SIZE);
const linkTarget = memory.data(PATH_MAX + 1);

/**
 * Makes `to` what the file `from` is (anything but a directory), with its owner and permissions; what stood at
 * `to` goes. 0 or -errno.
 */
export function copyFile(directory: i32, from: usize, to: usize, stat: Stat): i32 {
  let result = kernel.unlinkat(kernel.AT_FDCWD, to, 0);
  if (result < 0 && result != -kernel.ENOENT) return result;
  if (stat.isSymlink) {
    const length = kernel.readlinkat(directory, from, linkTarget, PATH_MAX);
    if (length < 0) return length;
    store<u8>(linkTarget + length, 0);
    result = kernel.symlink(linkTarget, to);
    return result < 0 ? result : kernel.lchown(to, stat.uid, stat.gid);
  }
  result = stat.isRegular ? copyContent(directory, from, to) : kernel.mknod(to, stat.mode, stat.device);
  if (result < 0) return result;
  result = kernel.lchown(to, stat.uid, stat.gid);
  // Last, because a change of owner takes the set-uid bit away.
  return result < 0 ? result : kernel.chmod(to, stat.mode & 0o7777);
}

function copyContent(directory: i32, from: usize, to: usize): i32 {
  const source = kernel.openat(directory, from, kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (source < 0) return source;
  const flags = kernel.O_WRONLY | kernel.O_CREAT | kernel.O_EXCL | kernel.O_CLOEXEC;
  const copy = kernel.openat(kernel.AT_FDCWD, to, flags, 0o600);
  let result = min(copy, 0);
  while (result >= 0) {
    const got = kernel.read(source, buffer, BUFFER_SIZE);
    result = got > 0 ? writeAll(copy, buffer, got) : got;
    if (got == 0) break;
  }
  kernel.close(source);
  if (copy >= 0) kernel.close(copy);
  return result;
}
