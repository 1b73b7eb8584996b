import * as kernel from "./kernel";
import { Text, Writer } from "./text";

const READ_STEP: i32 = 64 * 1024;

/** The whole file in newly allocated memory, or null when it cannot be opened or read. */
export function readWholeFile(path: usize): Text | null {
  const file = kernel.openat(kernel.AT_FDCWD, path, kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (file < 0) return null;
  let start = heap.alloc(READ_STEP);
  let capacity = READ_STEP;
  let length = 0;
  for (;;) {
    const got = kernel.read(file, start + length, capacity - length);
    if (got < 0) {
      kernel.close(file);
      return null;
    }
    length += got;
    if (got == 0) break;
    if (length == capacity) start = heap.realloc(start, (capacity += READ_STEP));
  }
  kernel.close(file);
  return new Text(start, length);
}

/** Reads up to `capacity` bytes of a small file; the number of bytes without a final line feed, or -errno. */
export function readSmallFile(path: usize, buffer: usize, capacity: i32): i32 {
  const file = kernel.openat(kernel.AT_FDCWD, path, kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (file < 0) return file;
  let length = kernel.read(file, buffer, capacity);
  kernel.close(file);
  if (length > 0 && load<u8>(buffer + length - 1) == 0x0a) length--;
  return length;
}

/** Writes all of `writer` to the file at `path`, made or emptied first; 0 or -errno. */
export function writeFile(path: usize, writer: Writer, flags: i32): i32 {
  const file = kernel.openat(kernel.AT_FDCWD, path, kernel.O_WRONLY | kernel.O_CLOEXEC | flags, 0o644);
  if (file < 0) return file;
  const result = writeAll(file, writer.start, writer.length);
  kernel.close(file);
  return result;
}

export function writeAll(file: i32, start: usize, length: i32): i32 {
  for (let done = 0; done < length; ) {
    const wrote = kernel.write(file, start + done, length - done);
    if (wrote < 0) return wrote;
    if (wrote == 0) return -kernel.EIO;
    done += wrote;
  }
  return 0;
}

/** Makes a directory; one that is already there is fine. 0 or -errno. */
export function makeDirectory(path: usize, mode: i32): i32 {
  const result = kernel.mkdir(path, mode);
  return result == -kernel.EEXIST ? 0 : result;
}

export function exists(path: usize): bool {
  const file = kernel.openat(kernel.AT_FDCWD, path, kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (file >= 0) kernel.close(file);
  return file >= 0;
}

// struct linux_dirent64 (getdents64(2))
const DIRENT_RECLEN: usize = 16;
const DIRENT_NAME: usize = 19;
const DIRENT_BUFFER: i32 = 8192;
const DOT: u8 = 0x2e;

/** Walks the names in one directory; "." and ".." are left out. */
@final
export class DirectoryReader {
  private readonly buffer: usize = heap.alloc(DIRENT_BUFFER);
  private directory: i32 = -1;
  private filled: i32 = 0;
  private position: i32 = 0;
  /** The name that `next` found: an address of NUL-terminated bytes, valid until the next call. */
  name: usize = 0;
  nameLength: i32 = 0;
  /** 0, or -errno when `next` ended because the directory could not be read to its end. */
  fault: i32 = 0;

  /** 0 or -errno. */
  open(parent: i32, path: usize): i32 {
    this.filled = this.position = this.fault = 0;
    this.directory = kernel.openat(parent, path, kernel.O_RDONLY | kernel.O_DIRECTORY | kernel.O_CLOEXEC, 0);
    return min(this.directory, 0);
  }

  get descriptor(): i32 {
    return this.directory;
  }

  /** Goes to the next name. At the end, and when reading fails (see `fault`), closes the directory and says false. */
  next(): bool {
    while (this.position < this.filled || this.refill()) {
      const entry = this.buffer + this.position;
      this.position += load<u16>(entry, DIRENT_RECLEN);
      this.name = entry + DIRENT_NAME;
      this.nameLength = 0;
      while (load<u8>(this.name + this.nameLength) != 0) this.nameLength++;
      if (!this.isDots()) return true;
    }
    this.close();
    return false;
  }

  private refill(): bool {
    this.filled = kernel.getdents64(this.directory, this.buffer, DIRENT_BUFFER);
    this.position = 0;
    this.fault = min(this.filled, 0);
    return this.filled > 0;
  }

  private isDots(): bool {
    if (load<u8>(this.name) != DOT) return false;
    return this.nameLength == 1 || (this.nameLength == 2 && load<u8>(this.name, 1) == DOT);
  }

  close(): void {
    kernel.close(this.directory);
    this.directory = -1;
  }
}
