import { DirectoryReader, makeDirectory } from "../files";
import * as kernel from "../kernel";
import { releaseMappedDevices } from "../mapped-devices";
import { Step } from "../plan";
import { because, compose, INFO, problem, say } from "../report";
import { Stat } from "../stat";
import { PATH_MAX, Text, Writer, path } from "../text";
import { timelineStart, writeTimeline } from "../timeline";
import { modulesLoaded } from "./modules";
import { releaseNetwork } from "./network";

/** The file systems of the kernel's interfaces, which go along into every root; the way to the kernel log is the last. */
const API_FILE_SYSTEMS: StaticArray<string> = ["/proc", "/sys", "/run", "/dev"];

// struct statfs (statfs(2)) on 64-bit machines begins with the type
const STATFS_SIZE: i32 = 120;
const RAMFS_MAGIC: u64 = 0x858458f6;
const TMPFS_MAGIC: u64 = 0x01021994;

const MOST_LEVELS: i32 = 64;

const target = new Writer(PATH_MAX);
const init = new Writer(PATH_MAX);
const stat = new Stat();
const statfs = memory.data(STATFS_SIZE);
const readers: DirectoryReader[] = [];
let oldFileSystem: u64 = 0;

/** `switch ROOT INIT`: makes ROOT the root directory, drops the first stage, and becomes ROOT's program INIT. */
export function switchStep(step: Step): bool {
  const root = step.word(1);
  const program = step.word(2);
  releaseMappedDevices();
  if (NETWORK != 0) releaseNetwork();
  const written = writeTimeline();
  if (written < 0) return because(problem("cannot write /run/lazyrd/timeline.json"), written);
  announce(program);

  const oldRoot = kernel.openat(kernel.AT_FDCWD, path("/"), kernel.O_RDONLY | kernel.O_DIRECTORY | kernel.O_CLOEXEC, 0);
  if (oldRoot < 0) return because(problem("cannot open the root directory"), oldRoot);
  const inMemory = isInMemory();
  if (!moveApiFileSystems(root)) return false;
  if (!changeRoot(root)) return false;

  init.reset().text(program);
  const found = kernel.openat(kernel.AT_FDCWD, init.path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  if (found < 0) return because(problem("cannot open ").text(program).literal(" in the image"), found);
  kernel.close(found);

  if (inMemory && stat.read(oldRoot, path("")) >= 0) {
    oldFileSystem = stat.fileSystem;
    emptyDirectory(oldRoot, path("."), 0);
  }
  kernel.close(oldRoot);
  return because(problem("cannot start ").text(program), kernel.execve(init.path(), 1));
}

function announce(program: Text): void {
  const message = compose().literal("switch to ").text(program).literal(" after ").milliseconds(kernel.clock() - timelineStart());
  message.literal(", ").number(modulesLoaded()).literal(" modules loaded");
  say(INFO);
}

function moveApiFileSystems(root: Text): bool {
  for (let i = 0; i < API_FILE_SYSTEMS.length; i++) {
    const name = API_FILE_SYSTEMS[i];
    target.reset().text(root).literal(name);
    let result = makeDirectory(target.path(), 0o755);
    if (result >= 0) result = kernel.mount(path(name), target.path(), init.reset().path(), kernel.MS_MOVE, 0);
    if (result < 0) return because(problem("cannot move ").literal(name).literal(" to ").text(target.toText()), result);
  }
  return true;
}

/**
 * From Linux 7 on, the initial root can be left with pivot_root like any other; before that, the kernel refuses
 * that with EINVAL, and the new root is moved over the old one.
 */
function changeRoot(root: Text): bool {
  target.reset().text(root);
  let result = kernel.chdir(target.path());
  if (result < 0) return because(problem("cannot enter ").text(root), result);
  result = kernel.pivotRoot(path("."), path("."));
  if (result >= 0) {
    result = kernel.umount2(path("."), kernel.MNT_DETACH);
  } else if (result == -kernel.EINVAL) {
    result = kernel.mount(path("."), target.reset().literal("/").path(), init.reset().path(), kernel.MS_MOVE, 0);
    if (result >= 0) result = kernel.chroot(path("."));
  }
  if (result >= 0) result = kernel.chdir(path("/"));
  return result >= 0 || because(problem("cannot make ").text(root).literal(" the root directory"), result);
}

/** Only a file system of memory may be emptied: on anything else these files are somebody's. */
function isInMemory(): bool {
  if (kernel.statfs(path("/"), statfs, STATFS_SIZE) < 0) return false;
  const type = load<u64>(statfs);
  return type == RAMFS_MAGIC || type == TMPFS_MAGIC;
}

/**
 * Gives the memory of the first stage back. A file that cannot be removed costs memory and nothing else, so
 * faults are passed over; other file systems are not entered.
 */
function emptyDirectory(parent: i32, name: usize, level: i32): void {
  if (level == MOST_LEVELS) return;
  if (readers.length == level) readers.push(new DirectoryReader());
  const reader = readers[level];
  if (reader.open(parent, name) < 0) return;
  while (reader.next()) {
    if (stat.read(reader.descriptor, reader.name) < 0 || stat.fileSystem != oldFileSystem) continue;
    if (stat.isDirectory) {
      emptyDirectory(reader.descriptor, reader.name, level + 1);
      kernel.unlinkat(reader.descriptor, reader.name, kernel.AT_REMOVEDIR);
    } else {
      kernel.unlinkat(reader.descriptor, reader.name, 0);
    }
  }
}
