import * as kernel from "./kernel";
import { because, problem } from "./report";
import { path, Text, Writer } from "./text";
import { Made, noteMade } from "./undo";

// <linux/loop.h>
const LOOP_CONFIGURE: u32 = 0x4c0a;
const LOOP_CTL_GET_FREE: u32 = 0x4c82;
/** struct loop_config, with the struct loop_info64 inside of it */
const CONFIG_SIZE: i32 = 304;
const CONFIG_FD: usize = 0;
const CONFIG_BLOCK_SIZE: usize = 4;
const CONFIG_OFFSET: usize = 32;
const CONFIG_SIZE_LIMIT: usize = 40;
const CONFIG_FLAGS: usize = 60;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/** Not less than any disk's, or the kernel would not pass reads by the page cache of what is below. */
export const LARGEST_BLOCK: i32 = 4096;

/** Somebody else may take the free device first; nobody does so for ever. */
const MOST_ATTEMPTS: i32 = 16;

const config = memory.data(CONFIG_SIZE);
const unused = memory.data(8);
let opened: i32 = -1;

@final
class MadeLoop extends Made {
  constructor(
    node: Text,
    /** Nobody else has it open any more by now: closing clears it. */
    private readonly descriptor: i32,
  ) {
    super(node);
  }

  override takeBack(): i32 {
    return kernel.close(this.descriptor);
  }
}

/**
 * Makes a read-only loop device of `size` bytes (0: up to the end) at `offset` of an opened file, and leaves its node
 * in `node`. The kernel clears it when its last user has gone: that nobody has opened it yet is no reason to, so the
 * device stays open here until the boot leaves the first stage.
 *
 * Direct I/O, where the file can be read so: what the image's reader keeps in memory need not be kept twice.
 */
export function attachLoop(file: i32, offset: i64, size: i64, blockSize: i32, node: Writer): bool {
  const control = kernel.openat(kernel.AT_FDCWD, path("/dev/loop-control"), kernel.O_RDWR | kernel.O_CLOEXEC, 0);
  if (control < 0) return because(problem("cannot open /dev/loop-control"), control);
  let result = -kernel.EBUSY;
  for (let i = 0; i < MOST_ATTEMPTS && result == -kernel.EBUSY; i++) {
    result = kernel.ioctl(control, LOOP_CTL_GET_FREE, unused, 8);
    if (result >= 0) result = configure(file, offset, size, blockSize, node.reset().literal("/dev/loop").number(result).path());
  }
  kernel.close(control);
  if (result < 0) return because(problem("cannot make a loop device"), result);
  noteMade(new MadeLoop(node.toText(), opened));
  return true;
}

/** 0 or -errno. */
function configure(file: i32, offset: i64, size: i64, blockSize: i32, node: usize): i32 {
  const loop = kernel.openat(kernel.AT_FDCWD, node, kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (loop < 0) return loop;
  memory.fill(config, 0, CONFIG_SIZE);
  store<i32>(config, file, CONFIG_FD);
  store<i32>(config, blockSize, CONFIG_BLOCK_SIZE);
  store<i64>(config, offset, CONFIG_OFFSET);
  store<i64>(config, size, CONFIG_SIZE_LIMIT);
  store<u32>(config, LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO, CONFIG_FLAGS);
  const result = kernel.ioctl(loop, LOOP_CONFIGURE, config, CONFIG_SIZE);
  if (result < 0) kernel.close(loop);
  else opened = loop;
  return result;
}
