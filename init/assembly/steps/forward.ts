import { copyFile } from "../copy";
import { DirectoryReader } from "../files";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { Stat } from "../stat";
import { PATH_MAX, Text, Writer } from "../text";

/** Nothing sensible nests deeper in an initrd; each level keeps a directory open. */
const MOST_LEVELS: i32 = 64;
const MOST_SYMLINKS: i32 = 8;
const COMMA: u8 = 0x2c;
const SLASH: u8 = 0x2f;

const from = new Writer(PATH_MAX);
const to = new Writer(PATH_MAX);
const link = new Writer(PATH_MAX);
const readers: DirectoryReader[] = [];
const stat = new Stat();
const targetStat = new Stat();
let ownFileSystem: u64 = 0;
let copied: i32 = 0;
let targetLength: i32 = 0;
let skipped: Text | null = null;

/**
 * `forward TARGET`: takes along what did not come with the first stage: systemd-stub's /.extra, and whatever a
 * boot loader or a network boot appended to the initrd. It is laid over TARGET as the kernel would have laid it
 * over the initrd itself. `forward TARGET [skip=NAME,...]` leaves out top-level names that did come with it, such as
 * the early segments that hold microcode.
 */
export function forwardStep(step: Step): bool {
  const target = step.word(1);
  if (target.length == 0) {
    problem("the plan's line lacks a target");
    return false;
  }
  skipped = step.option("skip");
  from.reset();
  to.reset().text(target);
  targetLength = to.length;
  copied = 0;
  let result = stat.read(kernel.AT_FDCWD, from.literal("/").path());
  if (result < 0) return because(problem("cannot look at the root directory"), result);
  ownFileSystem = stat.fileSystem;
  from.reset();
  result = forwardDirectory(0);
  if (result < 0) return because(problem("cannot forward ").text(from.toText()).literal(" to ").text(to.toText()), result);
  outcome().number(copied).literal(" appended files");
  return true;
}

/** Lays the directory `from` over the directory `to`; both are as before afterwards, or name the fault. */
function forwardDirectory(level: i32): i32 {
  if (level == MOST_LEVELS) return -kernel.ELOOP;
  if (readers.length == level) readers.push(new DirectoryReader());
  const reader = readers[level];
  const fromLength = from.length;
  const toLength = to.length;
  let result = reader.open(kernel.AT_FDCWD, from.literal("/").path());
  from.truncate(fromLength);
  if (result < 0) return result;
  while (reader.next()) {
    from.literal("/").bytes(reader.name, reader.nameLength);
    to.literal("/").bytes(reader.name, reader.nameLength);
    if (from.overflowed || to.overflowed) result = -kernel.ENAMETOOLONG;
    else if (level > 0 || !isOurs(new Text(reader.name, reader.nameLength))) result = forwardEntry(level);
    if (result < 0) {
      reader.close();
      return result;
    }
    from.truncate(fromLength);
    to.truncate(toLength);
  }
  return reader.fault;
}

function forwardEntry(level: i32): i32 {
  let result = stat.read(kernel.AT_FDCWD, from.path());
  if (result < 0) return result;
  if (stat.fileSystem != ownFileSystem) return 0; // a mount: /dev, /proc, /run, /sys
  if (!stat.isDirectory) {
    copied++;
    return copyFile(kernel.AT_FDCWD, from.path(), to.path(), stat);
  }
  const mode = stat.mode & 0o7777;
  const uid = stat.uid;
  const gid = stat.gid;
  result = followTarget();
  if (result < 0) return result;
  result = kernel.mkdir(to.path(), mode);
  if (result >= 0) {
    result = kernel.lchown(to.path(), uid, gid);
    if (result >= 0) result = kernel.chmod(to.path(), mode);
  } else if (result == -kernel.EEXIST) {
    result = 0;
  }
  return result < 0 ? result : forwardDirectory(level + 1);
}

/**
 * Where `to` is a symbolic link (/lib to usr/lib, /var/run to /run), goes to the directory behind it: an archive that
 * names lib/firmware means the image's /usr/lib/firmware and not a new /lib that hides it.
 */
function followTarget(): i32 {
  for (let i = 0; i < MOST_SYMLINKS; i++) {
    if (targetStat.read(kernel.AT_FDCWD, to.path()) < 0 || !targetStat.isSymlink) return 0;
    const length = kernel.readlinkat(kernel.AT_FDCWD, to.path(), link.start, PATH_MAX);
    if (length < 0) return length;
    let parent = to.length;
    if (load<u8>(link.start) == SLASH) {
      parent = targetLength; // absolute links count from the image's root
    } else {
      while (load<u8>(to.start + parent - 1) != SLASH) parent--;
    }
    to.truncate(parent).bytes(link.start, length);
    if (to.overflowed) return -kernel.ENAMETOOLONG;
  }
  return -kernel.ELOOP;
}

/** The first stage's own files, and those that the plan names. */
function isOurs(name: Text): bool {
  return name.equals("init") || name.equals("lazyrd") || isSkipped(name);
}

function isSkipped(name: Text): bool {
  const list = skipped;
  if (list === null) return false;
  let start = 0;
  for (let i = 0; i <= list.length; i++) {
    if (i < list.length && list.at(i) != COMMA) continue;
    if (list.slice(start, i).same(name)) return true;
    start = i + 1;
  }
  return false;
}
